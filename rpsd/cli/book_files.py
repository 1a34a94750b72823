"""Files of order books on their way to a reader: gzip undone, LOBSTER's two files laid side by side, with progress."""

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, cast

from rpsd.core.errors import InvalidRequest, UnknownFile

Told = Callable[[float, str], None]

_CHUNK: Final = 1 << 20
_MESSAGE: Final = "_message_"
_DATE: Final = re.compile(r"_(\d{4}-\d{2}-\d{2})_")


def date_of(file: Path) -> str | None:
    """The date in the name of a LOBSTER file."""
    found = _DATE.search(file.name)
    return found[1] if found else None


def chunks(file: Path, file_format: str, progress: Told) -> Iterator[bytes]:
    """The text of the file in pieces. A LOBSTER message file comes with its orderbook file, line by line. Raises UnknownFile."""
    paired = file_format == "lobster" and _MESSAGE in file.name
    files = [file, file.with_name(file.name.replace(_MESSAGE, "_orderbook_"))] if paired else [file]
    total = 0
    with ExitStack() as held:
        raws = []
        for one in files:
            try:
                total += one.stat().st_size
                raws.append(held.enter_context(one.open("rb")))
            except OSError as error:
                hint = f"LOBSTER's {file.name} is read together with the file of its books." if one != file else None
                raise UnknownFile(f"{one}: {error.strerror}", hint=hint) from error
        texts = [_unpacked(raw, held) for raw in raws]
        try:
            for chunk in _side_by_side(texts[0], texts[1], file) if paired else iter(lambda: texts[0].read(_CHUNK), b""):
                yield chunk
                done = sum(raw.tell() for raw in raws)
                progress(done / max(total, 1), f"{done / 1e6:,.1f} MB")
        except (OSError, EOFError) as error:  # of gzip: damaged or cut off
            raise UnknownFile(f"{file}: {error}") from error


def _unpacked(raw: BinaryIO, held: ExitStack) -> BinaryIO:
    magic = raw.read(2)
    raw.seek(0)
    return cast(BinaryIO, held.enter_context(gzip.open(raw))) if magic == b"\x1f\x8b" else raw


def _side_by_side(messages: BinaryIO, books: BinaryIO, file: Path) -> Iterator[bytes]:
    """Each line of the messages with that of the books behind it. Raises InvalidRequest when one file is longer."""
    lines, size, number = [], 0, 0
    while True:
        message, book = messages.readline(), books.readline()
        if bool(message) != bool(book):
            raise InvalidRequest(f"{file.name} and its orderbook file are not of one length; one ends after line {number}")
        if not message:
            break
        number += 1
        lines.append(message.rstrip(b"\r\n") + b"," + book.rstrip(b"\r\n") + b"\n")
        size += len(lines[-1])
        if size >= _CHUNK:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)
