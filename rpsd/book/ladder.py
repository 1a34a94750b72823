"""The ladder: a book of full depth that follows incremental updates, and gives a tape of its best levels after each.

Before the first snapshot and after a gap updates wait; a snapshot drops those that it knows and replays the rest. Updates without ids
cannot be placed against a snapshot, so none of them wait.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from rpsd.core.book import MOST_LEVELS, NO_SEQUENCE, Codes, Grid, Integers, Phase, Rule, Tape, Updates
from rpsd.core.errors import CorruptData
from rpsd.core.market import Vector
from rpsd.kernels import ladder as rungs

MOST_DEPTH: Final = 5000
"""Levels a side that a ladder keeps; when there are more the farthest goes."""
MOST_WAITING: Final = 4096
"""Updates that wait for a snapshot; when there are more the oldest goes, and the snapshot must be younger."""
MOST_CHANGES: Final = 65_536
"""Level changes of the updates that wait."""
_HEAD: Final = struct.Struct("<HHqqqqqq")
_FORMAT: Final = 1
_PHASES: Final = (Phase.EMPTY, Phase.SYNCING, Phase.VALID, Phase.GAP)
_COLUMNS: Final = ("t", "received", "first", "last", "previous", "is_snapshot")
_CHANGES: Final = ("side", "price", "size")
_WIDE: Final = 6 * 8


def _none() -> Updates:
    columns: dict[str, Any] = {name: np.zeros(0, np.int64) for name in _COLUMNS[:-1]}
    columns |= {"is_snapshot": np.zeros(0, np.bool_), "side": np.zeros(0, np.int8), "price": np.zeros(0), "size": np.zeros(0)}
    return Updates(**columns, start=np.zeros(1, np.int64))


@dataclass(frozen=True, slots=True)
class Ladder:
    """A book of full depth. `bids`, `asks` (., 2): price and size, the best last. `last`: the update id up to which it holds all.

    `phase`: EMPTY (nothing came), SYNCING (no snapshot yet), VALID, or GAP (updates are missing, only a snapshot helps). `is_fresh`: no
    update has followed the snapshot. `waiting`: updates that wait for a snapshot.
    """

    phase: Phase = Phase.EMPTY
    last: int = NO_SEQUENCE
    is_fresh: bool = False
    bids: Grid = field(default_factory=lambda: np.zeros((0, 2)))
    asks: Grid = field(default_factory=lambda: np.zeros((0, 2)))
    waiting: Updates = field(default_factory=_none)

    @classmethod
    def fresh(cls) -> "Ladder":
        """One that nothing was told."""
        return cls()

    @property
    def weight(self) -> int:
        """Bytes in memory and packed, about."""
        return 16 * (len(self.bids) + len(self.asks)) + _WIDE * self.waiting.n + 17 * len(self.waiting.price)

    def pack(self) -> bytes:
        """As bytes, little-endian."""
        wait = self.waiting
        sizes = (self.bids.shape[0], self.asks.shape[0], wait.n, wait.price.size)
        head = _HEAD.pack(_FORMAT, _PHASES.index(self.phase), self.last, self.is_fresh, *sizes)
        whole = [getattr(wait, name).astype("<i8") for name in _COLUMNS] + [wait.start.astype("<i8")]
        floats = [array.astype("<f8") for array in (self.bids, self.asks, wait.price, wait.size)]
        return head + b"".join(array.tobytes() for array in (*whole, *floats, wait.side))

    @classmethod
    def unpack(cls, packed: bytes) -> "Ladder":
        """Of what `pack` made. Raises CorruptData when it is something else."""
        if len(packed) < _HEAD.size:
            raise CorruptData("the bytes are no ladder")
        form, phase, last, is_fresh, bids, asks, m, k = _HEAD.unpack_from(packed)
        wide = 7 * m + 1 + 2 * (bids + asks + k)
        if form != _FORMAT or phase >= len(_PHASES) or min(bids, asks, m, k) < 0 or len(packed) != _HEAD.size + 8 * wide + k:
            raise CorruptData("the bytes are no ladder, or one of another release")
        whole = np.frombuffer(packed, "<i8", 7 * m + 1, _HEAD.size).astype(np.int64)
        floats = np.frombuffer(packed, "<f8", wide - whole.size, _HEAD.size + 8 * whole.size).astype(np.float64)
        levels, price, size = np.split(floats, [2 * (bids + asks), 2 * (bids + asks) + k])
        columns: dict[str, Any] = dict(zip(_COLUMNS, whole[: 6 * m].reshape(6, m), strict=True))
        columns["is_snapshot"] = columns["is_snapshot"].astype(np.bool_)
        side = np.frombuffer(packed, np.int8, k, len(packed) - k).copy()
        waiting = Updates(**columns, start=whole[6 * m :], side=side, price=price, size=size)
        both = levels[: 2 * bids].reshape(-1, 2), levels[2 * bids :].reshape(-1, 2)
        return cls(_PHASES[phase], last, bool(is_fresh), *both, waiting)


@dataclass(frozen=True, slots=True)
class Followed:
    """What m messages did. `tape`: the book after each applied one, `sequence` its update id. `message` (tape.n,): which one it was.

    `codes` (m,): ACCEPTED (applied, or waits for a snapshot), DUPLICATE (older than the book), OUT_OF_ORDER (a snapshot older than the
    book), GAP (updates are missing before it, or it follows such a one; a snapshot: it is older than all that waits), or what is wrong with
    its values: a message that cannot be applied is missing. `ladder`: the book afterwards.
    """

    tape: Tape
    message: Integers
    codes: Codes
    ladder: Ladder


def follow(updates: Updates, ladder: Ladder, levels: int) -> Followed:
    """Let the ladder follow the messages; the tape has the best `levels` (1 to MOST_LEVELS) a side.

    A snapshot whose update id is older than that of a valid book is refused, since it would take the book back. Updates that waited are
    replayed after the snapshot, with their own times. O(k) level changes, each with a shift of the levels better than its own.
    """
    course = _Course(ladder, min(max(levels, 1), MOST_LEVELS), updates)
    snapshots = [*np.flatnonzero(updates.is_snapshot).tolist(), updates.n]
    at = following = 0  # the first snapshot that is not behind
    while at < updates.n:
        if updates.is_snapshot[at]:
            course.restate(at)
            at += 1
            continue
        while snapshots[following] < at:
            following += 1
        stop = snapshots[following]
        at = course.walk(at, stop) if course.phase is Phase.VALID else course.wait(at, stop)
    return course.outcome()


class _Course:
    """A ladder on its way through the messages of one call."""

    def __init__(self, ladder: Ladder, levels: int, updates: Updates) -> None:
        self.phase, self.waiting, self.updates, self.levels = ladder.phase, ladder.waiting, updates, levels
        self.marks = np.array([ladder.last, ladder.is_fresh], np.int64)
        self.many = np.array([ladder.bids.shape[0], ladder.asks.shape[0]])
        self.room = updates.price.size + ladder.waiting.price.size
        self.sides = self._spread(ladder.bids, ladder.asks)
        self.codes = np.zeros(updates.n, np.uint8)
        self.books: list[Tape] = []
        self.messages: list[Integers] = []

    def _spread(self, bids: Grid, asks: Grid) -> tuple[Vector, Vector, Vector, Vector]:
        """Keys and sizes of both sides with room for all that may come."""
        columns = []
        for levels, sign in ((bids, 1.0), (asks, -1.0)):
            for column, factor in ((0, sign), (1, 1.0)):
                wide = np.zeros(min(MOST_DEPTH, levels.shape[0] + self.room))
                wide[: levels.shape[0]] = factor * levels[:, column]
                columns.append(wide)
        return columns[0], columns[1], columns[2], columns[3]

    def _walked(self, updates: Updates, begin: int, stop: int) -> tuple[int, Codes, Tape, Integers]:
        """Apply messages: (the first not looked at, codes (n,), the books after those applied, which these are)."""
        codes = np.zeros(updates.n, np.uint8)
        tops, counts = np.zeros((2, stop - begin, self.levels, 2)), np.zeros((stop - begin, 2), np.int64)
        ids = np.stack([updates.first, updates.last, updates.previous], axis=1)
        changes = (
            np.ascontiguousarray(updates.start),
            np.ascontiguousarray(updates.side, np.int8),
            *map(_writable, (updates.price, updates.size)),
        )
        end = rungs.walk(ids, *changes, begin, stop, self.marks, self.many, self.sides, tops[0], tops[1], counts, codes)
        applied = np.flatnonzero(codes[begin:end] == Rule.ACCEPTED)
        rows = applied + begin
        times = (updates.t[rows], tops[0][applied], tops[1][applied], counts[applied], updates.received[rows], updates.last[rows])
        return end, codes, Tape.of_books(*times), rows

    def walk(self, begin: int, stop: int) -> int:
        """Apply messages to a valid book; returns the first that still has to be looked at."""
        end, codes, tape, rows = self._walked(self.updates.part(begin, stop), 0, stop - begin)
        end += begin
        self.codes[begin:end] = codes[: end - begin]
        self._add(tape, rows + begin)
        reason = self.codes[end - 1]
        if reason in (Rule.ACCEPTED, Rule.DUPLICATE):
            return end
        self.phase = Phase.GAP
        return end - 1 if reason == Rule.GAP else end

    def wait(self, begin: int, stop: int) -> int:
        """Have messages wait for a snapshot, those that have ids."""
        numbered = self.updates.last[begin:stop] != NO_SEQUENCE
        self.codes[begin:stop] = np.where(numbered & (self.phase is not Phase.GAP), Rule.ACCEPTED, Rule.GAP)
        if self.phase is Phase.EMPTY:
            self.phase = Phase.SYNCING
        if numbered.all():
            self.waiting = _newest(_joined(self.waiting, self.updates.part(begin, stop)))
        return stop

    def restate(self, at: int) -> None:
        """Begin anew from the snapshot at this place, then replay what waited."""
        updates, last = self.updates, int(self.updates.last[at])
        changes = slice(int(updates.start[at]), int(updates.start[at + 1]))
        if self.phase is Phase.VALID and NO_SEQUENCE not in (last, int(self.marks[rungs.LAST])) and last < self.marks[rungs.LAST]:
            self.codes[at] = Rule.OUT_OF_ORDER
            return
        self.codes[at] = _rule(updates.price[changes], updates.size[changes])
        if self.codes[at] != Rule.ACCEPTED:
            return
        both = [_levels(updates, changes, side) for side in (1, -1)]
        self.many[:] = [levels.shape[0] for levels in both]
        self.sides = self._spread(both[0], both[1])
        self.marks[:] = last, 1
        waiting = self.waiting if last != NO_SEQUENCE else _none()
        end, codes, tape, _ = self._walked(waiting, 0, waiting.n)
        is_gap = bool(end and codes[end - 1] not in (Rule.ACCEPTED, Rule.DUPLICATE))
        self.phase, self.waiting = (Phase.GAP, waiting.part(end - 1, waiting.n)) if is_gap else (Phase.VALID, _none())
        if is_gap:
            self.codes[at] = Rule.GAP
            if not tape.n:
                return  # older than all that waits: it leads nowhere
        first = min(int(updates.t[at]), int(tape.t[0])) if tape.n else int(updates.t[at])
        self._add(self._book(both, first, int(updates.received[at]), last), np.array([at]))
        self._add(tape, np.full(tape.n, at))

    def _book(self, both: list[Grid], t: int, received: int, sequence: int) -> Tape:
        """The best levels of a snapshot as a tape of one event."""
        tops, counts = np.zeros((2, 1, self.levels, 2)), np.zeros((1, 2), np.int64)
        for side, levels in enumerate(both):
            best = levels[::-1][: self.levels]
            tops[side, 0, : best.shape[0]], counts[0, side] = best, best.shape[0]
        return Tape.of_books(np.array([t]), tops[0], tops[1], counts, np.array([received]), np.array([sequence]))

    def _add(self, tape: Tape, messages: Integers) -> None:
        if tape.n:
            self.books.append(tape)
            self.messages.append(messages)

    def outcome(self) -> Followed:
        """The tape of all books, and the ladder afterwards."""
        bids, asks = (
            np.stack([sign * self.sides[2 * side][: self.many[side]], self.sides[2 * side + 1][: self.many[side]]], axis=1)
            for side, sign in ((0, 1.0), (1, -1.0))
        )
        ladder = Ladder(self.phase, int(self.marks[rungs.LAST]), bool(self.marks[rungs.IS_FRESH]), bids, asks, self.waiting)
        message = np.concatenate([np.zeros(0, np.int64), *self.messages])
        return Followed(_all(self.books, self.levels), message, self.codes, ladder)


def _all(books: list[Tape], levels: int) -> Tape:
    """Tapes of books alone, one behind the other."""
    columns = [
        np.concatenate([np.zeros((0, *shape), kind), *(getattr(tape, name) for tape in books)])
        for name, shape, kind in (
            ("t", (), np.int64),
            ("bids", (levels, 2), np.float64),
            ("asks", (levels, 2), np.float64),
            ("counts", (2,), np.int64),
            ("received", (), np.int64),
            ("sequence", (), np.int64),
        )
    ]
    return Tape.of_books(*columns)


def _writable(array: Vector) -> Vector:
    """As kernels take their arrays: contiguous, float64, writable."""
    return np.require(array, np.float64, ["C", "W"])


def _rule(price: Vector, size: Vector) -> Rule:
    """What the levels of a snapshot break."""
    if not (np.isfinite(price).all() and np.isfinite(size).all()):
        return Rule.NOT_FINITE
    if (price <= 0.0).any():
        return Rule.ZERO_PRICE
    return Rule.NEGATIVE_SIZE if (size < 0.0).any() else Rule.ACCEPTED


def _levels(updates: Updates, changes: slice, side: int) -> Grid:
    """Price and size of the levels of one side of a snapshot, the best last, at most MOST_DEPTH; the last size at a price holds."""
    of_side = np.sign(updates.side[changes]) == side
    price, size = updates.price[changes][of_side][::-1], updates.size[changes][of_side][::-1]
    keys, newest = np.unique(side * price, return_index=True)
    levels = np.stack([side * keys, size[newest]], axis=1)
    return np.ascontiguousarray(levels[levels[:, 1] > 0.0][-MOST_DEPTH:])


def _joined(before: Updates, after: Updates) -> Updates:
    """The messages of both."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in (*_COLUMNS, *_CHANGES)}
    return Updates(**columns, start=np.concatenate([before.start, before.start[-1] + after.start[1:]]))


def _newest(updates: Updates) -> Updates:
    """The newest messages, as many as may wait."""
    few = int(np.searchsorted(updates.start, updates.start[-1] - MOST_CHANGES))
    begin = max(updates.n - MOST_WAITING, few)
    return updates if begin == 0 else updates.part(begin, updates.n)
