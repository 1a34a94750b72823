"""`ema`: the exponential moving average, the baseline that every user knows. Causal."""

import numpy as np

from rpsd.core.catalogue import Method, Stream
from rpsd.core.market import Vector
from rpsd.core.parameters import EmaParameters
from rpsd.kernels import filters


def start(params: EmaParameters) -> Vector:
    """State (1,) before the first sample: the average, NaN until there is one."""
    del params
    return np.array([np.nan])


def advance(state: Vector, y: Vector, params: EmaParameters) -> tuple[Vector, Vector]:
    """x̂ (n,) of the next samples y (n,); no model of its error. Causal. O(n)."""
    average = np.empty(y.size)
    filters.ema(np.require(y, np.float64, ["C", "W"]), 2.0 / (params.span + 1.0), state, average)
    return y + params.strength * (average - y), np.full(y.size, np.nan)


def run(y: Vector, params: EmaParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit: x̂_t = x̂_{t-1} + 2/(span + 1) (y_t - x̂_{t-1}), x̂_0 = y_0.

    Causal: x̂_t uses y_0..y_t, bit for bit. O(n). Source: Brown (1959), Statistical Forecasting for Inventory Control.
    """
    return advance(start(params), y, params)[0]


METHOD = Method(
    name="ema",
    causal=True,
    params=EmaParameters,
    run=run,
    source="Brown (1959), Statistical Forecasting for Inventory Control",
    cost="O(n)",
    summary="Exponential moving average; lags behind by design, kept as the baseline.",
    stream=Stream(start, advance),
)
