"""`rpsd maintenance`: drop readiness and let jobs wait, while requests are served."""

from typing import Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs
from rpsd.cli.reach import load, reached
from rpsd.core.errors import InvalidRequest

app = typer.Typer(name="maintenance", help="Drop readiness and pause jobs.", no_args_is_help=True, rich_markup_mode=None)


def _show(found: dict[str, Any], as_json: bool) -> None:
    rows = [("maintenance", "on" if found["on"] else "off")]
    rows += [(name, found[name]) for name in ("since", "until", "reason", "by") if found.get(name)]
    answer(found, as_json, lambda: pairs(rows))


@app.command()
def on(
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look at health and audit log.")] = "",
    lasts: Annotated[str | None, typer.Option("--for", help="End by itself after this time, such as 1h; else by `off`.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Not ready, and no job begins; requests are served and running jobs go on. Lasts over restarts."""
    from rpsd.config import kinds

    try:
        seconds = None if lasts is None else kinds.DURATION.parse(int(lasts) if lasts.isdecimal() else lasts)
    except kinds.Unfit as error:
        raise InvalidRequest(f"--for: {error}") from error
    with reached(load(config_file)) as here:
        _show(here.upkeep.begin_maintenance(reason, seconds), as_json)


@app.command()
def off(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Ready again; the jobs that waited begin."""
    with reached(load(config_file)) as here:
        _show(here.upkeep.end_maintenance(), as_json)


@app.command()
def status(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Whether it is on, since when, until when and why."""
    with reached(load(config_file)) as here:
        _show(here.upkeep.maintenance(), as_json)
