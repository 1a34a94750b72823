"""`rpsd denoise`: a file or a stream in, a file or a stream out; no server, no database."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.files import STREAM, read, whole, write
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer
from rpsd.cli.reach import keep_kernels, load, quiet
from rpsd.core.errors import UnknownColumn

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.core.market import Samples
    from rpsd.core.result import DenoiseResult


def denoise(
    file: Annotated[Path, typer.Argument(help="File to read: CSV, .ndjson or .parquet; - for stdin.", metavar="FILE")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write, by its suffix: time, column, column denoised; - for stdout.")
    ] = None,
    column: Annotated[str, typer.Option("--column", help="Column to denoise.")] = "close",
    method: Annotated[str | None, typer.Option("--method", help="auto or a method of the manual; else denoiser.method.")] = None,
    causality: Annotated[
        str | None, typer.Option("--causality", help="hindsight (default), causal: the past alone, or lag: --lag samples later.")
    ] = None,
    lag: Annotated[int | None, typer.Option("--lag", help="Samples that a value may wait for; says --causality lag.")] = None,
    params: Annotated[list[str] | None, typer.Option("--params", help="Parameter as NAME=VALUE, repeatable, or all as JSON.")] = None,
    band: Annotated[bool, typer.Option("--band", help="Write the 95 % band, too: two columns more, where the method has one.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Show methods side by side: all, or those of --methods.")] = False,
    methods: Annotated[str | None, typer.Option("--methods", help="Methods to compare, comma separated.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG to write: original, denoised, removed noise, guardrails.")] = None,
    interval: Annotated[str, typer.Option("--interval", help="Interval of the rows.")] = "1d",
    fill: Annotated[str, typer.Option("--fill", help="none: refuse missing values; bridge: interpolate over them.")] = "none",
    tz: Annotated[str | None, typer.Option("--tz", help="Time zone of times without offset.")] = None,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Show progress on stderr; by default on a terminal.", show_default=False)
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Denoise one column of a file or a stream and say what was removed."""
    if output is None and plot is None and not compare:
        raise typer.BadParameter("name what to write: -o FILE (- for stdout), --plot FILE.png, or --compare")
    options: dict[str, Any] = {"method": method, "causality": causality or ("lag" if lag is not None else "hindsight"), "fill": fill}
    options |= {"params": _params(params or []), "lag": lag, "band": band}
    settings = load(config_file)
    quiet()
    keep_kernels(settings)
    with Progress(file.name) if (sys.stderr.isatty() if progress is None else progress) else nullcontext(_silent) as told:
        samples = _read(file, column, interval, tz, told)
        found = _work(settings, samples, column, options, told)
        beside = _compared(settings, samples, column, options, methods, told) if compare else {}
        _keep(samples, column, found[0], output, plot)
    _answer(file, output, plot, column, found, beside, as_json)


def _silent(_fraction: float, _message: str) -> None: ...


def _params(given: list[str]) -> dict[str, Any]:
    """The parameters of `--params`: JSON objects, or NAME=VALUE whose value is JSON or else a text. Raises BadParameter."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if text.lstrip().startswith("{"):
            try:
                found |= json.loads(text)
            except ValueError as error:
                raise typer.BadParameter(f"--params {text[:60]!r} is not JSON: {error}") from error
        elif not equals or not name.strip():
            raise typer.BadParameter(f"--params {text[:60]!r} is neither NAME=VALUE nor JSON")
        else:
            found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(file: Path, column: str, interval: str, tz: str | None, told: Any) -> "Samples":
    """The rows, of which one column is wanted. Raises UnknownColumn, and as files.read does."""
    samples = read(file, interval, tz, lambda fraction, message: told(fraction / 2, message))
    if column not in samples.columns:
        raise UnknownColumn(f"{file} has no column {column!r}", hint=f"It has: {', '.join(samples.columns)}. Name one with --column.")
    return samples


def _work(settings: "Settings", samples: "Samples", column: str, options: dict[str, Any], told: Any) -> "tuple[DenoiseResult, float]":
    """The result and its seconds."""
    import time

    from rpsd.denoise import run  # after keep_kernels: numba reads the place of its cache when it is loaded
    from rpsd.kernels import jit

    told(0.5, "kernels")
    jit.warm(skip=("csv", "hmm", *jit.FITS))  # compiling is not denoising: it stays out of the time that is told
    told(0.6, f"denoising {samples.n:,} points")
    started = time.perf_counter()
    method = options["method"] or settings.denoiser.method
    result = run.denoise(samples.columns[column], t=samples.t, **_settled(settings, {**options, "method": method}))
    return result, time.perf_counter() - started


def _settled(settings: "Settings", options: dict[str, Any]) -> dict[str, Any]:
    """The options with the defaults of the settings."""
    from dataclasses import asdict

    defaults = {name: value for name, value in asdict(settings.denoiser).items() if name != "method"}
    return {**options, "guardrails": settings.guardrails, "defaults": defaults}


def _compared(
    settings: "Settings", samples: "Samples", column: str, options: dict[str, Any], methods: str | None, told: Any
) -> dict[str, Any]:
    """Methods side by side: rows with their figures, and which to prefer."""
    from rpsd.cli import compare
    from rpsd.denoise import METHODS

    names = [name.strip() for name in methods.split(",")] if methods else [method.name for method in METHODS]
    how = _settled(settings, {"fill": options["fill"], "params": {}})
    y = samples.columns[column]
    rows, summary = compare.compared(y, samples.t, names, how, lambda fraction, name: told(0.7 + 0.25 * fraction, name))
    return {"compared": rows, "summary": summary}


def _keep(samples: "Samples", column: str, result: "DenoiseResult", output: Path | None, plot: Path | None) -> None:
    """Write what was asked for; each file whole or not at all, the picture first: it is the likelier to fail."""
    if plot is not None:
        from rpsd.cli.plot.denoised import Shown, picture

        with whole(plot) as partial:
            picture(partial, Shown(samples.t, samples.columns[column], result, column))
    if output is not None:
        columns = {column: samples.columns[column], f"{column}_denoised": result.values}
        if result.lower is not None and result.upper is not None:
            columns |= {f"{column}_lower": result.lower, f"{column}_upper": result.upper}
        write(output, samples.t, columns)


def _answer(
    file: Path,
    output: Path | None,
    plot: Path | None,
    column: str,
    found: "tuple[DenoiseResult, float]",
    beside: dict[str, Any],
    as_json: bool,
) -> None:
    """Tell what was done; on stderr when stdout carries the rows."""
    from rpsd.cli import compare, report
    from rpsd.services.denoise.service import account

    result, seconds = found
    written = [str(path) for path in (output, plot) if path is not None]
    data = account(result, round(seconds, 6)) | {"output": None if output is None else str(output)}
    data |= ({"plot": str(plot)} if plot else {}) | beside

    def text() -> str:
        head = f"{', '.join(written)}: {column} of {file} denoised\n\n" if written else ""
        return (
            head
            + report.denoised(result, result.values.size, seconds)
            + (f"\n\n{compare.text(beside['compared'], beside['summary'])}" if beside else "")
        )

    answer(data, as_json, text, err=output == STREAM)
