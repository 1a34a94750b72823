"""Order books: the tape of what a feed told, incremental updates, what is wrong with a record, and what a prediction says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import BadBook, BodyTooLarge
from rpsd.core.market import Times, Vector, read_only

Cube = npt.NDArray[np.float64]
"""Float64 array (n, levels, 2): price and size of each level, the best first."""
Grid = npt.NDArray[np.float64]
"""Float64 array of two dimensions."""
Codes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

MOST_LEVELS: Final = 50
"""Levels a side that a record may bring and that are kept."""
FEATURE_LEVELS: Final = 10
"""Levels a side that features look at."""
NO_SEQUENCE: Final = -1
_ROOM: Final = 1 << 22


class Event(IntEnum):
    """What a row of a tape is."""

    DEPTH = 0
    QUOTE = 1
    TRADE = 2


class Phase(StrEnum):
    """Where a live book stands; a prediction is served in VALID alone."""

    EMPTY = "empty"
    SYNCING = "syncing"
    VALID = "valid"
    GAP = "gap"
    AUCTION = "auction"
    STALE = "stale"


class Rule(IntEnum):
    """What the validator says of a record. The order is that of the checks: the first that applies names the record."""

    ACCEPTED = 0
    NOT_FINITE = 1
    ZERO_PRICE = 2  # a price of zero or below
    NEGATIVE_SIZE = 3
    EMPTY = 4  # neither side has a level
    UNSORTED = 5
    CROSSED = 6
    LOCKED = 7
    OFF_TICK = 8
    WIDE_SPREAD = 9
    DUPLICATE = 10
    OUT_OF_ORDER = 11
    CLOCK_JUMP = 12
    STALE = 13
    GAP = 14

    @property
    def word(self) -> str:
        """The rule as answers, lists and metrics name it."""
        return self.name.lower()


RULES: Final[Mapping[Rule, str]] = {
    Rule.ACCEPTED: "nothing is wrong",
    Rule.NOT_FINITE: "a price, size or time is NaN or infinite",
    Rule.ZERO_PRICE: "a price is zero or negative",
    Rule.NEGATIVE_SIZE: "a size is negative",
    Rule.EMPTY: "neither side has a level",
    Rule.UNSORTED: "prices of a side do not strictly fall away from the best",
    Rule.CROSSED: "the best bid is above the best ask",
    Rule.LOCKED: "the best bid equals the best ask",
    Rule.OFF_TICK: "a price is no multiple of the tick",
    Rule.WIDE_SPREAD: "the spread is many times its running median",
    Rule.DUPLICATE: "the record repeats one that is known",
    Rule.OUT_OF_ORDER: "the record is older than one of its kind before it",
    Rule.CLOCK_JUMP: "the record's time lies far ahead of when it was received",
    Rule.STALE: "the record was received long after its time",
    Rule.GAP: "updates are missing before this one",
}
"""Each rule in one sentence."""


@dataclass(frozen=True, slots=True)
class Tape:
    """Events of one book in the order of their arrival; n events, of which d are books, q quotes and r trades.

    `kind` (n,): an Event. `t` (n,): the exchange's time, ns UTC. `received` (n,): when it was received by the recorder's clock, ns UTC, 0
    where unknown. `sequence` (n,): the exchange's update id, NO_SEQUENCE where there is none. `row` (n,): the event's place among those
    of its kind. `bids`, `asks` (d, L, 2): price and size, the best first; `counts` (d, 2): how many levels of each side are given, the
    rest is zero. `quotes` (q, 4): bid, bid size, ask, ask size. `trades` (r, 3): price, size, side (+1: the buyer took, -1: the seller,
    0: unknown). Nothing is promised of the values: the validator judges them. Raises BadBook when the shapes do not fit.
    """

    kind: Codes
    t: Times
    received: Times
    sequence: Integers
    row: Integers
    bids: Cube
    asks: Cube
    counts: Integers
    quotes: Grid
    trades: Grid

    def __post_init__(self) -> None:
        n, d = self.t.size, self.bids.shape[0]
        fits = self.kind.size == self.received.size == self.sequence.size == self.row.size == n
        fits = fits and self.asks.shape == self.bids.shape and self.bids.shape[1:] == (self.levels, 2) and self.counts.shape == (d, 2)
        if not (fits and self.quotes.shape[1:] == (4,) and self.trades.shape[1:] == (3,)):
            raise BadBook("the columns of the tape are not of one length")
        if self.levels > MOST_LEVELS:
            raise BadBook(f"{self.levels} levels a side; at most {MOST_LEVELS} are read")
        for array in (
            self.kind,
            self.t,
            self.received,
            self.sequence,
            self.row,
            self.bids,
            self.asks,
            self.counts,
            self.quotes,
            self.trades,
        ):
            read_only(array)

    @property
    def n(self) -> int:
        """Number of events."""
        return int(self.t.size)

    @property
    def levels(self) -> int:
        """Levels a side that the books have room for."""
        return int(self.bids.shape[1])

    def taken(self, keep: npt.NDArray[np.bool_]) -> "Tape":
        """The events (n,) that are to be kept, with their rows."""
        if keep.all():
            return self
        kind, row = self.kind[keep], self.row[keep]
        tables: dict[Event, Integers] = {event: row[kind == event] for event in Event}
        renumbered = np.empty(row.size, np.int64)
        for event in Event:
            renumbered[kind == event] = np.arange(tables[event].size)
        books, quotes, trades = tables[Event.DEPTH], tables[Event.QUOTE], tables[Event.TRADE]
        times = (self.t[keep], self.received[keep], self.sequence[keep])
        return Tape(
            kind, *times, renumbered, self.bids[books], self.asks[books], self.counts[books], self.quotes[quotes], self.trades[trades]
        )

    def ordered(self, order: Integers) -> "Tape":
        """The events in another order (n,); the tables follow, so that `row` counts up within each kind."""
        kind, row = self.kind[order], self.row[order]
        books, quotes, trades = (row[kind == event] for event in Event)
        renumbered = np.empty(row.size, np.int64)
        for event in Event:
            renumbered[kind == event] = np.arange(int((kind == event).sum()))
        times = (self.t[order], self.received[order], self.sequence[order])
        tables = (self.bids[books], self.asks[books], self.counts[books], self.quotes[quotes], self.trades[trades])
        return Tape(kind, *times, renumbered, *tables)

    @classmethod
    def of_books(
        cls, t: Times, bids: Cube, asks: Cube, counts: Integers, received: Times | None = None, sequence: Integers | None = None
    ) -> "Tape":
        """A tape of books (n, L, 2) alone."""
        return cls._of(Event.DEPTH, t, received, sequence, (bids, asks, counts, np.empty((0, 4)), np.empty((0, 3))))

    @classmethod
    def of_quotes(cls, t: Times, quotes: Grid, received: Times | None = None, sequence: Integers | None = None) -> "Tape":
        """A tape of quotes (n, 4) alone."""
        nothing = np.empty((0, 1, 2))
        return cls._of(Event.QUOTE, t, received, sequence, (nothing, nothing.copy(), np.empty((0, 2), np.int64), quotes, np.empty((0, 3))))

    @classmethod
    def of_trades(cls, t: Times, trades: Grid, received: Times | None = None, sequence: Integers | None = None) -> "Tape":
        """A tape of trades (n, 3) alone."""
        nothing = np.empty((0, 1, 2))
        return cls._of(Event.TRADE, t, received, sequence, (nothing, nothing.copy(), np.empty((0, 2), np.int64), np.empty((0, 4)), trades))

    @classmethod
    def _of(cls, kind: Event, t: Times, received: Times | None, sequence: Integers | None, tables: tuple[Any, ...]) -> "Tape":
        n = t.size
        received = np.zeros(n, np.int64) if received is None else received
        sequence = np.full(n, NO_SEQUENCE, np.int64) if sequence is None else sequence
        return cls(np.full(n, kind, np.uint8), t, received, sequence, np.arange(n), *tables)


def joined(tapes: "list[Tape]") -> Tape:
    """One tape of several, one behind the other; the books are widened to the most levels among them."""
    if len(tapes) == 1:
        return tapes[0]
    levels = max((tape.levels for tape in tapes), default=1)
    kind, t, received, sequence, row = (
        np.concatenate([getattr(tape, name) for tape in tapes]) for name in ("kind", "t", "received", "sequence", "row")
    )
    starts = {event: np.cumsum([0] + [int((tape.kind == event).sum()) for tape in tapes]) for event in Event}
    owner = np.repeat(np.arange(len(tapes)), [tape.n for tape in tapes])
    for event in Event:
        row[kind == event] += starts[event][owner[kind == event]]
    bids, asks = (np.concatenate([_widened(getattr(tape, side), levels) for tape in tapes]) for side in ("bids", "asks"))
    counts, quotes, trades = (np.concatenate([getattr(tape, name) for tape in tapes]) for name in ("counts", "quotes", "trades"))
    return Tape(kind, t, received, sequence, row, bids, asks, counts, quotes, trades)


def check_room(records: int, levels: int, given: int) -> None:
    """Raise BodyTooLarge where room for `levels` levels a side in each record is far more than the `given` levels need.

    One deep book among a million shallow ones takes a few kilobytes as it is sent, and gigabytes as a tape.
    """
    if records * levels > max(_ROOM, 4 * given):
        reason = f"{records} books with room for {levels} levels a side, of which few are used"
        raise BodyTooLarge(reason, hint="Send deep books apart from shallow ones, or fewer at a time.")


def fused(tapes: "list[Tape]") -> Tape:
    """One tape of several, in order of reception (where unknown, of time), then update id; events of one tape keep their order at ties.

    The books are widened to the most levels among them.
    """
    whole = joined(tapes)
    arrival = np.where(whole.received > 0, whole.received, whole.t)
    known = (whole.sequence != NO_SEQUENCE).all()
    return whole.ordered(np.lexsort((whole.sequence, arrival)) if known else np.argsort(arrival, kind="stable"))


def woven(books: Tape, message: Integers, updates: "Updates") -> Tape:
    """The books that a ladder made of the updates, and what came beside these, in the order of arrival.

    `books` (b events), `message` (b,): the message that each of them follows.
    """
    if updates.beside is None or not updates.beside.n:
        return books
    arrival = np.concatenate([2 * message + 1, 2 * updates.after])
    return joined([books, updates.beside]).ordered(np.argsort(arrival, kind="stable"))


def _widened(cube: Cube, levels: int) -> Cube:
    if cube.shape[1] == levels:
        return cube
    wide = np.zeros((cube.shape[0], levels, 2))
    wide[:, : cube.shape[1]] = cube
    return wide


@dataclass(frozen=True, slots=True)
class Updates:
    """Incremental level updates of one book: m messages with k level changes in all.

    `t`, `received` (m,) ns UTC, as in Tape. `first`, `last` (m,): update ids U and u, NO_SEQUENCE in a feed without any. `previous` (m,):
    pu, the `last` of the message before, NO_SEQUENCE where the feed has none. `is_snapshot` (m,): the message states the whole book,
    `last` being its update id. `start` (m + 1,): the level changes of message i are start[i]:start[i + 1]. `side` (k,): +1 bid, -1 ask.
    `price`, `size` (k,): the new size at that price, 0 when the level is gone. `beside`: the quotes and trades that came between the
    messages, `after` (beside.n,): how many messages came before each; `woven` puts them in order once the books are known.
    """

    t: Times
    received: Times
    first: Integers
    last: Integers
    previous: Integers
    is_snapshot: npt.NDArray[np.bool_]
    start: Integers
    side: npt.NDArray[np.int8]
    price: Vector
    size: Vector
    beside: Tape | None = None
    after: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def n(self) -> int:
        """Number of messages."""
        return int(self.t.size)

    def part(self, begin: int, stop: int) -> "Updates":
        """The messages [begin, stop), as views, without what came beside them."""
        start = self.start[begin : stop + 1]
        changes = slice(int(start[0]), int(start[-1]))
        rows = slice(begin, stop)
        return Updates(
            self.t[rows],
            self.received[rows],
            self.first[rows],
            self.last[rows],
            self.previous[rows],
            self.is_snapshot[rows],
            start - start[0],
            self.side[changes],
            self.price[changes],
            self.size[changes],
        )


@dataclass(frozen=True, slots=True)
class BookInfo:
    """What the store knows of a book without reading its tape; times in ns UTC, None when empty. `faults`: records by rule.

    `last_ns`: of any event; `received_ns`: when the last book or quote came, for trades tell nothing of the book.
    """

    id: int
    symbol: str
    phase: Phase
    tick: float | None
    levels: int
    first_ns: int | None
    last_ns: int | None
    received_ns: int | None
    events: int
    faults: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BookForecast:
    """Probabilities of a model for the label it was trained on; they sum to one."""

    down: float
    flat: float
    up: float

    @property
    def prediction(self) -> str:
        """The most probable word; flat when up and down are equal."""
        if self.up == self.down or self.flat >= max(self.up, self.down):
            return "flat"
        return "up" if self.up > self.down else "down"

    @property
    def confidence(self) -> float:
        """The largest of the three."""
        return max(self.down, self.flat, self.up)


@dataclass(frozen=True, slots=True)
class Fees:
    """What a trade pays per side, in basis points of its value: as a taker, and as a maker, where a negative fee is a rebate."""

    taker_bps: float
    maker_bps: float
