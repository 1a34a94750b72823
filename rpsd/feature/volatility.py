"""How much the price moves: from closes, from the extremes of bars, and Wilder's true range."""

import math
from typing import Final

import numpy as np

from rpsd.core.feature import Columns, Feature, Recursion
from rpsd.core.market import Vector
from rpsd.kernels import moving, smoothed

_PARKINSON: Final = 1.0 / (
    2.0 * math.sqrt(math.log(2.0))
)  # the mean square of ln(high / low) of a Brownian motion is 4 ln 2 times its variance


def realised(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Root mean square of the last n log returns (n,), of one bar, not annualised. Causal. O(n window).

    Source: Andersen, Bollerslev, Diebold and Labys (2003), Econometrica 71, 579-625, the mean taken in place of the sum.
    """
    out = np.empty(columns["close"].size)
    moving.root_mean_square(columns["log_return"], windows[0], out)
    return out


def parkinson(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Root of the mean of ln(high / low)^2 / (4 ln 2) over n bars (n,), of one bar, not annualised. Causal. O(n window).

    A bar whose high is below its low counts as missing: its square would pass for a range.

    Source: Parkinson (1980), Journal of Business 53, 61-65.
    """
    spans, out = np.empty(columns["high"].size), np.empty(columns["high"].size)
    moving.log_quotient(columns["high"], columns["low"], spans)
    spans[spans < 0.0] = np.nan
    moving.root_mean_square(spans, windows[0], out)
    return _PARKINSON * out


def _advance_true_range(state: Vector, columns: Columns, windows: tuple[int, ...]) -> Vector:
    out = np.empty(columns["close"].size)
    smoothed.true_range(columns["high"], columns["low"], columns["close"], windows[0], state, out)
    return out


def true_range(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Wilder's average of max(high_t, close_{t-1}) - min(low_t, close_{t-1}) (n,), in the price's unit. Causal. O(n).

    Source: Wilder (1978), New Concepts in Technical Trading Systems, section III.
    """
    return _advance_true_range(np.zeros(4), columns, windows)


ATR = Feature(
    name="atr",
    windows=((14,),),
    inputs=("high", "low", "close"),
    run=true_range,
    lookback=lambda windows: windows[0],
    formula="atr_n[t] = max(high[t], close[t-1]) - min(low[t], close[t-1]), smoothed with weight 1/n, begun by the mean of the first n",
    summary="Average true range: what a bar spans with the close before it.",
    source="Wilder (1978), New Concepts in Technical Trading Systems, section III",
    unit="price",
    low=0.0,
    relative=True,
    recursion=Recursion(lambda _: np.zeros(4), _advance_true_range),
)

REALISED_VOL = Feature(
    name="realised_vol",
    windows=((20,),),
    inputs=("close",),
    run=realised,
    lookback=lambda windows: windows[0],
    parts=lambda _: ("log_return",),
    formula="realised_vol_n[t] = sqrt((r[t]² + … + r[t-n+1]²) / n), r = log_return",
    summary="Root mean square of the last n log returns, of one bar, not annualised.",
    source="Andersen, Bollerslev, Diebold and Labys (2003), Econometrica 71, 579-625",
    unit="log ratio",
    low=0.0,
    high=0.5,
)

PARKINSON = Feature(
    name="parkinson",
    windows=((20,),),
    inputs=("high", "low"),
    run=parkinson,
    lookback=lambda windows: windows[0] - 1,
    formula="parkinson_n[t] = sqrt((s[t]² + … + s[t-n+1]²) / (4 n ln 2)), s = ln(high / low)",
    summary="Volatility from the extremes of the last n bars, of one bar, not annualised.",
    source="Parkinson (1980), Journal of Business 53, 61-65",
    unit="log ratio",
    low=0.0,
    high=0.5,
)
