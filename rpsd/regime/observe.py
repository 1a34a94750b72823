"""From prices to observations: log returns in percent, refused or warned about at the door."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import ConstantSeries, Fault, NotFinite, NotPositive, TooShort
from rpsd.core.market import DAY_NS, INTERVALS, Times, Vector
from rpsd.core.result import Warned
from rpsd.regime.state import SCALE

BARS_PER_STATE: Final = 20
"""Fewest observations for each state."""

_SPLIT: Final = 0.4
"""A move of this share of the price between two bars looks like an unadjusted split."""

_GAP: Final = 3
"""Median intervals between two intraday bars beyond which their return is no return of one bar."""

_LONG_GAP_DAYS: Final = 10
"""Days without a daily bar that no run of holidays explains."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Log returns x (n,) in percent at the times t (n,) of the bars they end on, with what is doubtful about them."""

    x: Vector
    t: Times
    warnings: tuple[Warned, ...]


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


def log_returns(prices: Vector) -> Vector:
    """Log returns × 100 (n,) of positive prices (n + 1,)."""
    return np.asarray(SCALE * np.diff(np.log(prices)))


def spans_one_bar(step: Times, usual_ns: float) -> npt.NDArray[np.bool_]:
    """Whether the return over each step (n,) in ns is one of a bar, not of a night; usual_ns is the common step."""
    return np.asarray(step <= _GAP * usual_ns)


def observations(prices: Vector, t: Times, interval: str, k: int) -> Observations:
    """Log returns × 100 of prices (n + 1,) at times t (n + 1,) in ns UTC. Causal: each return ends on its bar.

    Intraday returns across a gap of more than three median intervals, such as overnight, are left out and counted in a warning.
    Raises NotFinite for a missing price, NotPositive, TooShort, ConstantSeries.
    """
    bad = ~np.isfinite(prices)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise NotFinite(f"price {row} is missing or not finite", errors=[Fault(f"/observations/{row}", "not a finite number")])
    if (prices <= 0).any():
        row = int(np.flatnonzero(prices <= 0)[0])
        raise NotPositive(f"price {row} is {prices[row]:g}", errors=[Fault(f"/observations/{row}", "not positive")])
    x, ends = log_returns(prices), t[1:]
    x, ends, warned = _without_gaps(x, ends, np.diff(t), interval)
    jumps = np.abs(np.expm1(x / SCALE)) >= _SPLIT
    if jumps.any():
        row = int(np.flatnonzero(jumps)[0])
        moment = np.datetime_as_string(ends[row : row + 1].astype("datetime64[ns]"), unit="m")[0]
        warned.append(
            Warned("looks_like_split", f"{int(jumps.sum())} moves of 40 % or more, the first at {moment}Z; are the prices adjusted?")
        )
    return Observations(checked(x, k), np.array(ends), tuple(warned))


def next_return(last_price: float, price: float) -> float:
    """The observation of a bar that closes at price after one at last_price, by the arithmetic of `observations`. Raises NotPositive."""
    if not (last_price > 0 and price > 0):
        raise NotPositive(f"prices {last_price:g} and {price:g} have no log return")
    return float(log_returns(np.array([last_price, price]))[0])


def _without_gaps(x: Vector, ends: Times, step: Times, interval: str) -> tuple[Vector, Times, list[Warned]]:
    """The returns that span one bar, their times, and a warning when others were left out (intraday) or kept (days and weeks)."""
    length = INTERVALS[interval]
    if length == 0 or x.size == 0:
        return x, ends, []
    if length >= DAY_NS:
        long = int((step > _LONG_GAP_DAYS * max(length, DAY_NS)).sum())
        return x, ends, [Warned("gaps", f"{long} gaps of more than {_LONG_GAP_DAYS} bars; each counts as one bar")] if long else []
    whole = spans_one_bar(step, float(np.median(step)))
    left_out = int((~whole).sum())
    return x[whole], ends[whole], [Warned("gaps", f"{left_out} returns across gaps, such as overnight, are left out")] if left_out else []
