"""`rpsd regimes`: the regime of a symbol now by its stored model, or the regimes of a range or a file, fitted anew."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rpsd.cli.files import STREAM, read, whole
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer
from rpsd.cli.reach import keep_kernels, load, quiet, reached

if TYPE_CHECKING:
    from rpsd.config import Settings

_SUFFIXES: Final = (".csv", ".ndjson", ".jsonl", ".parquet", ".pq")
_INCLUDE: Final = ("prices", "probabilities", "residuals")
"""What a picture is drawn from."""


def regimes(
    target: Annotated[
        str, typer.Argument(help="Symbol, e.g. ^GSPC, or a file: .csv, .ndjson, .parquet, - for stdin.", metavar="SYMBOL|FILE")
    ],
    regime_type: Annotated[str | None, typer.Option("--regime-type", help="2_state, 3_state, 4_state, 5_state or auto.")] = None,
    interval: Annotated[str, typer.Option("--interval", help="Interval of the bars.")] = "1d",
    start: Annotated[
        str | None, typer.Option("--start", help="Fit anew from here on; else regimes.train_window back, or all of a file.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="Fit anew up to here, inclusive; else up to the last bar.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="Fit anew: filtered, walk_forward or smoothed.")] = None,
    refit_every: Annotated[int | None, typer.Option("--refit-every", help="Bars between the refits of walk_forward.", min=1)] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="Fit anew with this engine; else regimes.engine.")] = None,
    emission: Annotated[str | None, typer.Option("--emission", help="Fit anew with auto, t or gaussian; else regimes.emission.")] = None,
    columns: Annotated[str | None, typer.Option("--columns", help="What the model sees, comma separated; else regimes.columns.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG to write: price and regimes, probabilities, moves, residuals.")] = None,
    column: Annotated[str | None, typer.Option("--column", help="Column of a file that holds the prices; else close.")] = None,
    tz: Annotated[str | None, typer.Option("--tz", help="Time zone of times without offset in a file.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show where the regimes of a symbol or a file stand, what each was like, and where they may go."""
    from rpsd.cli import regime_report

    settings = load(config_file)
    wish: dict[str, Any] = {"mode": mode, "refit_every": refit_every, "engine": engine, "emission": emission}
    wish |= {"columns": columns.split(",") if columns else None, "include": list(_INCLUDE) if plot else None}
    wish = {name: value for name, value in wish.items() if value is not None}
    fits = bool(wish or start or end)
    wish |= {"interval": interval} | ({"regime_type": regime_type} if regime_type else {})
    if _is_file(target):
        found = _of_file(settings, Path(target), wish, {"column": column, "tz": tz, "start": start, "end": end})
    elif column is not None or tz is not None:
        raise typer.BadParameter("--column and --tz are about a file")
    elif fits:
        found = _of_range(settings, target, wish, start, end)
    else:
        with reached(settings) as here:
            found = here.regime(target, interval, regime_type)
    if plot is not None:
        found = _drawn(plot, found, target) | {"plot": str(plot)}
    head = f"{plot}: the regimes of {target} drawn\n\n" if plot is not None else ""
    answer(found, as_json, lambda: head + regime_report.regimes(found))


def _is_file(target: str) -> bool:
    """Whether the target names a file, by its suffix: a symbol may hold dots, but none of these endings."""
    return Path(target) == STREAM or Path(target).suffix.lower() in _SUFFIXES


def _of_file(settings: "Settings", file: Path, wish: dict[str, Any], given: dict[str, str | None]) -> dict[str, Any]:
    """Regimes of a file, fitted in this process: no server, no database."""
    quiet()
    keep_kernels(settings)
    with Progress(file.name) if sys.stderr.isatty() else nullcontext(_silent) as told:
        samples = read(file, wish["interval"], given["tz"], lambda fraction, message: told(fraction / 2, message))
        from rpsd.core import instant
        from rpsd.services.regime.detection import Wish
        from rpsd.services.regime.file import detect_apart  # after keep_kernels: numba reads the place of its cache when it is loaded

        first, last = (None if text is None else instant.parse(text) for text in (given["start"], given["end"]))
        return detect_apart(
            settings,
            str(file),
            samples,
            Wish(**wish),
            column=given["column"],
            start_ns=first,
            end_ns=last,
            progress=lambda fraction, message: told(0.5 + fraction / 2, message),
        )


def _silent(_fraction: float, _message: str) -> None: ...


def _of_range(settings: "Settings", symbol: str, wish: dict[str, Any], start: str | None, end: str | None) -> dict[str, Any]:
    """Regimes of a stored range, fitted by the server or a worker; what is not said of the range is the window of a model."""
    from rpsd.core import instant
    from rpsd.core.errors import TooShort
    from rpsd.core.market import SECOND_NS

    with reached(settings, worker=True) as here:
        if end is None and (end := here.series_info(symbol, wish["interval"])["last"]) is None:
            raise TooShort(f"{symbol} {wish['interval']} has no bars")
        start = start or instant.text(instant.parse(end) - int(settings.regimes.train_window * SECOND_NS))
        return here.detect(symbol, start, end, wish)


def _drawn(plot: Path, found: dict[str, Any], target: str) -> dict[str, Any]:
    """Draw the answer; the answer without what only the picture needs."""
    from rpsd.cli.plot.regimes import picture

    with whole(plot) as partial:
        picture(partial, found, f"{target} {found['interval']}")
    kept = {name: value for name, value in found.items() if name not in ("prices", "probabilities")}
    return kept | {"residuals": {name: value for name, value in found["residuals"].items() if name not in ("values", "qq")}}
