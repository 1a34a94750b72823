"""LOBSTER files: each line a message, then the book after it.

LOBSTER writes the two as files of equally many lines; side by side, as `paste -d, message.csv orderbook.csv` puts them, they are one.
Source: lobsterdata.com, "Output structure": prices times 10,000, times in seconds after midnight of the exchange.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rpsd.core import instant
from rpsd.core.book import MOST_LEVELS, Cube, Event, Grid, Integers, Tape
from rpsd.core.errors import BadTime, Fault
from rpsd.services.book.feed.reader import Piece, Reader, ReaderOptions, Row, numbers, table

_MESSAGE: Final = 6
"""Cells of a message: time, type, order id, size, price, direction of the resting order."""
_DIRECTION: Final = 5
_VISIBLE, _HIDDEN, _CROSS, _HALT = 4, 5, 6, 7
_PRICE_UNITS: Final = 10_000
_NO_LEVEL: Final = 9_999_999_999
_SECOND_NS: Final = 1_000_000_000


class LobsterReader(Reader):
    """Lines of a LOBSTER message and book; an execution becomes a trade and the book after it, a halt nothing."""

    def __init__(self, options: ReaderOptions = ReaderOptions()) -> None:  # noqa: B008 - frozen
        super().__init__(options)
        if options.date is None:
            reason = "LOBSTER's times count from midnight; the date is missing"
            raise BadTime(reason, errors=[Fault("/date", reason)], hint="Name it, date=2012-06-21; the file names begin with it.")
        self._midnight = instant.parse(options.date, instant.zone(options.tz))
        self._width = 0

    def pieces(self, numbered: list[tuple[int, bytes]]) -> list[Piece]:
        """The pieces of these lines."""
        rows = [(number, line.split(b",")) for number, line in numbered]
        piece = self.sound(rows, self._piece)
        return [] if piece is None else [piece]

    def _piece(self, rows: Sequence[Row]) -> Piece:
        """The events of the lines. Raises ValueError with the reason, which is that of the line when there is but one."""
        width = self._width or len(rows[0][1])
        levels = (width - _MESSAGE) // 4
        if (width - _MESSAGE) % 4 or not 1 <= levels <= MOST_LEVELS or any(len(row) != width for _, row in rows):
            wanted = f"{_MESSAGE} cells of a message and 4 for each level of the book"
            raise ValueError(f"expected {self._width or wanted} fields, found {len(rows[0][1])}")
        try:
            cells = numbers(table([row for _, row in rows]))
        except ValueError as error:
            raise ValueError("a field is no number") from error
        seconds, what = cells[:, 0], cells[:, 1]
        if not ((seconds >= 0) & (seconds < 2 * 86_400)).all() or not np.isin(what, np.arange(1, 8)).all():
            raise ValueError("expected seconds after midnight and a type of 1 to 7 in the first two fields")
        self._width = width
        tape, at = _tape(cells, self._midnight + np.rint(seconds * _SECOND_NS).astype(np.int64), levels)
        return Piece(tape, np.array([number for number, _ in rows])[at])


def _tape(cells: Grid, t: Integers, levels: int) -> tuple[Tape, Integers]:
    """The events of the lines, and the row that each comes from."""
    what = cells[:, 1]
    books, prints = np.flatnonzero(what != _HALT), np.flatnonzero((what == _VISIBLE) | (what == _HIDDEN) | (what == _CROSS))
    sides = cells[:, _MESSAGE:].reshape(-1, levels, 2, 2)[books]
    asks, ask_counts = _side(sides[:, :, 0])
    bids, bid_counts = _side(sides[:, :, 1])
    took = np.where(what[prints] == _CROSS, 0.0, -cells[prints, _DIRECTION])  # who took is not whose order rested
    trades = np.stack([cells[prints, 4] / _PRICE_UNITS, cells[prints, 3], took], 1)
    at = np.concatenate([books, prints])
    order = np.argsort(2 * at + np.repeat([1, 0], [books.size, prints.size]), kind="stable")  # the print, then the book after it
    kind = np.repeat(np.array([Event.DEPTH, Event.TRADE], np.uint8), [books.size, prints.size])[order]
    row = np.concatenate([np.arange(books.size), np.arange(prints.size)])[order]
    at = at[order]
    unknown = (np.zeros(at.size, np.int64), np.full(at.size, -1, np.int64))
    counts = np.stack([bid_counts, ask_counts], 1)
    return Tape(kind, t[at], *unknown, row, bids, asks, counts, np.empty((0, 4)), trades), at


def _side(cells: Cube) -> tuple[Cube, Integers]:
    """One side (n, L, 2) in the book's units, and its levels (n,); places that LOBSTER fills up are zeros."""
    there = np.abs(cells[:, :, 0]) < _NO_LEVEL
    side = np.where(there[:, :, None], cells / np.array([_PRICE_UNITS, 1.0]), 0.0)
    return side, np.where(there.all(1), there.shape[1], there.argmin(1))
