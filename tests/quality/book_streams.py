"""The two captures with their features, and what came next, found anew from the best quotes alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpsd.book.features import FEATURES, BookMemory, run
from rpsd.core.book import Event, Grid, Integers, Tape
from rpsd.core.market import Times, Vector
from rpsd.samples import book_tape
from tests.captures import TICK, perp_tape

Mask = npt.NDArray[np.bool_]
CAPTURES: dict[str, Callable[[], Tape]] = {"btcusd_perp": perp_tape, "btcusdt": book_tape}
TRAIN = 0.6
"""Share of the events, the earliest, that models see."""
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Stream:
    """A capture after each of its events: the clock t (n,), features (n, 27), tops (n, 4); `mid` (n,) in half ticks."""

    name: str
    tape: Tape
    t: Times
    features: Grid
    tops: Grid
    mid: Vector

    def column(self, name: str) -> Vector:
        """One feature."""
        return self.features[:, [feature.name for feature in FEATURES].index(name)]

    def before(self, end: int, start: int = 0) -> Tape:
        """The tape of the events from start up to end."""
        keep = np.zeros(self.tape.n, bool)
        keep[start:end] = True
        return self.tape.taken(keep)


@dataclass(frozen=True, slots=True)
class Next:
    """Of the events `at` (m,) that a next move is known of: whether it is a rise, which move it is, and the event that settles it."""

    at: Integers
    up: Mask
    move: Integers
    until: Integers

    def between(self, start: int, end: int, purged: bool = False) -> Mask:
        """Which of them lie among the events from start up to end; purged, only those that are settled before end."""
        inside = (self.at >= start) & (self.at < end)
        return inside & (self.until < end) if purged else inside


def stream(name: str) -> Stream:
    """A capture by its name."""
    tape = CAPTURES[name]()
    features, tops, _ = run(tape, TICK, BookMemory.fresh())
    whole = (tops[:, 1] > 0.0) & (tops[:, 3] > 0.0)
    first = int(np.argmax(whole))
    assert whole[first:].all(), "a side is missing in the middle of the capture"
    mid = np.rint((tops[:, 0] + tops[:, 2]) / TICK)
    mid[:first] = mid[first]
    return Stream(name, tape, np.maximum.accumulate(tape.t), features, tops, mid)


def next_moves(s: Stream, delay_ms: float = 0.0, kinds: tuple[Event, ...] = (Event.DEPTH, Event.QUOTE)) -> Next:
    """The next change of the mid after each event of these kinds; what happens within the delay comes too early to be acted on."""
    changed = 1 + np.flatnonzero(np.diff(s.mid))
    n = s.tape.n
    acts = np.arange(n) if delay_ms == 0.0 else np.searchsorted(s.t, s.t + round(delay_ms * _MS), "right") - 1
    move = np.searchsorted(changed, acts, "right")
    known = (move < changed.size) & np.isin(s.tape.kind, kinds) & (s.tops[:, 1] > 0.0)
    at = np.flatnonzero(known)
    until = changed[move[at]]
    return Next(at, s.mid[until] > s.mid[until - 1], move[at], until)
