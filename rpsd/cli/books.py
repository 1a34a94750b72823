"""`rpsd books`: order books into the store, what stands there, and models of them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from rpsd.cli.book_backtest import backtest
from rpsd.cli.book_files import date_of
from rpsd.cli.book_sides import sides
from rpsd.cli.live import failure
from rpsd.cli.models import trained
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached

app = typer.Typer(
    name="books",
    help="Import order books, list and show them, train and backtest their models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class FileFormat(StrEnum):
    """Layouts of files that are read; rpsd.services.book.feed.FORMATS."""

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


app.command("backtest")(backtest)

_SHOWN = 5
"""Levels a side that `show` prints; --json has all."""
_FAULT = ("t", "row", "rule", "excerpt")
_LISTED = ("symbol", "state", "tick", "events", "first", "last")


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the order books."""
    with reached(load(config_file)) as here:
        rows = here.books()
    cells = [[row.get(name) for name in _LISTED] for row in rows]
    answer({"books": rows}, as_json, lambda: table(_LISTED, cells, empty="No order books yet; `rpsd books import` reads files."))


Symbol = Annotated[str, typer.Argument(help="Symbol, e.g. BTC-USDT.")]


@app.command()
def show(symbol: Symbol, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show where an order book stands, and its best levels."""
    with reached(load(config_file)) as here:
        found = here.book(symbol)
    answer(found, as_json, lambda: _shown(found))


def _shown(book: dict[str, Any]) -> str:
    """Where it stands, the records put aside by rule, and the best levels."""
    rows = [(name, value) for name, value in book.items() if not isinstance(value, dict | list)]
    rows += [(f"bad: {rule}", n) for rule, n in book["faults"].items()]
    return f"{pairs(rows)}\n\n{sides(book, _SHOWN)}" if book["bids"] or book["asks"] else pairs(rows)


@app.command()
def faults(
    symbol: Symbol,
    rule: Annotated[str | None, typer.Option("--rule", help="Of this rule alone, e.g. crossed.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the newest records that were put aside."""
    with reached(load(config_file)) as here:
        rows = here.book_faults(symbol, rule)
    cells = [[row[name] for name in _FAULT] for row in rows]
    answer({"faults": rows}, as_json, lambda: table(_FAULT, cells, empty="No record was put aside.", cut=False))


@app.command()
def train(
    symbol: Symbol,
    label: Annotated[str, typer.Option("--label", help="What to foretell, e.g. horizon_500_ms, horizon_10_events.")] = "next_mid_move",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has finished.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a model of an order book; it serves once it beats the baselines."""
    with reached(load(config_file), worker=True) as here, Progress("train") as progress:
        run = here.run_job("book_train", {"model": f"book:{symbol.upper()}:{label}"}, wait, progress)
    if error := failure(run):
        raise error
    answer(run, as_json, lambda: trained(run))
