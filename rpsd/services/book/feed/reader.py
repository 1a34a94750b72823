"""Files of order books in pieces: what the readers of all formats share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Grid, Integers, Tape, Updates
from rpsd.core.errors import BadBook, Fault, InvalidRequest, MalformedBody

T = TypeVar("T")
Row = tuple[int, list[bytes]]
"""The number of a line and its fields."""
UNREADABLE: Final = "unreadable"
"""What stands in the place of a validator's rule for a line that could not even be read."""
MOST_NAMED: Final = 100
MOST_LISTED: Final = 1000
_WINDOW: Final = 1 << 20
"""Bytes that are parsed at a time, and lines: what bounds the memory, and the size of a piece."""
_LINES: Final = 1 << 14
_LONGEST_LINE: Final = 1 << 22  # a REST snapshot of 5,000 levels a side is 200 KB


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How a file is read. on_error=reject stops at a window with bad lines, skip leaves them out and lists them.

    `date` (YYYY-MM-DD) and `tz`: for LOBSTER, whose times count from midnight.
    """

    on_error: str = "reject"
    date: str | None = None
    tz: str = "America/New_York"


@dataclass(frozen=True, slots=True)
class Piece:
    """Records in their order, and the line of each (n,); of updates that of each message. Lines count from 1."""

    feed: Tape | Updates
    lines: Integers


@dataclass(slots=True)
class BadLines:
    """The lines that could not be read: the first thousand under skip, the first hundred otherwise."""

    skip: bool
    count: int = 0
    listed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Note a line."""
        self.count += 1
        if self.count <= MOST_LISTED:
            self.listed.append({"row": line, "rule": UNREADABLE, "reason": reason})

    @property
    def is_settled(self) -> bool:
        """Whether so many lines are bad that no more need be looked at."""
        return not self.skip and self.count >= MOST_NAMED

    def refuse(self) -> None:
        """Raise BadBook when there are some and they may not be skipped."""
        if self.listed and not self.skip:
            rows = sorted(self.listed[:MOST_NAMED], key=lambda one: int(one["row"]))
            faults = [Fault(f"/{one['row']}", f"line {one['row']}: {one['reason']}") for one in rows]
            raise BadBook(faults[0].reason, errors=faults)


class Reader(ABC):
    """A file in pieces: feed(bytes) as often as needed, then finish(); each gives the pieces that are complete, in order.

    Memory holds a window of text and what came of it, however long the file is. `bad` are the lines that could not be read, `ignored`
    counts those that say nothing of a book. Pieces before a refused window have been given: what was stored of them stays.
    """

    def __init__(self, options: ReaderOptions = ReaderOptions()) -> None:
        if options.on_error not in ("reject", "skip"):
            raise InvalidRequest(
                f"on_error is reject or skip, not {options.on_error[:20]!r}", errors=[Fault("/on_error", "expected reject or skip")]
            )
        self.options = options
        self.bad = BadLines(options.on_error == "skip")
        self.ignored = 0
        self._rest, self._line = b"", 0

    def feed(self, chunk: bytes) -> list[Piece]:
        """The pieces of all lines that are complete. Raises BadBook (bad lines), MalformedBody (not a text of lines), BadCsv (header)."""
        pieces = []
        for start in range(0, len(chunk), _WINDOW):
            *lines, self._rest = (self._rest + chunk[start : start + _WINDOW]).split(b"\n")
            if len(self._rest) > _LONGEST_LINE:
                raise MalformedBody(f"line {self._line + len(lines) + 1} is longer than {_LONGEST_LINE} bytes; is this the named format?")
            pieces += self._taken(lines)
        return pieces

    def finish(self) -> list[Piece]:
        """The last pieces. Raises MalformedBody when the file was empty, and as feed does."""
        lines = [self._rest] if self._rest.strip() else []
        self._rest = b""
        pieces = [*self._taken(lines), *self.last()]
        if not self._line:
            raise MalformedBody("the file is empty")
        return pieces

    def _taken(self, lines: list[bytes]) -> list[Piece]:
        pieces = []
        for start in range(0, len(lines), _LINES):
            some = lines[start : start + _LINES]
            if not self._line:
                some[0] = some[0].removeprefix(b"\xef\xbb\xbf")
            numbered = [(number, line.rstrip(b"\r")) for number, line in enumerate(some, self._line + 1) if line.strip()]
            self._line += len(some)
            if numbered:
                pieces += self.pieces(numbered)
            self.bad.refuse()
        return [piece for piece in pieces if piece.feed.n]

    @abstractmethod
    def pieces(self, numbered: list[tuple[int, bytes]]) -> list[Piece]:
        """The pieces of these lines, which are not empty, each with its number; bad ones go to self.bad."""

    def sound(self, rows: Sequence[Row], read: Callable[[Sequence[Row]], T]) -> T | None:
        """What `read` makes of the good rows, None without any: of all at once where nothing is wrong, else of each alone first.

        `read` raises ValueError with the reason, which is that of the row when there is but one.
        """
        try:
            return read(rows) if rows else None
        except ValueError:
            good = [row for row in rows if self._is_good(row, read)]
            return read(good) if good else None

    def _is_good(self, row: Row, read: Callable[[Sequence[Row]], Any]) -> bool:
        """Whether the row can be read; once enough are bad no more is looked at."""
        if self.bad.is_settled:
            return False
        try:
            read([row])
        except ValueError as error:
            self.bad.add(row[0], str(error))
            return False
        return True

    def last(self) -> list[Piece]:
        """What is held back until the end of the file."""
        return []


def table(rows: list[list[bytes]]) -> npt.NDArray[np.bytes_]:
    """The cells (n, c) of rows that have equally many."""
    return np.array(rows, np.bytes_)


def numbers(cells: npt.NDArray[np.bytes_]) -> Grid:
    """Float64 of the cells, 0 where one is empty. Raises ValueError when one is no number."""
    empty = cells == b""
    return (np.where(empty, b"0", cells) if empty.any() else cells).astype(np.float64)
