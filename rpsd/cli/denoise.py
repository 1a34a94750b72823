"""`rpsd denoise`: a CSV file in, a CSV file out; no server, no database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer
from rpsd.cli.reach import keep_kernels, load, quiet
from rpsd.core.errors import UnknownColumn, UnknownFile

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.core.market import Samples
    from rpsd.core.result import DenoiseResult


def denoise(
    file: Annotated[Path, typer.Argument(help="CSV file with a time column and numeric columns.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write: time, the column, and the column denoised.")],
    column: Annotated[str, typer.Option("--column", help="Column to denoise.")] = "close",
    method: Annotated[str | None, typer.Option("--method", help="auto, wavelet, kalman or ema; else denoiser.method.")] = None,
    causality: Annotated[str, typer.Option("--causality", help="hindsight, or causal: each value uses the past alone.")] = "hindsight",
    interval: Annotated[str, typer.Option("--interval", help="Interval of the rows.")] = "1d",
    fill: Annotated[str, typer.Option("--fill", help="none: refuse missing values; bridge: interpolate over them.")] = "none",
    tz: Annotated[str | None, typer.Option("--tz", help="Time zone of times without offset.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Denoise one column of a CSV file and say what was removed."""
    import time

    from rpsd.cli import report
    from rpsd.services.denoise import account

    settings = load(config_file)
    quiet()
    keep_kernels(settings)
    samples = _read(file, interval, tz)
    if column not in samples.columns:
        raise UnknownColumn(f"{file} has no column {column!r}", hint=f"It has: {', '.join(samples.columns)}. Name one with --column.")
    from rpsd.kernels import jit  # after keep_kernels: numba reads the place of its cache when it is loaded

    jit.warm(skip=("csv", "hmm", "hmm_em"))  # compiling is not denoising: it stays out of the time that is told
    started = time.perf_counter()
    result = _run(settings, samples, column, {"method": method or settings.denoiser.method, "causality": causality, "fill": fill})
    seconds = time.perf_counter() - started
    _write(output, samples, column, result)
    data = account(result, round(seconds, 6)) | {"output": str(output)}
    answer(data, as_json, lambda: f"{output}: {column} of {file} denoised\n\n{report.denoised(result, samples.n, seconds)}")


def _read(file: Path, interval: str, tz: str | None) -> "Samples":
    """The rows of the file. Raises UnknownFile, BadCsv, BadRows, BadTime."""
    from rpsd.services.csv import CsvReader

    reader = CsvReader(interval, tz=tz)
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                reader.feed(chunk)
    except OSError as error:
        raise UnknownFile(f"{file}: {error.strerror}") from error
    return reader.finish().samples


def _run(settings: "Settings", samples: "Samples", column: str, options: dict[str, Any]) -> "DenoiseResult":
    """The column denoised with the defaults of the settings."""
    from dataclasses import asdict

    from rpsd.denoise import run

    defaults = {name: value for name, value in asdict(settings.denoiser).items() if name != "method"}
    y = samples.columns[column]
    return run.denoise(y, t=samples.t, params={}, guardrails=settings.guardrails, defaults=defaults, **options)


def _write(output: Path, samples: "Samples", column: str, result: "DenoiseResult") -> None:
    """Write the file whole or not at all."""
    from rpsd.services.csv_text import csv_text

    partial = output.with_name(f"{output.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.writelines(csv_text(samples.t, {column: samples.columns[column], f"{column}_denoised": result.values}))
        partial.replace(output)
    except OSError as error:
        raise UnknownFile(f"{output}: {error.strerror}") from error
