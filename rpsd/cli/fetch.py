"""`rpsd fetch`: pull market data now."""

from typing import Annotated, Any

import typer

from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, table
from rpsd.cli.reach import load, reached

_COUNTS = ("fetched", "fresh", "waiting", "failed", "inserted", "updated")
_FAILED = ("source", "symbol", "code", "detail")


def fetch(
    source: Annotated[str | None, typer.Argument(help="A source of the settings; all of them without it.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="This symbol only, as stored or as the vendor writes it.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Pull market data from the sources now."""
    args = {name: value for name, value in (("source", source), ("symbol", symbol)) if value is not None}
    with reached(load(config_file)) as here, Progress("fetch") as progress:
        found = here.run_job("fetch", args, True, progress)
    if error := failure(found):
        raise error
    answer(found, as_json, lambda: _shown(found.get("result") or {}))
    if any(row["failed"] for row in (found.get("result") or {}).get("sources", {}).values()):
        raise typer.Exit(1)


def _shown(result: dict[str, Any]) -> str:
    """A line for each source, and why symbols failed."""
    rows = [[name, *(counts[key] for key in _COUNTS)] for name, counts in result.get("sources", {}).items()]
    told = table(("source", *_COUNTS), rows, empty="The settings have no sources; the manual's chapter on sources shows how.")
    if failed := result.get("failed"):
        told += "\n\n" + table(_FAILED, [[row[key] for key in _FAILED] for row in failed], empty="")
    return told
