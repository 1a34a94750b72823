"""The events that a book model learns from and is judged by, in one order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.book import labels
from rpsd.book.features import BookMemory, run
from rpsd.core.book import Event, Grid, Integers, Tape
from rpsd.core.errors import TooShort
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import LabelParameters

_MS_NS: Final = 1_000_000
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """Events whose label is known, in order of time: features x (n, 27), outcomes y (n,), times t and until_ns (n,), cluster (n,)."""

    x: Grid
    y: Integers
    t: Times
    until_ns: Times
    cluster: Integers

    def at(self, places: Integers) -> "Table":
        """The events at these places."""
        return Table(self.x[places], self.y[places], self.t[places], self.until_ns[places], self.cluster[places])

    @property
    def weight(self) -> Vector:
        """What each event counts (n,) so that every cluster counts one: a move that was long in coming is still one observation."""
        _, number, sizes = np.unique(self.cluster, return_inverse=True, return_counts=True)
        return np.asarray(1.0 / sizes[number])

    @property
    def moves(self) -> int:
        """Distinct clusters."""
        return int(np.unique(self.cluster).size)


def gathered(tapes: Sequence[tuple[Tape, float]], label: LabelParameters, test_share: float) -> tuple[Table, float]:
    """The events of all tapes whose label is known, in order of time, and alpha of those before the test, in ticks.

    Trades move features and count as events of a horizon, but are no occasion of their own: one order prints many of them, and the book
    says what it left with the next quote. Raises TooShort when there is no event at all.
    """
    seen: list[tuple[Times, Grid, Grid, float]] = []
    prints: list[Mask] = []
    for tape, tick in tapes:
        if tape.n:
            x, tops, _ = run(tape, tick, BookMemory.fresh())
            seen.append((np.maximum.accumulate(tape.t), x, tops, tick))
            prints.append(np.asarray(tape.kind == Event.TRADE))
    every = np.sort(np.concatenate([t for t, *_ in seen])) if seen else np.empty(0, np.int64)
    if not every.size:
        raise TooShort("the tapes hold no event")
    begin = every[min(round((1 - test_share) * every.size), every.size - 1)]
    spreads = np.concatenate([tops[t < begin] / tick for t, _, tops, tick in seen])  # tops in ticks
    alpha = 0.0 if label.label == "next_mid_move" else labels.alpha_of(spreads, 1.0)
    parts, offset = [], 0
    for (t, x, tops, tick), is_print in zip(seen, prints, strict=True):
        found = labels.labelled(t, tops, tick, label, alpha)
        known = np.flatnonzero(found.known & ~is_print)
        ends = t[found.until[known]]
        if label.label == "horizon_ms":
            ends = np.maximum(ends, t[known] + round((label.delay_ms + label.horizon) * _MS_NS))
        parts.append((x[known], found.y[known], t[known], ends, found.cluster[known] + offset))
        offset += int(found.cluster[-1]) + 1
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[2], kind="stable")
    return Table(*(column[order] for column in columns)), alpha
