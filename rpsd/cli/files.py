"""Rows in files: CSV, NDJSON and Parquet by the suffix, `-` for the standard streams; a file is written whole or not at all."""

import errno
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from rpsd.core.errors import UnknownFile

if TYPE_CHECKING:
    from rpsd.core.market import Samples, Times, Vector
    from rpsd.services.intake.rows import Parsed

STREAM = Path("-")
"""Standard input as a source, standard output as a target."""
_CHUNK = 1 << 20

Told = Callable[[float, str], None]


def kind_of(file: Path) -> str:
    """csv, ndjson or parquet, by the suffix; anything else is CSV."""
    suffix = file.suffix.lower()
    return "parquet" if suffix in (".parquet", ".pq") else "ndjson" if suffix in (".ndjson", ".jsonl") else "csv"


def read(file: Path, interval: str, tz: str | None, told: Told) -> "Samples":
    """The rows of the file, or of standard input: CSV, or NDJSON when it begins with a brace.

    Raises BadSymbol (the interval), UnknownFile, MissingExtra, BadCsv, BadRows, BadTime, MalformedBody.
    """
    from rpsd.core import market

    market.interval(interval)
    if file != STREAM and kind_of(file) == "parquet":
        from rpsd.services.intake.parquet import read_parquet

        return read_parquet(file, interval, tz=tz).samples
    try:
        if file == STREAM:
            return _fed(_open(sys.stdin, "input").buffer, None, interval, tz, told).samples
        with file.open("rb") as stream:
            return _fed(stream, file, interval, tz, told).samples
    except OSError as error:
        raise UnknownFile(f"{file}: {error.strerror}") from error


def _fed(stream: BinaryIO, file: Path | None, interval: str, tz: str | None, told: Told) -> "Parsed":
    from rpsd.services.intake.ingest import CsvReader, NdjsonReader

    chunk, done = stream.read(_CHUNK), 0
    total = max(file.stat().st_size, 1) if file is not None else 0
    lines = chunk.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{" if file is None else kind_of(file) == "ndjson"
    reader = (NdjsonReader if lines else CsvReader)(interval, tz=tz)
    while chunk:
        reader.feed(chunk)
        done += len(chunk)
        told(done / total if total else 0.0, f"{done / 1e6:,.1f} MB read")
        chunk = stream.read(_CHUNK)
    return reader.finish()


def write(output: Path, t: "Times", columns: "Mapping[str, Vector]") -> None:
    """Write t (n,) and the columns (n,) to the file, or to standard output as CSV. Raises UnknownFile, MissingExtra."""
    from rpsd.services.intake.csv_text import csv_text
    from rpsd.services.intake.ndjson_text import ndjson_text

    if output == STREAM:
        pipe = _open(sys.stdout, "output").buffer
        for piece in csv_text(t, columns):
            pipe.write(piece.encode())
        pipe.flush()
        return
    kind = kind_of(output)
    with whole(output) as partial:
        if kind == "parquet":
            from rpsd.services.intake.parquet import write_parquet

            write_parquet(partial, t, columns)
            return
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines((ndjson_text if kind == "ndjson" else csv_text)(t, columns))


def _open(stream: "TextIO | None", word: str) -> "TextIO":
    """The standard stream. Raises UnknownFile when whoever started us has closed it; Python has None then."""
    if stream is None:
        raise UnknownFile(f"standard {word} is closed")
    return stream


@contextmanager
def whole(output: Path) -> Iterator[Path]:
    """A path beside the output that takes its name in the end; after an error or Ctrl-C nothing is left. Raises UnknownFile."""
    partial = output.with_name(f"{output.name}.partial")
    try:
        yield partial
        partial.replace(output)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise UnknownFile(f"{output}: {error.strerror}") from error
    finally:
        if partial.is_file():
            partial.unlink()
