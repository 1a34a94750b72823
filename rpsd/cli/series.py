"""`rpsd series`: market data into and out of the store as CSV, NDJSON or Parquet."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpsd.cli.files import kind_of, whole, write
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector

app = typer.Typer(name="series", help="Import, export and list market data.", no_args_is_help=True, rich_markup_mode=None)

_NO_SERIES = "No series yet; `rpsd series import` stores the first."
Symbol = Annotated[str, typer.Option("--symbol", help="Symbol, e.g. AAPL, BRK.B, ^GSPC.")]
Interval = Annotated[str, typer.Option("--interval", help="Interval: tick 1s … 1m … 1h … 1d 1w.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV file with a header, .ndjson with a row a line, or .parquet.")],
    symbol: Symbol,
    interval: Interval,
    tz: Annotated[str | None, typer.Option("--tz", help="Time zone of times without offset.")] = None,
    date_format: Annotated[str | None, typer.Option("--date-format", help="Layout of times that are not ISO 8601.")] = None,
    on_error: Annotated[str, typer.Option("--on-error", help="reject: all or nothing; skip: store the good rows.")] = "reject",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Store the rows of a file: CSV or NDJSON of any size, or Parquet. All or nothing unless --on-error skip."""
    options = {"tz": tz, "date_format": date_format, "on_error": on_error}
    with reached(load(config_file)) as here, Progress(file.name) as progress:
        found = here.import_file(file, symbol, interval, options, progress)
    rows = [(name, found[name]) for name in ("accepted", "inserted", "updated", "unchanged", "last")]
    answer(found, as_json, lambda: pairs([*rows, ("rejected", len(found["rejected"]))]))


@app.command("export")
def export(
    symbol: Symbol,
    interval: Interval,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: CSV, .ndjson or .parquet by its suffix; else CSV on stdout.")
    ] = None,
    start: Annotated[str | None, typer.Option("--start", help="First time.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last time.")] = None,
    columns: Annotated[str | None, typer.Option("--columns", help="Columns, comma separated.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """Write stored rows to a file or to stdout."""
    with reached(load(config_file)) as here:
        kind = "csv" if output is None else kind_of(output)
        chunks = here.export(symbol, interval, kind, {"start": start, "end": end, "columns": columns})
        if output is None:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        elif kind == "parquet":
            write(output, *_table(chunks, interval))
        else:
            with whole(output) as partial, partial.open("wb") as stream:
                for chunk in chunks:
                    stream.write(chunk)


def _table(chunks: "Iterator[bytes]", interval: str) -> "tuple[Times, Mapping[str, Vector]]":
    """The rows of an exported CSV, bit for bit."""
    from rpsd.services.intake.ingest import CsvReader

    reader = CsvReader(interval)
    for chunk in chunks:
        reader.feed(chunk)
    samples = reader.finish().samples
    return samples.t, samples.columns


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
