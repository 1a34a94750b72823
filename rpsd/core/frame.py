"""Order books as binary frames: the columns of a tape behind a header of 32 octets, the same for client and server.

A body is any number of frames; their events follow one another. All numbers are little-endian. Header: the letters RPB1, the kind of
event (u8: 0 books, 1 quotes, 2 trades), levels a side (u8: 1 to 50 for books, else 0), flags (u16: bit 0 `received` is there, bit 1
`sequence` is there), the number of events n (u32), the tick (f64, 0 where unknown), twelve octets of zero. Columns: t (n, i64, ns UTC),
received (n, i64) and sequence (n, i64) as the flags say, then f64: of books the bids (n, levels, 2) and the asks (n, levels, 2), price
and size, the best first, zeros behind the last level; of quotes (n, 4) bid, bid size, ask, ask size, a missing side 0 and 0; of trades
(n, 3) price, size and side, +1 where the buyer took, -1 where the seller did, 0 where unknown.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import MOST_LEVELS, NO_SEQUENCE, Cube, Event, Integers, Tape, check_room, joined
from rpsd.core.errors import BadBook, Fault, MalformedBody

MAGIC: Final = b"RPB1"
HEADER: Final = np.dtype(
    {
        "names": ["magic", "kind", "levels", "flags", "n", "tick"],
        "formats": ["S4", "u1", "u1", "<u2", "<u4", "<f8"],
        "offsets": [0, 4, 5, 6, 8, 12],
        "itemsize": 32,
    }
)
RECEIVED: Final = 1
SEQUENCE: Final = 2
MOST_EVENTS: Final = 1 << 24
_WIDTH: Final = {Event.QUOTE: 4, Event.TRADE: 3}
_LAYOUT: Final = "The manual's chapter on order books describes the frames; `rpsd.core.frame.encoded` writes them."


def encoded(tape: Tape, tick: float = 0.0) -> bytes:
    """The tape as frames, one for each run of events of a kind; O(n). Levels that a record does not count are sent as zeros."""
    turns = np.flatnonzero(np.diff(tape.kind)) + 1
    return b"".join(_frame(tape, start, end, tick) for start, end in pairwise([0, *turns.tolist(), tape.n]) if end > start)


def decoded(body: bytes) -> tuple[Tape, float | None]:
    """The events of all frames in their order, and the tick that the last of them names; O(n), the columns of one frame are not copied.

    Raises MalformedBody with the number of the frame when one is damaged, cut off or of another layout, BadBook for too many levels,
    BodyTooLarge (check_room).
    """
    tapes, tick = [], None
    for tape, named in _frames(body):
        tapes.append(tape)
        tick = named or tick
    books = [(tape.bids.shape[0], tape.levels) for tape in tapes]
    check_room(sum(n for n, _ in books), max(levels for _, levels in books), sum(n * levels for n, levels in books))
    return joined(tapes), tick


def counted(bids: Cube, asks: Cube) -> Integers:
    """Levels of each side (n, 2) of books (n, L, 2) whose missing levels are zeros."""
    return np.stack([_filled(bids), _filled(asks)], 1)


def _filled(side: Cube) -> Integers:
    levels = side.shape[1]
    if (side[:, -1] != 0).any(1).all():  # the usual case: every record has all its levels
        return np.full(side.shape[0], levels, np.int64)
    given = (side != 0).any(2)
    return np.where(given.any(1), levels - given[:, ::-1].argmax(1), 0)


def _frame(tape: Tape, start: int, end: int, tick: float) -> bytes:
    """The frame of the events from start to end, which are of one kind."""
    kind = Event(int(tape.kind[start]))
    rows: Any = tape.row[start:end]
    if (np.diff(rows) == 1).all():
        rows = slice(int(rows[0]), int(rows[-1]) + 1)  # no copy
    received, sequence = tape.received[start:end], tape.sequence[start:end]
    flags = (RECEIVED if received.any() else 0) | (SEQUENCE if (sequence != NO_SEQUENCE).any() else 0)
    header = np.zeros((), HEADER)
    levels = tape.levels if kind is Event.DEPTH else 0
    for name, value in zip(HEADER.names or (), (MAGIC, kind, levels, flags, end - start, tick), strict=True):
        header[name] = value
    columns: list[npt.NDArray[Any]] = [tape.t[start:end].astype("<i8")]
    columns += [received.astype("<i8")] if flags & RECEIVED else []
    columns += [sequence.astype("<i8")] if flags & SEQUENCE else []
    if kind is Event.DEPTH:
        columns += [_side(side[rows], tape.counts[rows, at]).astype("<f8", copy=False) for at, side in enumerate((tape.bids, tape.asks))]
    else:
        columns.append((tape.quotes if kind is Event.QUOTE else tape.trades)[rows].astype("<f8"))
    return header.tobytes() + b"".join(column.tobytes() for column in columns)


def _side(side: Cube, counts: Integers) -> Cube:
    """The books' one side (n, L, 2) with zeros behind the last level of each."""
    levels = side.shape[1]
    return side if (counts == levels).all() else np.where((np.arange(levels) < counts[:, None])[:, :, None], side, 0.0)


