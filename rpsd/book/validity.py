"""The validator: what is wrong with each record of a tape, what was mended, and where a live book stands.

A record is accepted, repaired or refused by the first Rule that it breaks. EMPTY books are accepted: they say that there is nothing to
trade. The watch is the validator's memory, so that a tape may be judged in any pieces with the same result.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from rpsd.core.book import MOST_LEVELS, Codes, Cube, Event, Grid, Integers, Phase, Rule, Tape
from rpsd.core.market import SECOND_NS, Vector, read_only
from rpsd.kernels import tick as ticks
from rpsd.kernels import verdict

_Table = tuple[npt.NDArray[Any], ...]
_LAYOUT: Final = struct.Struct(f"<{verdict.INTEGERS}q{verdict.FLOATS}d")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the validator holds records against.

    `tick`: in price; None: inferred from the prices, believed once 100 prices have spoken for it (some forty books), and left for a finer
    one when 64 records more fit that than fit the old; until it is believed a finer price refines it at once. `staleness_ns`: how far a
    record's latency may lie from its running median. `spread_medians`: how many running medians wide a spread may be; the median counts as
    at least one basis point of the mid. `levels`: levels a side that are kept.
    """

    tick: float | None = None
    staleness_ns: int = 5 * SECOND_NS
    spread_medians: float = 50.0
    levels: int = MOST_LEVELS


@dataclass(frozen=True, slots=True)
class Watch:
    """The validator's memory of one book: last times and update ids by kind, running medians, the tick, marks of the last 16 records."""

    state: Integers
    floats: Vector

    @classmethod
    def fresh(cls) -> "Watch":
        """That of a book of which nothing is known."""
        return cls(*verdict.fresh())

    def pack(self) -> bytes:
        """As bytes, little-endian, always of one length."""
        return _LAYOUT.pack(*self.state.tolist(), *self.floats.tolist())

    @classmethod
    def unpack(cls, packed: bytes) -> "Watch":
        """Of what `pack` made."""
        numbers = _LAYOUT.unpack(packed)
        return cls(np.array(numbers[: verdict.INTEGERS], np.int64), np.array(numbers[verdict.INTEGERS :]))

    @property
    def tick(self) -> float | None:
        """The inferred tick, None while unknown."""
        return float(ticks.value(self.state, verdict.TICK + ticks.DECIMALS)) or None

    @property
    def told_ns(self) -> int | None:
        """The exchange's time of the last book or quote, ns UTC, None before the first."""
        told = int(max(self.state[verdict.LAST_T + Event.DEPTH], self.state[verdict.LAST_T + Event.QUOTE]))
        return None if told == verdict.NO_TIME else told

    @property
    def phase(self) -> Phase:
        """EMPTY, SYNCING (a side is missing), VALID, or AUCTION (crossed or locked three times in a row): what the records alone tell."""
        if self.state[verdict.CROSSED_RUN] >= verdict.AUCTION_RUN:
            return Phase.AUCTION
        if self.told_ns is None:
            return Phase.EMPTY
        return Phase.VALID if self.state[verdict.SIDES] == verdict.BOTH else Phase.SYNCING


