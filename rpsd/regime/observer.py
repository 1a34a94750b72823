"""What a regime model sees, bar by bar: each new bar costs O(1), and however bars are split over calls the bits are the same."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Times, Vector
from rpsd.core.observed import Observed, observed, sources
from rpsd.core.result import Matrix
from rpsd.regime.state import SCALE

GAP: Final = 3
"""Steps of the usual length beyond which a return is no return of one bar."""

_FLOOR: Final = 0.01
"""Percent added before the log of a range or a deviation: one that is zero stays finite."""

_HEAD: Final = 2
"""Bars and rows so far, at the head of a carry's memory."""

_POSITIVE: Final = frozenset({"range", "log_return"})

_MEMORY: Final = 3
"""Numbers that a column with a half-life remembers: two weighted sums and the sum of the weights."""


@dataclass(frozen=True, slots=True)
class Carry:
    """What the next bar needs of those before: the last one's time t in ns UTC; memory (m,): bars, rows, last cells, weighted sums."""

    t: int
    memory: Vector


@dataclass(frozen=True, slots=True)
class Sight:
    """Rows z (m, d) at the times t (m,) of the bars they end on, how many gaps were left out on the way, and what to go on from."""

    z: Matrix
    t: Times
    left_out: int
    carry: Carry


@dataclass(frozen=True, slots=True)
class Observer:
    """Turns bars into rows of the columns. A step longer than GAP times step_ns, such as a night, gives no row; None: every step counts."""

    columns: tuple[Observed, ...]
    step_ns: float | None = None

    @classmethod
    def of(cls, names: Sequence[str], step_ns: float | None = None) -> "Observer":
        """The observer of columns by name. Raises InvalidRequest."""
        return cls(observed(names), step_ns)

    @property
    def warm_up(self) -> int:
        """Rows that are left out at the very start, until the longest memory is a half-life old."""
        return max(one.half_life for one in self.columns)

    def start(self) -> Carry:
        """Before the first bar."""
        return Carry(0, np.zeros(_HEAD + 1 + len(sources(self.columns)) + _MEMORY * len(self.columns)))

    def sane(self, prices: Vector, cells: Mapping[str, Vector]) -> npt.NDArray[np.bool_]:
        """Whether each bar (n,) can be observed: a positive price, no missing cell, none of an impossible sign or order."""
        good = np.isfinite(prices) & (prices > 0)
        for one in self.columns:
            for source in one.sources:
                good &= np.isfinite(cells[source])
                if one.kind in _POSITIVE:
                    good &= cells[source] > 0
                elif one.kind == "volume":
                    good &= cells[source] >= 0
            if one.kind == "range":
                good &= cells["high"] >= cells["low"]
        return good

    def observe(self, carry: Carry, t: Times, prices: Vector, cells: Mapping[str, Vector]) -> Sight:
        """The rows of bars at t (n,) in ns UTC, all after carry.t, with prices (n,) and the cells (n,) of each stored column.

        A bar that is not sane is passed over: the next return spans it. Any split of the bars into calls gives the same bits. Causal.
        Cost O(n d).
        """
        good, names = self.sane(prices, cells), sources(self.columns)
        memory, sums = carry.memory.copy(), _HEAD + 1 + len(names)
        raw, t = np.column_stack([prices[good], *(cells[name][good] for name in names)]), t[good]
        if not t.size:
            return Sight(np.empty((0, len(self.columns))), t, 0, carry)
        if memory[0]:
            raw, t = np.vstack([memory[_HEAD:sums], raw]), np.concatenate([[carry.t], t])
        memory[0] += int(good.sum())
        memory[_HEAD:sums] = raw[-1]
        step = np.diff(t)
        whole = np.ones(step.size, np.bool_) if self.step_ns is None else spans_one_bar(step, self.step_ns)
        table = {name: np.ascontiguousarray(column) for name, column in zip(("", *names), raw.T, strict=True)}
        rows = _rows(self.columns, table, whole, memory[sums:].reshape(-1, _MEMORY))
        early = min(max(self.warm_up - int(memory[1]), 0), rows.shape[0])
        memory[1] += rows.shape[0]
        return Sight(rows[early:], t[1:][whole][early:], int((~whole).sum()), Carry(int(t[-1]), memory))


def log_returns(prices: Vector) -> Vector:
    """Log returns × 100 (n,) of positive prices (n + 1,)."""
    return np.asarray(SCALE * np.diff(np.log(prices)))


def spans_one_bar(step: Times, usual_ns: float) -> npt.NDArray[np.bool_]:
    """Whether the return over each step (n,) in ns is one of a bar, not of a night; usual_ns is the common step."""
    return np.asarray(step <= GAP * usual_ns)


def _rows(columns: Sequence[Observed], table: Mapping[str, Vector], whole: npt.NDArray[np.bool_], memories: Matrix) -> Matrix:
    """What is seen (m, d) over the whole steps of the cells (n + 1,) in table, the price under ""; memories (d, 3) move on in place."""
    x = log_returns(table[""])[whole]
    seen = np.empty((x.size, len(columns)))
    for place, one in enumerate(columns):
        seen[:, place] = x if one.kind == "return" else _column(one, x, table, whole, memories[place])
    return seen


def _column(one: Observed, x: Vector, table: Mapping[str, Vector], whole: npt.NDArray[np.bool_], memory: Vector) -> Vector:
    """One column (m,) beside the returns x (m,)."""
    cells = [table[source] for source in one.sources]
    if one.kind == "range":
        found = np.log(_FLOOR + SCALE * np.log(cells[0] / cells[1]))[1:][whole]
    elif one.kind == "volume":
        found = _above_average(np.log1p(cells[0])[1:][whole], one.half_life, memory)
    elif one.kind == "value":
        found = cells[0][1:][whole]
    elif one.kind == "diff":
        found = np.diff(cells[0])[whole]
    elif one.kind == "log_return":
        found = log_returns(cells[0])[whole]
    else:
        found = _of_returns(x, one, memory)
    return np.asarray(found)


def _above_average(values: Vector, half_life: int, memory: Vector) -> Vector:
    """Each value (m,) less the weighted mean of those before it; the very first is 0. memory: weighted sum, nothing, sum of weights."""
    keep = 0.5 ** (1 / half_life)
    total, _, weight = memory.tolist()
    found = []
    for value in values.tolist():
        found.append(value - total / weight if weight else 0.0)
        total, weight = keep * total + value, keep * weight + 1.0
    memory[0], memory[2] = total, weight
    return np.array(found, np.float64)


def _of_returns(x: Vector, one: Observed, memory: Vector) -> Vector:
    """What the weighted returns x (m,) up to each bar come to. memory: their sum, the sum of their squares or the losses', the weights."""
    keep, all_count = 0.5 ** (1 / one.half_life), one.kind == "volatility"
    total, squares, weight = memory.tolist()
    found = []
    for value in x.tolist():
        total, weight = keep * total + value, keep * weight + 1.0
        squares = keep * squares + (value if all_count else min(value, 0.0)) ** 2
        mean, deviation = total / weight, _FLOOR + math.sqrt(squares / weight)
        found.append(mean if one.kind == "mean" else mean / deviation if one.kind == "sortino" else math.log(deviation))
    memory[:] = total, squares, weight
    return np.array(found, np.float64)