def _frames(body: bytes) -> Iterator[tuple[Tape, float]]:
    """Each frame with the tick of its header."""
    if not body:
        raise MalformedBody("the body is empty", hint=_LAYOUT)
    at = number = 0
    while at < len(body):
        header = _header(body, at, number)
        kind, n, levels = Event(int(header["kind"])), int(header["n"]), int(header["levels"])
        cells = 4 * levels if kind is Event.DEPTH else _WIDTH[kind]
        stamps = 1 + bin(int(header["flags"])).count("1")
        at += HEADER.itemsize
        if (need := 8 * n * (stamps + cells)) > len(body) - at:
            raise _damaged(number, f"its columns take {need} octets, {len(body) - at} are left")
        yield _tape(body, at, header), float(header["tick"])
        at += need
        number += 1


def _header(body: bytes, at: int, number: int) -> Any:
    """The header at this octet. Raises MalformedBody, BadBook."""
    if len(body) - at < HEADER.itemsize or body[at : at + 4] != MAGIC:
        found = f"{len(body) - at} octets are left" if len(body) - at < HEADER.itemsize else f"it begins with {body[at : at + 4]!r}"
        raise _damaged(number, f"expected a header of {HEADER.itemsize} octets that begins with {MAGIC.decode()}; {found}")
    header = np.frombuffer(body, HEADER, 1, at)[0]
    kind, levels, n = int(header["kind"]), int(header["levels"]), int(header["n"])
    if kind not in tuple(Event) or header["flags"] > RECEIVED | SEQUENCE or not 1 <= n <= MOST_EVENTS:
        raise _damaged(
            number, f"kind {kind}, flags {int(header['flags'])}, {n} events; expected kind 0 to 2, flags 0 to 3, 1 to 2^24 events"
        )
    if kind == Event.DEPTH and not 1 <= levels <= MOST_LEVELS:
        reason = f"{levels} levels a side; 1 to {MOST_LEVELS} are read"
        raise BadBook(f"frame {number}: {reason}", errors=[Fault(f"/{number}", reason)])
    if not (np.isfinite(header["tick"]) and header["tick"] >= 0):
        raise _damaged(number, f"its tick is {header['tick']}")
    return header


def _tape(body: bytes, at: int, header: Any) -> Tape:
    """The events of one whole frame whose columns begin at `at`."""
    kind, n, levels, flags = Event(int(header["kind"])), int(header["n"]), int(header["levels"]), int(header["flags"])
    stamps = []
    for there in (True, bool(flags & RECEIVED), bool(flags & SEQUENCE)):
        stamps.append(np.frombuffer(body, "<i8", n, at).astype(np.int64, copy=False) if there else None)
        at += 8 * n if there else 0
    t, received, sequence = stamps
    assert t is not None
    if kind is not Event.DEPTH:
        cells = np.frombuffer(body, "<f8", n * _WIDTH[kind], at).reshape(n, -1)
        return (Tape.of_quotes if kind is Event.QUOTE else Tape.of_trades)(t, cells, received, sequence)
    bids, asks = np.frombuffer(body, "<f8", 4 * n * levels, at).reshape(2, n, levels, 2)
    return Tape.of_books(t, bids, asks, counted(bids, asks), received, sequence)


def _damaged(number: int, reason: str) -> MalformedBody:
    return MalformedBody(f"frame {number}: {reason}", errors=[Fault(f"/{number}", reason)], hint=_LAYOUT)
