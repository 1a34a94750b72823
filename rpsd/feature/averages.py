"""Averages of the price: the plain one, the exponential one, and what the difference of two of these tells."""

from typing import Final

import numpy as np

from rpsd.core.feature import Columns, Feature, Recursion
from rpsd.core.market import Vector
from rpsd.kernels import moving, smoothed

_SLOW: Final = 26
_SIGNAL: Final = 9
_APPEL: Final = "Appel (2005), Technical Analysis: Power Tools for Active Investors, chapter 8"


def simple(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Mean of the last n closes (n,), in the price's unit. Causal. O(n window). Source: Kaufman (2013), Trading Systems, chapter 7."""
    out = np.empty(columns["close"].size)
    moving.mean(columns["close"], windows[0], out)
    return out


def _smooth(x: Vector, n: int, state: Vector) -> Vector:
    """The exponential average of x with span n, on from the state (2,)."""
    out = np.empty(x.size)
    smoothed.smooth(x, n, 2.0 / (n + 1.0), state, out)
    return out


def _advance_exponential(state: Vector, columns: Columns, windows: tuple[int, ...]) -> Vector:
    return _smooth(columns["close"], windows[0], state)


def exponential(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """m_t = m_{t-1} + 2/(n + 1) (close_t - m_{t-1}) (n,), begun by the mean of the first n closes. Causal. O(n).

    Source: Brown (1959), Statistical Forecasting for Inventory Control.
    """
    return _advance_exponential(np.zeros(2), columns, windows)


def difference(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """ema_12 - ema_26 (n,), in the price's unit. Causal. O(n). Source: Appel (2005), chapter 8."""
    del windows
    return columns["ema_12"] - columns["ema_26"]


def _advance_signal(state: Vector, columns: Columns, windows: tuple[int, ...]) -> Vector:
    del windows
    return _smooth(columns["macd"], _SIGNAL, state)


def signal(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """The exponential average of macd with span nine (n,). Causal. O(n). Source: Appel (2005), chapter 8."""
    return _advance_signal(np.zeros(2), columns, windows)


def histogram(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """macd - macd_signal (n,). Causal. O(n). Source: Appel (2005), chapter 8."""
    del windows
    return columns["macd"] - columns["macd_signal"]


SMA = Feature(
    name="sma",
    windows=((5,), (10,), (20,), (50,), (200,)),
    inputs=("close",),
    run=simple,
    lookback=lambda windows: windows[0] - 1,
    formula="sma_n[t] = (close[t] + … + close[t-n+1]) / n",
    summary="Plain average of the last n closes.",
    source="Kaufman (2013), Trading Systems and Methods, chapter 7",
    unit="price",
    low=0.0,
    relative=True,
)

EMA = Feature(
    name="ema",
    windows=((12,), (26,)),
    inputs=("close",),
    run=exponential,
    lookback=lambda windows: windows[0] - 1,
    formula="ema_n[t] = ema_n[t-1] + 2/(n+1) (close[t] - ema_n[t-1]), begun by the mean of the first n closes",
    summary="Exponential average of all closes with the weight 2/(n+1).",
    source="Brown (1959), Statistical Forecasting for Inventory Control",
    unit="price",
    low=0.0,
    relative=True,
    recursion=Recursion(lambda _: np.zeros(2), _advance_exponential),
)

MACD = Feature(
    name="macd",
    windows=((),),
    inputs=("close",),
    run=difference,
    lookback=lambda _: _SLOW - 1,
    parts=lambda _: ("ema_12", "ema_26"),
    formula="macd[t] = ema_12[t] - ema_26[t]",
    summary="Difference of the fast and the slow exponential average.",
    source=_APPEL,
    unit="price",
    relative=True,
)

MACD_SIGNAL = Feature(
    name="macd_signal",
    windows=((),),
    inputs=("close",),
    run=signal,
    lookback=lambda _: _SLOW + _SIGNAL - 2,
    parts=lambda _: ("macd",),
    formula="macd_signal[t] = exponential average of macd with n = 9, begun by the mean of its first nine values",
    summary="Exponential average of macd.",
    source=_APPEL,
    unit="price",
    relative=True,
    recursion=Recursion(lambda _: np.zeros(2), _advance_signal),
)

MACD_HISTOGRAM = Feature(
    name="macd_histogram",
    windows=((),),
    inputs=("close",),
    run=histogram,
    lookback=lambda _: _SLOW + _SIGNAL - 2,
    parts=lambda _: ("macd", "macd_signal"),
    formula="macd_histogram[t] = macd[t] - macd_signal[t]",
    summary="Distance of macd from its own average.",
    source=_APPEL,
    unit="price",
    relative=True,
)