class Run(NamedTuple):
    """Accepted events [start, stop) with one tick (None: not yet known); `continues`: the flow before them goes on."""

    start: int
    stop: int
    tick: float | None
    continues: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a tape of n events.

    `codes` (n,): the Rule of each. `tape`: the same n events, repaired. `watch`: the memory afterwards. `repaired`: accepted records that
    were mended (levels without a size dropped, levels beyond the limit cut). `negative_latency`: accepted records received before their own
    time, as clocks that disagree make them. `tick`: in force after the last event. `ticks` (n,): in force at each, 0 while unknown.
    `breaks` (n,): the flow starts anew at the event, the first after an auction.
    """

    codes: Codes
    tape: Tape
    watch: Watch
    repaired: int
    negative_latency: int
    tick: float | None
    ticks: Vector
    breaks: npt.NDArray[np.bool_]

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        """The events (n,) to keep: those without a fault, and empty books."""
        return _kept(self.codes)

    @property
    def kept(self) -> Tape:
        """The accepted events."""
        return self.tape.taken(self.accepted)

    @property
    def counts(self) -> dict[Rule, int]:
        """Records by rule, of those that are not plainly accepted."""
        codes, many = np.unique(self.codes, return_counts=True)
        return {Rule(int(code)): int(n) for code, n in zip(codes, many, strict=True) if code != Rule.ACCEPTED}

    @property
    def runs(self) -> tuple[Run, ...]:
        """The events of `kept` in runs of one tick and without a break: features begin anew where one does not continue."""
        accepted = self.accepted
        tick, breaks = self.ticks[accepted], self.breaks[accepted]
        if not tick.size:
            return ()
        starts = np.flatnonzero(breaks | np.concatenate([[True], tick[1:] != tick[:-1]]))
        stops = [*starts[1:].tolist(), tick.size]
        return tuple(
            Run(start, stop, float(tick[start]) or None, start == 0 and not breaks[0])
            for start, stop in zip(starts.tolist(), stops, strict=True)
        )


def judge(tape: Tape, limits: Limits, watch: Watch, *, now_ns: int = 0) -> Judged:
    """Judge the events of the tape in order of arrival, after those that made `watch`.

    A record that breaks several rules is named by the first. DUPLICATE: its content, time, reception and update id are those of the last of
    its kind, or of an older one among the last 16, or its update id is the last of its kind; prints without ids are never duplicates.
    OUT_OF_ORDER: its time or update id is older than the last accepted of its kind. CLOCK_JUMP and STALE hold the latency (received - t)
    against its running median; 64 such records in a row are believed: the clock was set. Records that do not say when they were received
    are only held against `now_ns` (0: unknown), and only for lying ahead of it: a late post of old books is no fault of the books.
    WIDE_SPREAD gives way to 64 in a row as well.
    O(n levels); causal: the verdict on an event depends on it and those before.
    """
    repaired, mended = _mended(tape, min(limits.levels, MOST_LEVELS))
    n = tape.n
    codes, breaks, tick = np.zeros(n, np.uint8), np.zeros(n, np.bool_), np.zeros(n)
    state, floats = watch.state.copy(), watch.floats.copy()
    times = np.empty((n, 3), np.int64)
    times[:, 0], times[:, 1], times[:, 2] = tape.t, tape.received, tape.sequence
    bounds = np.array([limits.tick or 0.0, limits.spread_medians])
    tables = (_table(tape.bids, tape.asks, tape.counts), _quote_table(tape.quotes), _trade_table(tape.trades))
    arguments = (bounds, now_ns, limits.staleness_ns, state, floats, codes, breaks, tick)
    verdict.judge(times, _sealed(tape.kind), _sealed(tape.row), *tables, *arguments)
    accepted = _kept(codes)
    arrival = np.where(tape.received > 0, tape.received, now_ns)
    early = int(np.count_nonzero(accepted & (arrival > 0) & (arrival < tape.t)))
    after = Watch(state, floats)
    return Judged(codes, repaired, after, int(np.count_nonzero(mended & accepted)), early, limits.tick or after.tick, tick, breaks)


def _kept(codes: Codes) -> npt.NDArray[np.bool_]:
    """Records (n,) that are stored."""
    kept: npt.NDArray[np.bool_] = (codes == Rule.ACCEPTED) | (codes == Rule.EMPTY)
    return kept


def _sealed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """C-contiguous and read-only, as the kernel takes the columns of a tape; not a copy where it is so already."""
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    if array.flags.writeable:
        array = array.view()
        read_only(array)
    return array


def _table(bids: Cube, asks: Cube, counts: Integers) -> _Table:
    """Books as the kernel reads them: bids, asks, the bits of both, and counts."""
    bids, asks = _sealed(bids), _sealed(asks)
    return bids, asks, bids.view(np.int64), asks.view(np.int64), _sealed(counts)


_NO_TABLE: Final = _table(np.zeros((0, 1, 2)), np.zeros((0, 1, 2)), np.zeros((0, 2), np.int64))


def _quote_table(quotes: Grid) -> _Table:
    """Quotes as books of one level; price and size both zero: the side is empty."""
    if not quotes.size:
        return _NO_TABLE
    counts = np.stack([quotes[:, :2].any(axis=1), quotes[:, 2:].any(axis=1)], axis=1).astype(np.int64)
    return _table(quotes[:, None, :2], quotes[:, None, 2:], counts)


def _trade_table(trades: Grid) -> _Table:
    """Trades as books of one bid; the side of the aggressor is the ask, where only the mark of the record looks."""
    if not trades.size:
        return _NO_TABLE
    aggressor = np.zeros((trades.shape[0], 1, 2))
    aggressor[:, 0, 0] = trades[:, 2]
    return _table(trades[:, None, :2], aggressor, np.ones((trades.shape[0], 2), np.int64))


def _mended(tape: Tape, most: int) -> tuple[Tape, npt.NDArray[np.bool_]]:
    """The tape without levels of size zero or beyond `most`, and which events (n,) that has changed."""
    books, mended = np.zeros(tape.bids.shape[0], np.bool_), np.zeros(tape.n, np.bool_)
    blemished = verdict.blemished(_sealed(tape.bids), _sealed(tape.asks), _sealed(tape.counts), most, books)
    quotes = ((tape.quotes[:, 0::2] != 0.0) & (tape.quotes[:, 1::2] == 0.0)).any(axis=1)
    if not (blemished or quotes.any()):
        return tape, mended
    mended[tape.kind == Event.DEPTH] = books[tape.row[tape.kind == Event.DEPTH]]
    mended[tape.kind == Event.QUOTE] = quotes[tape.row[tape.kind == Event.QUOTE]]
    bids, asks, counts, best = tape.bids.copy(), tape.asks.copy(), tape.counts.copy(), tape.quotes.copy()
    verdict.mend(bids, counts, 0, most)
    verdict.mend(asks, counts, 1, most)
    best[:, :2][best[:, 1] == 0.0] = 0.0
    best[:, 2:][best[:, 3] == 0.0] = 0.0
    room = min(tape.levels, most)
    bids, asks = (np.ascontiguousarray(side[:, :room]) for side in (bids, asks))
    times = (tape.t, tape.received, tape.sequence)
    return Tape(tape.kind, *times, tape.row, bids, asks, counts, best, tape.trades), mended
