"""A file that somebody dropped into the inbox: whether it is whole, which series its name and sidecar say, and its rows."""

import fcntl
import json
import os
import re
import signal
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import market
from rpsd.core.errors import InvalidRequest
from rpsd.core.market import INTERVALS

if TYPE_CHECKING:
    from rpsd.services.intake.rows import Parsed

SIDECAR: Final = ".json"
"""AAPL.csv.json may say what the name AAPL.csv does not; it is moved with its file."""
_WORDS: Final = frozenset({"symbol", "interval", "tz", "date_format", "on_error"})
_NAME: Final = re.compile(rf"(.+)_({'|'.join(INTERVALS)})(?:[_.-].*)?")
_MOST_SIDECAR_BYTES: Final = 4096
_CHUNK: Final = 1 << 20
_UNENDED_SECONDS: Final = 60.0
"""A text file whose last line has no end is taken for unfinished for so long."""
FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""How files of the inbox are opened: no link is followed, no pipe is waited for."""

Look = tuple[int, int, int]
"""Inode, size and time of the last change of a file: alike at two looks, nobody has written."""


@dataclass(frozen=True, slots=True)
class Said:
    """What name and sidecar say of a file."""

    symbol: str
    interval: str
    options: Mapping[str, Any]


def look(found: os.stat_result) -> Look:
    """How a file looks."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def shown(name: str) -> str:
    """A file's name for logs and messages: it may hold bytes that are no text, and escapes of terminals.

    >>> shown("A\\nB\\udcff.csv")
    'A?B?.csv'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def is_being_written(descriptor: int, found: os.stat_result, file: Path) -> bool:
    """Whether somebody has the file open for writing, or it ends within a line and was changed lately."""
    if not stat.S_ISREG(found.st_mode) or _is_open_for_writing(descriptor):
        return True
    if _kind(file) == "parquet":
        return False
    ended = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) == b"\n"
    return not ended and abs(time.time() - found.st_mtime) < _UNENDED_SECONDS


def _is_open_for_writing(descriptor: int) -> bool:
    """Whether the kernel says so; it tells the file's owner alone, of others' files nothing is known and False is said."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # ignored by default: a lease that is broken must not end the process
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "parquet" if suffix in (".parquet", ".pq") else "ndjson" if suffix in (".ndjson", ".jsonl") else "csv"


def said_of(file: Path) -> Said:
    """Symbol, interval and options of the file. Raises InvalidRequest, BadSymbol."""
    found: dict[str, Any] = {}
    if match := _NAME.fullmatch(file.name.rpartition(".")[0] or file.name):
        found = {"symbol": match[1], "interval": match[2]}
    found |= _sidecar(file.with_name(file.name + SIDECAR))
    if "symbol" not in found or "interval" not in found:
        raise InvalidRequest(
            f"{shown(file.name)} does not say which series it is",
            hint="Name it SYMBOL_INTERVAL.csv, such as AAPL_1d.csv, or put a sidecar there.",
        )
    options = {name: value for name, value in found.items() if name not in ("symbol", "interval")}
    if options.get("on_error", "reject") not in ("reject", "skip"):
        raise InvalidRequest(f"{shown(file.name)}{SIDECAR}: on_error is reject or skip")
    return Said(market.symbol(found["symbol"]), market.interval(found["interval"]), options)


def _sidecar(file: Path) -> dict[str, str]:
    """What the sidecar says, nothing without one. Raises InvalidRequest."""
    data: bytes | None = None
    try:
        descriptor = os.open(file, FLAGS)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                data = os.read(descriptor, _MOST_SIDECAR_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequest(f"{shown(file.name)} cannot be read: {error.strerror}") from error
    try:
        found = json.loads(data) if data is not None and len(data) <= _MOST_SIDECAR_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()) or set(found) - _WORDS:
        raise InvalidRequest(f"{shown(file.name)} is no JSON object of {', '.join(sorted(_WORDS))} and texts")
    return found


def parsed(file: Path, stream: Any, size: int, said: Said) -> "Parsed":
    """The rows of the first `size` bytes of the file; a Parquet file is read by its name. Raises as the readers do."""
    if _kind(file) == "parquet":
        from rpsd.services.intake.parquet import read_parquet

        return read_parquet(file, said.interval, **said.options)
    from rpsd.services.intake.ingest import CsvReader, NdjsonReader

    reader = (NdjsonReader if _kind(file) == "ndjson" else CsvReader)(said.interval, **said.options)
    while size > 0 and (chunk := stream.read(min(_CHUNK, size))):
        size -= len(chunk)
        reader.feed(chunk)
    return reader.finish()
