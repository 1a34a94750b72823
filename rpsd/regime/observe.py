"""From prices to observations: log returns in percent and what else a model sees, refused or warned about at the door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import ConstantSeries, Fault, NotFinite, NotPositive, TooShort, UnknownColumn
from rpsd.core.market import DAY_NS, INTERVALS, Times, Vector
from rpsd.core.observed import RETURN, sources
from rpsd.core.result import Matrix, Warned
from rpsd.regime.observer import Carry, Observer, log_returns, spans_one_bar
from rpsd.regime.state import SCALE

__all__ = [
    "BARS_PER_STATE",
    "Observations",
    "checked",
    "checked_rows",
    "log_returns",
    "looks_like_split",
    "next_return",
    "observations",
    "spans_one_bar",
]

BARS_PER_STATE: Final = 20
"""Fewest observations for each state."""

_SPLIT: Final = 0.4
"""A move of this share of the price between two bars looks like an unadjusted split."""

_LONG_GAP_DAYS: Final = 10
"""Days without a daily bar that no run of holidays explains."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Log returns x (n,) in percent at the times t (n,) of the bars they end on, with what is doubtful about them.

    z (n, d) is what a model of more columns sees, the returns first; None when it sees the returns alone. `observer` and `carry` go on
    with the next bar.
    """

    x: Vector
    t: Times
    warnings: tuple[Warned, ...]
    observer: Observer
    carry: Carry
    z: Matrix | None = None

    @property
    def rows(self) -> Vector | Matrix:
        """What the filter takes: z, or x when the model sees nothing else."""
        return self.x if self.z is None else self.z


def checked(x: Vector, k: int) -> Vector:
    """A fresh contiguous copy of x (n,). Raises NotFinite, TooShort below 20 k observations, ConstantSeries without variation."""
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x))[0])
        raise NotFinite(f"observation {row} is not a finite number", errors=[Fault(f"/observations/{row}", "not a finite number")])
    if x.size < BARS_PER_STATE * k:
        raise TooShort(f"{x.size} returns for {k} states; at least {BARS_PER_STATE * k} are needed")
    # returns of a constant price are zero but for rounding, a few ulp of a price near one
    if np.ptp(x) <= 1e-12 * SCALE:
        raise ConstantSeries(f"all {x.size} returns are equal")
    return np.array(x, np.float64)


def checked_rows(x: Vector, z: Matrix | None, k: int) -> Matrix:
    """A fresh contiguous (n, d) of z, or of x (n,) when z is None. Raises as `checked`, for every column."""
    first = checked(x, k)
    if z is None:
        return first[:, None]
    if not np.isfinite(z).all():
        row = int(np.flatnonzero(~np.isfinite(z).all(axis=1))[0])
        raise NotFinite(f"observation {row} is not a finite number", errors=[Fault(f"/observations/{row}", "not a finite number")])
    for place, spread in enumerate(np.ptp(z, axis=0).tolist()):
        if spread <= 1e-12 * max(float(np.abs(z[:, place]).max()), 1e-300):
            raise ConstantSeries(f"column {place} of the observations never changes")
    return np.array(z, np.float64, order="C")


def looks_like_split(x: Vector) -> npt.NDArray[np.bool_]:
    """Which returns x (n,) in percent move the price as an unadjusted split does, by 40 % or more."""
    no_more_than_e = np.minimum(x / SCALE, 1.0)  # what rose more than that is a split anyway, and expm1 may overflow
    return np.asarray(np.abs(np.expm1(no_more_than_e)) >= _SPLIT)


def observations(
    prices: Vector, t: Times, interval: str, k: int, *, columns: Sequence[str] = RETURN, cells: Mapping[str, Vector] | None = None
) -> Observations:
    """What a model sees of prices (n + 1,) at times t (n + 1,) in ns UTC. Causal: each return ends on its bar.

    `columns` as core.observed names them; `cells` holds the stored columns (n + 1,) that they need. Intraday returns across a gap of more
    than three median intervals, such as overnight, are left out and counted in a warning; so are bars with a missing cell.
    Raises NotFinite for a missing price, NotPositive, TooShort, ConstantSeries, InvalidRequest, UnknownColumn.
    """
    bad = ~np.isfinite(prices)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise NotFinite(f"price {row} is missing or not finite", errors=[Fault(f"/observations/{row}", "not a finite number")])
    if (prices <= 0).any():
        row = int(np.flatnonzero(prices <= 0)[0])
        raise NotPositive(f"price {row} is {prices[row]:g}", errors=[Fault(f"/observations/{row}", "not positive")])
    step, length = np.diff(t), INTERVALS[interval]
    intraday = 0 < length < DAY_NS and step.size > 0
    observer = Observer.of(columns, float(np.median(step)) if intraday else None)
    cells = cells or {}
    if absent := [name for name in sources(observer.columns) if name not in cells]:
        raise UnknownColumn(f"the model sees {', '.join(columns)}, and {', '.join(absent)} is not there")
    warned = _incomplete(observer, prices, cells)
    sight = observer.observe(observer.start(), t, prices, cells)
    warned += _gaps(step, length, sight.left_out)
    x = np.ascontiguousarray(sight.z[:, 0])
    jumps = looks_like_split(x)
    if jumps.any():
        row = int(np.flatnonzero(jumps)[0])
        moment = np.datetime_as_string(sight.t[row : row + 1].astype("datetime64[ns]"), unit="m")[0]
        warned.append(
            Warned("looks_like_split", f"{int(jumps.sum())} moves of 40 % or more, the first at {moment}Z; are the prices adjusted?")
        )
    rows = checked_rows(x, sight.z, k)
    z = None if len(observer.columns) == 1 else rows
    return Observations(checked(x, k), np.array(sight.t), tuple(warned), observer, sight.carry, z)


def next_return(last_price: float, price: float) -> float:
    """The observation of a bar that closes at price after one at last_price, by the arithmetic of `observations`. Raises NotPositive."""
    if not (last_price > 0 and price > 0):
        raise NotPositive(f"prices {last_price:g} and {price:g} have no log return")
    return float(log_returns(np.array([last_price, price]))[0])


def _incomplete(observer: Observer, prices: Vector, cells: Mapping[str, Vector]) -> list[Warned]:
    """A warning when bars are passed over because a cell of theirs cannot be observed."""
    lost = int((~observer.sane(prices, cells)).sum())
    return [Warned("incomplete_bars", f"{lost} bars lack a value that the model sees; the next return spans them")] if lost else []


def _gaps(step: Times, length: int, left_out: int) -> list[Warned]:
    """A warning when intraday returns were left out, or when days or weeks are far apart and were kept."""
    if left_out:
        return [Warned("gaps", f"{left_out} returns across gaps, such as overnight, are left out")]
    if length < DAY_NS:
        return []
    long = int((step > _LONG_GAP_DAYS * max(length, DAY_NS)).sum())
    return [Warned("gaps", f"{long} gaps of more than {_LONG_GAP_DAYS} bars; each counts as one bar")] if long else []
