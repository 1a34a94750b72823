"""Faults put into the clean captures, a thousand of each kind, and what the validator calls them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpsd.book.ladder import Ladder, follow
from rpsd.book.validity import Limits, Watch, judge
from rpsd.core.book import Event, Grid, Integers, Rule, Tape, Updates
from tests.captures import TICK
from tests.quality.book_streams import Mask
from tests.unit.book.messages import piece

EACH = 1_000
_SECOND = 1_000_000_000
SETTLED = 10_000
"""Events before the first fault: by then the tick is believed and the medians are known."""


@dataclass(slots=True)
class Record:
    """One record to be spoilt, in place: levels (k, 2) of each side, its time and its reception as arrays (1,)."""

    bids: Grid
    asks: Grid
    t: Integers
    received: Integers


def crossed(r: Record, rng: np.random.Generator) -> None:
    """The bid one to five ticks above the ask."""
    r.bids[0, 0] = r.asks[0, 0] + TICK * rng.integers(1, 6)


def locked(r: Record, rng: np.random.Generator) -> None:
    """The bid at the ask."""
    r.bids[0, 0] = r.asks[0, 0]


def unsorted(r: Record, rng: np.random.Generator) -> None:
    """Two neighbouring levels change places."""
    side, k = (r.bids, r.asks)[rng.integers(2)], int(rng.integers(1, len(r.bids) - 1))
    side[[k, k + 1]] = side[[k + 1, k]]


def negative_size(r: Record, rng: np.random.Generator) -> None:
    """A size with a minus."""
    side = (r.bids, r.asks)[rng.integers(2)]
    side[rng.integers(len(side)), 1] *= -1.0


def zero_price(r: Record, rng: np.random.Generator) -> None:
    """A price of zero, or below."""
    side = (r.bids, r.asks)[rng.integers(2)]
    side[rng.integers(len(side)), 0] = -rng.choice([0.0, 100.0])


def not_finite(r: Record, rng: np.random.Generator) -> None:
    """A price or size that is NaN or infinite."""
    side = (r.bids, r.asks)[rng.integers(2)]
    side[rng.integers(len(side)), rng.integers(2)] = rng.choice([np.nan, np.inf, -np.inf])


def off_tick(r: Record, rng: np.random.Generator) -> None:
    """The last price of a side, a fraction of a tick away from the touch."""
    side, sign = ((r.bids, -1.0), (r.asks, 1.0))[rng.integers(2)]
    side[-1, 0] += sign * TICK * rng.uniform(0.2, 0.8)


def duplicate(r: Record, rng: np.random.Generator) -> None:
    """The record once more."""


def out_of_order(r: Record, rng: np.random.Generator) -> None:
    """One to four seconds older than the record before it."""
    r.t -= rng.integers(_SECOND, 4 * _SECOND)


def stale(r: Record, rng: np.random.Generator) -> None:
    """Received 6 to 60 seconds later than the others after their time."""
    r.received += rng.integers(6 * _SECOND, 60 * _SECOND)


def clock_jump(r: Record, rng: np.random.Generator) -> None:
    """A time 6 to 60 seconds ahead."""
    r.t += rng.integers(6 * _SECOND, 60 * _SECOND)


Spoil = Callable[[Record, np.random.Generator], None]
FAULTS: dict[Rule, Spoil] = {
    Rule.CROSSED: crossed,
    Rule.LOCKED: locked,
    Rule.UNSORTED: unsorted,
    Rule.NEGATIVE_SIZE: negative_size,
    Rule.ZERO_PRICE: zero_price,
    Rule.NOT_FINITE: not_finite,
    Rule.OFF_TICK: off_tick,
    Rule.DUPLICATE: duplicate,
    Rule.OUT_OF_ORDER: out_of_order,
    Rule.STALE: stale,
    Rule.CLOCK_JUMP: clock_jump,
}
"""Eleven kinds in records; the twelfth, a gap, is one of updates."""


def spoilt(tape: Tape, rule: Rule, each: int, rng: np.random.Generator) -> tuple[Tape, Mask]:
    """The tape with faulty copies of some of its books and quotes behind them, and which events of it these are."""
    able = np.flatnonzero((tape.kind == Event.DEPTH) | ((tape.kind == Event.QUOTE) & (rule != Rule.UNSORTED)))
    places = np.sort(rng.choice(able[able > SETTLED], each, replace=False))
    source = np.insert(np.arange(tape.n), places + 1, places)
    added = np.insert(np.zeros(tape.n, bool), places + 1, True)
    kind, rows = tape.kind[source], tape.row[source]
    row = np.empty_like(rows)
    for event in Event:
        row[kind == event] = np.arange(int((kind == event).sum()))
    books, quotes, trades = (rows[kind == event] for event in Event)
    times = (tape.t[source], tape.received[source], tape.sequence[source])
    tables = (tape.bids[books], tape.asks[books], tape.counts[books], tape.quotes[quotes], tape.trades[trades])
    for i in np.flatnonzero(added):
        k = row[i]
        sides = (tables[0][k], tables[1][k]) if kind[i] == Event.DEPTH else (tables[3][k, None, :2], tables[3][k, None, 2:])
        FAULTS[rule](Record(*sides, times[0][i : i + 1], times[1][i : i + 1]), rng)
    return Tape(kind, *times, row, *tables), added


@dataclass(frozen=True, slots=True)
class Classified:
    """Of so many faults of one rule in one capture: how many were called by it, and how many clean records were called anything."""

    capture: str
    rule: str
    injected: int
    hits: int
    false: int


def classify(name: str, tape: Tape, each: int = EACH, seed: int = 0) -> list[Classified]:
    """Each kind of fault in turn."""
    rng = np.random.default_rng(seed)
    found = []
    for rule in FAULTS:
        faulty, added = spoilt(tape, rule, each, rng)
        codes = judge(faulty, Limits(), Watch.fresh()).codes
        hits, false = int((codes[added] == rule).sum()), int((codes[~added] != Rule.ACCEPTED).sum())
        found.append(Classified(name, rule.word, each, hits, false))
    return found


def gaps(name: str, updates: Updates, each: int = EACH, seed: int = 0) -> Classified:
    """One update missing: the next one is judged by a book that has seen all before it. The book itself goes on without a gap."""
    rng = np.random.default_rng(seed)
    synced = int(np.argmax(updates.is_snapshot)) + 2  # before the snapshot updates wait for it, and none can be missed
    places = np.sort(rng.choice(np.arange(synced, updates.n - 1), each, replace=False)).tolist()
    ladder, done, hits, false = Ladder.fresh(), 0, 0, 0
    for place in places:
        followed = follow(piece(updates, done, place), ladder, 10)
        ladder, done = followed.ladder, place
        false += int((followed.codes != Rule.ACCEPTED).sum())
        hits += int(follow(piece(updates, place + 1, place + 2), ladder, 10).codes[0] == Rule.GAP)
    return Classified(name, Rule.GAP.word, each, hits, false)
