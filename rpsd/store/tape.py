"""Tapes as bytes: each column as steps from the row before, shuffled by byte and compressed; what comes back is bit for bit the same.

Payload: zstd of a head of int64 (events, books, levels, quotes, trades), the kinds, and four tables of 8-byte cells: t, received and
sequence of the events as differences; counts and then bids and asks of the books; the quotes; the trades. Cells of float64 are XORed with
the cell above. Of each table all first bytes of a column come together, then all second bytes, and so on: neighbours are alike there.
"""

import struct
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from rpsd.core.book import Event, Tape
from rpsd.core.errors import CorruptData

_HEAD: Final = struct.Struct("<5q")
_LEVEL: Final = 1  # of zstd: a live feed is compressed as it comes, and higher levels save little of shuffled bytes
_CELL: Final = 8
_MOST_BYTES: Final = 1 << 30

Cells = npt.NDArray[np.uint64]
"""Table of 8-byte cells, a row an event."""


def encoded(tape: Tape) -> bytes:
    """The payload of a tape; O(size)."""
    books, quotes, trades = (tape.row[tape.kind == event] for event in Event)
    times = np.stack([tape.t, tape.received, tape.sequence], axis=1)
    head = _HEAD.pack(tape.n, books.size, tape.levels, quotes.size, trades.size)
    sides = np.concatenate([tape.bids[books], tape.asks[books]], axis=1).reshape(books.size, 4 * tape.levels)
    parts = [
        head,
        tape.kind.tobytes(),
        _shuffled(np.diff(times, axis=0, prepend=0).view(np.uint64)),
        _shuffled(np.diff(tape.counts[books], axis=0, prepend=0).view(np.uint64)),
        *(_shuffled(_xored(table)) for table in (sides, tape.quotes[quotes], tape.trades[trades])),
    ]
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(parts))


def decoded(payload: bytes) -> Tape:
    """The tape of a payload. Raises CorruptData when it is none."""
    try:
        raw = zstandard.ZstdDecompressor().decompress(payload, max_output_size=_MOST_BYTES)
        n, d, levels, q, r = _HEAD.unpack_from(raw)
        sizes = [n, 3 * n * _CELL, 2 * d * _CELL, 4 * levels * d * _CELL, 4 * q * _CELL, 3 * r * _CELL]
        if min(n, d, levels, q, r) < 0 or d + q + r != n or sum(sizes) + _HEAD.size != len(raw):
            raise CorruptData("a piece of a tape is not as long as it says")
    except (zstandard.ZstdError, struct.error) as error:
        raise CorruptData("a piece of a tape cannot be unpacked") from error
    ends = (np.cumsum([_HEAD.size, *sizes])).tolist()
    kind, times, counts, sides, quotes, trades = (np.frombuffer(raw, np.uint8, b - a, a) for a, b in pairwise(ends))
    events = np.ascontiguousarray(np.cumsum(_unshuffled(times, n, 3).view(np.int64), axis=0).T)
    books = _unxored(_unshuffled(sides, d, 4 * levels)).reshape(d, 2 * levels, 2)
    row = np.empty(n, np.int64)
    for event in Event:
        row[kind == event] = np.arange(int((kind == event).sum()))
    return Tape(
        kind,
        events[0],
        events[1],
        events[2],
        row,
        np.ascontiguousarray(books[:, :levels]),
        np.ascontiguousarray(books[:, levels:]),
        np.cumsum(_unshuffled(counts, d, 2).view(np.int64), axis=0),
        _unxored(_unshuffled(quotes, q, 4)),
        _unxored(_unshuffled(trades, r, 3)),
    )


def _xored(table: npt.NDArray[np.float64]) -> Cells:
    """Each cell XORed with the one above it."""
    cells = np.ascontiguousarray(table).view(np.uint64)
    steps = cells.copy()
    steps[1:] ^= cells[:-1]
    return steps


def _unxored(cells: Cells) -> npt.NDArray[np.float64]:
    whole: npt.NDArray[np.float64] = np.bitwise_xor.accumulate(cells, axis=0).view(np.float64) if cells.size else cells.view(np.float64)
    return whole


def _shuffled(cells: Cells) -> bytes:
    """The cells (n, columns) column by column, each column byte place by byte place."""
    return np.ascontiguousarray(np.ascontiguousarray(cells).view(np.uint8).T).tobytes()


def _unshuffled(raw: npt.NDArray[np.uint8], n: int, columns: int) -> Cells:
    cells = np.ascontiguousarray(raw.reshape(columns * _CELL, n).T)
    return cells.view(np.uint64).reshape(n, columns)


def cut(tape: Tape, start: int, stop: int) -> Tape:
    """The events start to stop (exclusive) as views of a tape whose rows count up within each kind, as all do that came through taken()."""
    kind = tape.kind[start:stop]
    begins = np.bincount(tape.kind[:start], minlength=len(Event))
    ends = begins + np.bincount(kind, minlength=len(Event))
    books, quotes, trades = (slice(int(begins[event]), int(ends[event])) for event in Event)
    times = (tape.t[start:stop], tape.received[start:stop], tape.sequence[start:stop], tape.row[start:stop] - begins[kind])
    return Tape(kind, *times, tape.bids[books], tape.asks[books], tape.counts[books], tape.quotes[quotes], tape.trades[trades])
