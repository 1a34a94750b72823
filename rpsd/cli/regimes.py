"""`rpsd regimes`: the regime of a symbol now, or the regimes of a range."""

from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer
from rpsd.cli.reach import load, reached


def regimes(
    symbol: Annotated[str, typer.Argument(help="Symbol, e.g. ^GSPC.")],
    regime_type: Annotated[str | None, typer.Option("--regime-type", help="2_state, 3_state, 4_state, 5_state or auto.")] = None,
    interval: Annotated[str, typer.Option("--interval", help="Interval of the bars.")] = "1d",
    start: Annotated[str | None, typer.Option("--start", help="Fit this range instead of asking the model: first day.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day of the range.")] = None,
    mode: Annotated[str, typer.Option("--mode", help="filtered or smoothed, for a range.")] = "filtered",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the regime of a symbol now, by its stored model, or fit those of a range."""
    from rpsd.cli import report

    if (start is None) != (end is None):
        raise typer.BadParameter("give --start and --end together")
    settings = load(config_file)
    with reached(settings, worker=start is not None) as here:
        if start is None or end is None:
            found = here.regime(symbol, interval, regime_type)
        else:
            options = {"regime_type": regime_type or settings.regimes.default_regime_type, "interval": interval, "mode": mode}
            found = here.detect(symbol, start, end, options)
    answer(found, as_json, lambda: report.regimes(found))
