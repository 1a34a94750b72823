"""CSV files of Tardis: book_snapshot_N, incremental_book_L2, quotes and trades, told apart by their header.

Source: the column lists of docs.tardis.dev, "Downloadable CSV files"; times are microseconds since 1970.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import MOST_LEVELS, NO_SEQUENCE, Integers, Tape, Updates
from rpsd.core.errors import BadCsv
from rpsd.core.frame import counted
from rpsd.core.market import Times
from rpsd.services.book.feed.reader import Piece, Reader, ReaderOptions, Row, numbers, table

Cells = npt.NDArray[np.bytes_]

_FIRST: Final = ("exchange", "symbol", "timestamp", "local_timestamp")
_QUOTES: Final = ("ask_amount", "ask_price", "bid_price", "bid_amount")
_TRADES: Final = ("id", "side", "price", "amount")
_UPDATES: Final = ("is_snapshot", "side", "price", "amount")
_LEVEL: Final = re.compile(r"(asks|bids)\[(\d+)\]\.(price|amount)")
_MICROSECOND_NS: Final = 1000
_EARLIEST_US, _LATEST_US = 10**14, 7 * 10**15  # 1973 to 2191: neither milliseconds nor nanoseconds lie between
_WORDS: Final = {
    "side": {b"buy": 1.0, b"sell": -1.0, b"unknown": 0.0, b"": 0.0},
    "book": {b"bid": 1.0, b"ask": -1.0},
    "flag": {b"true": 1.0, b"false": 0.0},
}
_HINT: Final = "Read are book_snapshot_N, incremental_book_L2, quotes and trades, with the header line that Tardis writes."


@dataclass(frozen=True, slots=True)
class _Rows:
    """Good rows of a window: t, received (n,) ns, the cells behind the times (n, c), their lines (n,)."""

    t: Times
    received: Times
    cells: npt.NDArray[np.float64]
    lines: Integers

    def cut(self, start: int, end: int | None = None) -> "_Rows":
        return _Rows(self.t[start:end], self.received[start:end], self.cells[start:end], self.lines[start:end])

    def after(self, other: "_Rows | None") -> "_Rows":
        """These rows behind the others."""
        if other is None:
            return self
        both = [(getattr(other, name), getattr(self, name)) for name in ("t", "received", "cells", "lines")]
        return _Rows(*(np.concatenate(pair) for pair in both))


class TardisReader(Reader):
    """A CSV file of Tardis; one exchange and symbol a file. Rows of updates that were received at one time are one message."""

    def __init__(self, options: ReaderOptions = ReaderOptions()) -> None:  # noqa: B008 - frozen
        super().__init__(options)
        self._width = 0
        self._owner: tuple[bytes, bytes] | None = None
        self._words: dict[int, dict[bytes, float]] = {}
        self._made: Callable[[_Rows], list[Piece]] = self._snapshots
        self._order: Integers = np.empty(0, np.int64)
        self._levels = 0
        self._held: _Rows | None = None

    def pieces(self, numbered: list[tuple[int, bytes]]) -> list[Piece]:
        """The pieces of these lines; the first of the file is its header."""
        if not self._width:
            self._header(numbered[0][1].decode("utf-8", "replace").strip().split(","))
            numbered = numbered[1:]
        rows = self.sound([(number, line.split(b",")) for number, line in numbered], self._read)
        return [] if rows is None else self._made(rows)

    def last(self) -> list[Piece]:
        """The last message of updates: nothing can join it any more."""
        held, self._held = self._held, None
        return [] if held is None else [_message_piece(held)]

    def _header(self, names: list[str]) -> None:
        """Choose how rows are read. Raises BadCsv."""
        if tuple(names[:4]) != _FIRST:
            raise BadCsv(f"expected a header that begins with {','.join(_FIRST)}, got {','.join(names)[:80]!r}", hint=_HINT)
        rest, self._width = tuple(names[4:]), len(names)
        if rest == _QUOTES:
            self._made = self._quotes
        elif rest == _TRADES:
            self._made, self._words = self._trades, {1: _WORDS["side"]}
        elif rest == _UPDATES:
            self._made, self._words = self._updates, {0: _WORDS["flag"], 1: _WORDS["book"]}
        else:
            self._book_header(rest)

    def _book_header(self, names: tuple[str, ...]) -> None:
        places = {name: at for at, name in enumerate(names)}
        self._levels = len(names) // 4
        wanted = [f"{side}[{k}].{what}" for side in ("bids", "asks") for k in range(self._levels) for what in ("price", "amount")]
        if not names or sorted(wanted) != sorted(names) or not all(map(_LEVEL.fullmatch, names)):
            raise BadCsv(f"the header names no layout that is read: {','.join(names)[:80]!r}", hint=_HINT)
        if self._levels > MOST_LEVELS:
            raise BadCsv(f"{self._levels} levels a side; at most {MOST_LEVELS} are read", hint=_HINT)
        self._order = np.array([places[name] for name in wanted])

    def _read(self, numbered: Sequence[Row]) -> _Rows:
        """The rows. Raises ValueError with the reason, which is that of the row when there is but one."""
        if any(len(row) != self._width for _, row in numbered):
            raise ValueError(f"expected {self._width} fields, found {len(numbered[0][1])}")
        cells = table([row for _, row in numbered])
        owner = self._owner or (bytes(cells[0, 0]), bytes(cells[0, 1]))
        if ((cells[:, 0] != owner[0]) | (cells[:, 1] != owner[1])).any():
            raise ValueError(f"the row is of {_text(cells[0, 1])} at {_text(cells[0, 0])}, the file began with {_text(owner[1])}")
        times = [_microseconds(cells[:, at]) for at in (2, 3)]
        values = np.stack([self._column(cells, at) for at in range(4, self._width)], 1)
        self._owner = owner
        return _Rows(times[0], times[1], values, np.array([number for number, _ in numbered]))

    def _column(self, cells: Cells, at: int) -> npt.NDArray[np.float64]:
        if self._made == self._trades and at == 4:  # the id is text, and no feature reads it
            return np.zeros(cells.shape[0])
        column = cells[:, at]
        if (words := self._words.get(at - 4)) is None:
            try:
                return numbers(column)
            except ValueError as error:
                raise ValueError(f"expected a number, got {_text(column[0])}") from error
        found = np.full(column.size, np.nan)
        for word, value in words.items():
            found[column == word] = value
        if np.isnan(found).any():
            known = ", ".join(word.decode() for word in words if word)
            raise ValueError(f"expected one of {known}, got {_text(column[0])}")
        return found

    def _snapshots(self, rows: _Rows) -> list[Piece]:
        bids, asks = np.ascontiguousarray(rows.cells[:, self._order].reshape(-1, 2, self._levels, 2).transpose(1, 0, 2, 3))
        return [Piece(Tape.of_books(rows.t, bids, asks, counted(bids, asks), rows.received), rows.lines)]

    def _quotes(self, rows: _Rows) -> list[Piece]:
        return [Piece(Tape.of_quotes(rows.t, np.ascontiguousarray(rows.cells[:, [2, 3, 1, 0]]), rows.received), rows.lines)]

    def _trades(self, rows: _Rows) -> list[Piece]:
        return [Piece(Tape.of_trades(rows.t, np.ascontiguousarray(rows.cells[:, [2, 3, 1]]), rows.received), rows.lines)]

    def _updates(self, rows: _Rows) -> list[Piece]:
        """All messages but the last, which the next window may go on with."""
        rows = rows.after(self._held)
        begins = _begins(rows)
        self._held = rows.cut(int(begins[-1]))
        return [_message_piece(rows.cut(0, int(begins[-1])))] if begins.size > 1 else []


def _begins(rows: _Rows) -> Integers:
    """Where each message begins."""
    keys = np.stack([rows.received.astype(np.float64), rows.cells[:, 0]])
    return np.flatnonzero(np.r_[True, (np.diff(rows.received) != 0) | (np.diff(keys[1]) != 0)])


def _message_piece(rows: _Rows) -> Piece:
    begins = _begins(rows)
    ids = np.full(begins.size, NO_SEQUENCE, np.int64)
    side, price, size = (np.ascontiguousarray(rows.cells[:, at]) for at in (1, 2, 3))
    start = np.append(begins, rows.t.size)
    flags = rows.cells[begins, 0] == 1
    feed = Updates(rows.t[begins], rows.received[begins], ids, ids, ids, flags, start, side.astype(np.int8), price, size)
    return Piece(feed, rows.lines[begins])


def _microseconds(column: Cells) -> Times:
    """Nanoseconds (n,). Raises ValueError."""
    try:
        times = column.astype(np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"expected microseconds since 1970, got {_text(column[0])}") from error
    if ((times < _EARLIEST_US) | (times > _LATEST_US)).any():
        raise ValueError(f"expected microseconds since 1970, got {_text(column[0])}")
    return times * _MICROSECOND_NS


def _text(cell: bytes) -> str:
    return repr(bytes(cell).decode("utf-8", "replace"))[:42]
