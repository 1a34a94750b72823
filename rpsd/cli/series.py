"""`rpsd series`: market data into and out of the store as CSV."""

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached
from rpsd.core.errors import UnknownFile

app = typer.Typer(name="series", help="Import, export and list market data.", no_args_is_help=True, rich_markup_mode=None)

_NO_SERIES = "No series yet; `rpsd series import` stores the first."
Symbol = Annotated[str, typer.Option("--symbol", help="Symbol, e.g. AAPL, BRK.B, ^GSPC.")]
Interval = Annotated[str, typer.Option("--interval", help="Interval: tick 1s … 1m … 1h … 1d 1w.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV file with a header.")],
    symbol: Symbol,
    interval: Interval,
    tz: Annotated[str | None, typer.Option("--tz", help="Time zone of times without offset.")] = None,
    date_format: Annotated[str | None, typer.Option("--date-format", help="Layout of times that are not ISO 8601.")] = None,
    on_error: Annotated[str, typer.Option("--on-error", help="reject: all or nothing; skip: store the good rows.")] = "reject",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Store the rows of a CSV file of any size. All or nothing unless --on-error skip."""
    options = {"tz": tz, "date_format": date_format, "on_error": on_error}
    with reached(load(config_file)) as here, Progress(file.name) as progress:
        found = here.import_csv(file, symbol, interval, options, progress)
    rows = [(name, found[name]) for name in ("accepted", "inserted", "updated", "unchanged", "last")]
    answer(found, as_json, lambda: pairs([*rows, ("rejected", len(found["rejected"]))]))


@app.command("export")
def export(
    symbol: Symbol,
    interval: Interval,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; else stdout.")] = None,
    start: Annotated[str | None, typer.Option("--start", help="First time.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last time.")] = None,
    columns: Annotated[str | None, typer.Option("--columns", help="Columns, comma separated.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """Write stored rows as CSV."""
    with reached(load(config_file)) as here:
        chunks = here.export_csv(symbol, interval, start, end, columns)
        if output is None:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return
        partial = output.with_name(f"{output.name}.partial")  # nobody finds half a file under the final name
        try:
            with partial.open("wb") as stream:
                for chunk in chunks:
                    stream.write(chunk)
            partial.replace(output)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise UnknownFile(f"{output}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the stored series."""
    with reached(load(config_file)) as here:
        rows = here.series()
    headers = ("symbol", "interval", "rows", "first", "last", "columns")
    answer(
        {"series": rows},
        as_json,
        lambda: table(headers, [[", ".join(row[h]) if h == "columns" else row[h] for h in headers] for row in rows], empty=_NO_SERIES),
    )
