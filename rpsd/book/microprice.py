"""Stoikov's micro-price: where the mid is expected to end up, given imbalance and spread alone."""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Grid, Integers
from rpsd.core.errors import TooShort
from rpsd.core.market import Vector

_FEWEST: Final = 100  # transitions


@dataclass(frozen=True, slots=True)
class MicroPrice:
    """A fitted table (buckets, spreads): ticks from mid to micro-price for an imbalance towards the bid; its negative for the mirror.

    Row i holds |imbalance| from i / buckets to (i + 1) / buckets, column s a spread of s + 1 ticks, the last column any wider one.
    """

    table: Grid

    def adjustment(self, tops: Grid, tick: float) -> Vector:
        """Micro-price - mid (n,) in ticks of quotes (n, 4) bid, size, ask, size; 0 where a side is empty. Odd, exactly. Causal."""
        row, column, sign, known = _states(tops, tick, *self.table.shape)
        return np.where(known, sign * self.table[row, column], 0.0)


def fit(tops: Grid, tick: float, *, buckets: int = 5, spreads: int = 3, largest: float = 4.0) -> MicroPrice:
    """The table from quotes (n, 4) after each event, in order, of a price step `tick`; moves of the mid count as at most `largest` ticks.

    A state is (imbalance, spread) in 2 buckets x spreads classes; each step goes to the next state without a move of the mid (Q) or with
    one (R2), by R1 K ticks in the mean. G1 = (I - Q)^-1 R1 K is the mean first move, B = (I - Q)^-1 R2 the state after it, and the
    micro-price is mid + sum over i of B^i G1. The tape and its mirror are counted together, and each state has one step more that leads
    nowhere, so that both inverses exist. Looks at all rows: fit on training rows alone. Raises TooShort below 100 steps. O(n + states^3).
    Source: Stoikov (2018), Quantitative Finance 18, 1959-1966, section 3.
    """
    row, column, sign, known = _states(tops, tick, buckets, spreads)
    mid = 0.5 * (tops[:, 0] + tops[:, 2]) / tick
    pairs = np.flatnonzero(known[:-1] & known[1:])
    if pairs.size < _FEWEST:
        raise TooShort(f"{pairs.size} steps between quotes; a micro-price needs {_FEWEST}")
    moves = np.clip(np.rint(2.0 * (mid[pairs + 1] - mid[pairs])) / 2.0, -largest, largest)
    states = 2 * buckets * spreads
    quiet, moved, drift = np.zeros((states, states)), np.zeros((states, states)), np.zeros(states)
    for side, even in product((1.0, -1.0), repeat=2):  # an even book counts as leaning to the bid and to the ask, one half each
        towards = side * np.where(sign == 0.0, even, sign)
        state = ((towards < 0.0) * buckets + row) * spreads + column
        np.add.at(quiet, (state[pairs], state[pairs + 1]), 0.5 * (moves == 0.0))
        np.add.at(moved, (state[pairs], state[pairs + 1]), 0.5 * (moves != 0.0))
        np.add.at(drift, state[pairs], 0.5 * side * moves)
    steps = (quiet + moved).sum(axis=1) + 1.0
    first_move = np.linalg.inv(np.eye(states) - quiet / steps[:, None])
    g1, b = first_move @ (drift / steps), first_move @ (moved / steps[:, None])
    bid, ask = np.linalg.solve(np.eye(states) - b, g1).reshape(2, buckets, spreads)
    return MicroPrice(0.5 * (bid - ask))


def _states(tops: Grid, tick: float, buckets: int, spreads: int) -> tuple[Integers, Integers, Vector, npt.NDArray[np.bool_]]:
    """Row and column in the table, the side of the imbalance, and whether both sides are known, of each quote."""
    bid, ask = tops[:, 1], tops[:, 3]
    known = (bid > 0.0) & (ask > 0.0)
    imbalance = np.divide(bid - ask, bid + ask, out=np.zeros(bid.size), where=known)
    row = np.minimum((np.abs(imbalance) * buckets).astype(np.int64), buckets - 1)
    column = np.clip(np.where(known, np.rint((tops[:, 2] - tops[:, 0]) / tick), 1.0), 1, spreads).astype(np.int64) - 1
    return row, column, np.sign(imbalance), known
