"""`rpsd books`: order books into the store."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rpsd.cli.book_files import date_of
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs
from rpsd.cli.reach import load, reached

app = typer.Typer(name="books", help="Import order books.", no_args_is_help=True, rich_markup_mode=None)


class FileFormat(StrEnum):
    """Layouts of files that are read; rpsd.services.feed.FORMATS."""

    LOBSTER = "lobster"
    TARDIS = "tardis"
    BINANCE = "binance"


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File, gzipped or not; of LOBSTER the message file, its orderbook file beside it.")],
    file_format: Annotated[FileFormat, typer.Option("--format", help="Layout of the file.")],
    symbol: Annotated[str, typer.Option("--symbol", help="Symbol, e.g. BTC-USDT.")],
    date: Annotated[str | None, typer.Option("--date", help="LOBSTER: the day, YYYY-MM-DD; else read from the name.")] = None,
    tz: Annotated[str, typer.Option("--tz", help="LOBSTER: time zone of the exchange.")] = "America/New_York",
    tick: Annotated[float | None, typer.Option("--tick", help="Price step; else inferred.")] = None,
    on_error: Annotated[str, typer.Option("--on-error", help="reject: stop at a bad record; skip: put bad records aside.")] = "reject",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Store a file of an order book, of any size, piece by piece."""
    options = {"date": date or date_of(file), "tz": tz, "tick": tick, "on_error": on_error}
    with reached(load(config_file)) as here, Progress(file.name) as progress:
        found = here.import_book(file, file_format.value, symbol, options, progress)
    rows = [(name, found[name]) for name in ("accepted", "repaired", "skipped", "ignored", "state", "last")]
    answer(found, as_json, lambda: pairs([*rows, *(("bad: " + rule, n) for rule, n in found["counts"].items())]))
