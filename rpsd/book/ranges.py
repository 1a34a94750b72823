"""Volatility of the mid from closed bars: close to close, and four estimators that use the range of each bar."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from rpsd.core.book import Grid
from rpsd.core.errors import TooShort
from rpsd.core.market import Times, Vector

Volatility = Callable[[Grid], Vector]
"""Bars (…, w, 5) of log prices to a standard deviation per bar (…,)."""
_OPEN, _HIGH, _LOW, _CLOSE, _BEFORE = range(5)


def closed_bars(t: Times, mid: Vector, width_ns: int) -> tuple[Times, Grid]:
    """Ends (m,) in ns UTC of all bars that are over, and their open, high, low and close (m, 4).

    t (n,) is the clock of the events, not falling, mid (n,) the price after each, NaN where a side is empty. A bar covers (end - width_ns,
    end], ends are multiples of width_ns; it is over once an event lies beyond its end. A bar without an event repeats the last close; bars
    before the first price are left out. The open is the last mid at or before the start of the bar, the first one in the first bar.
    Causal: a bar does not change once it is there.
    """
    known = np.isfinite(mid)
    last_ns = int(t[-1]) if t.size else 0
    t, mid = t[known], mid[known]
    if not t.size:
        return np.empty(0, np.int64), np.empty((0, 4))
    bar = -(-t // width_ns)
    ends = np.arange(int(bar[0]), -(-last_ns // width_ns)) * width_ns
    stop = np.searchsorted(t, ends, "right")
    start = np.concatenate([[0], stop[:-1]])[: ends.size]
    close = mid[stop - 1]
    opened = np.concatenate([mid[:1], close[:-1]])[: ends.size]
    bars = np.column_stack([opened, opened, opened, close])
    for i in np.flatnonzero(stop > start):
        bars[i, _HIGH], bars[i, _LOW] = max(opened[i], mid[start[i] : stop[i]].max()), min(opened[i], mid[start[i] : stop[i]].min())
    return ends, bars


def close_to_close(x: Grid) -> Vector:
    """Standard deviation of the log returns from close to close, about their mean."""
    return _root(_variance(x[..., _CLOSE] - x[..., _BEFORE]))


def parkinson(x: Grid) -> Vector:
    """√(mean (high − low)² / (4 ln 2)) of log prices. Source: Parkinson (1980), J. Business 53, 61-65."""
    return _root(((x[..., _HIGH] - x[..., _LOW]) ** 2).mean(axis=-1) / (4.0 * np.log(2.0)))


def garman_klass(x: Grid) -> Vector:
    """√(mean ½ (high − low)² − (2 ln 2 − 1) (close − open)²) of log prices. Source: Garman and Klass (1980), J. Business 53, 67-78."""
    move = x[..., _CLOSE] - x[..., _OPEN]
    return _root((0.5 * (x[..., _HIGH] - x[..., _LOW]) ** 2 - (2.0 * np.log(2.0) - 1.0) * move**2).mean(axis=-1))


def rogers_satchell(x: Grid) -> Vector:
    """√(mean (high − close)(high − open) + (low − close)(low − open)) of log prices: right whatever the drift.

    Source: Rogers and Satchell (1991), Ann. Appl. Probab. 1, 504-512.
    """
    return _root(_rogers_satchell(x).mean(axis=-1))


def yang_zhang(x: Grid) -> Vector:
    """√(V_o + k V_c + (1 − k) V_rs), k = 0.34 / (1.34 + (w + 1) / (w − 1)): right whatever the drift and the jump at the open.

    V_o and V_c are the variances of open − close before and of close − open, V_rs is Rogers and Satchell's.
    Source: Yang and Zhang (2000), J. Business 73, 477-492.
    """
    w = x.shape[-2]
    k = 0.34 / (1.34 + (w + 1) / (w - 1))
    opens, closes = _variance(x[..., _OPEN] - x[..., _BEFORE]), _variance(x[..., _CLOSE] - x[..., _OPEN])
    return _root(opens + k * closes + (1.0 - k) * _rogers_satchell(x).mean(axis=-1))


def _rogers_satchell(x: Grid) -> Grid:
    high, low, close, opened = (x[..., j] for j in (_HIGH, _LOW, _CLOSE, _OPEN))
    terms: Grid = (high - close) * (high - opened) + (low - close) * (low - opened)
    return terms


def _variance(x: Grid) -> Vector:
    variance: Vector = x.var(axis=-1, ddof=1)
    return variance


def _root(variance: Vector) -> Vector:
    root: Vector = np.sqrt(np.maximum(variance, 0.0))  # Garman and Klass can fall below 0 by rounding
    return root


ESTIMATORS: Final[Mapping[str, Volatility]] = {
    "close_to_close": close_to_close,
    "parkinson": parkinson,
    "garman_klass": garman_klass,
    "rogers_satchell": rogers_satchell,
    "yang_zhang": yang_zhang,
}


def rolling(bars: Grid, estimator: str, window: int) -> Vector:
    """Volatility per bar (m - window,) after each bar from the window-th on, of bars (m, 4) open, high, low, close, all above 0.

    `estimator` is a name of ESTIMATORS; the first bar only gives the close before. Even. Causal. Raises TooShort when there are no more
    bars than the window, or it has fewer than two. O(m window).
    """
    if window < 2 or bars.shape[0] <= window:
        raise TooShort(f"{bars.shape[0]} closed bars; a window of two or more needs one bar more than itself, here {max(window, 2) + 1}")
    x = np.log(bars)
    table = np.column_stack([x[1:], x[:-1, _CLOSE]])
    windows = np.lib.stride_tricks.sliding_window_view(table, window, axis=0).swapaxes(-1, -2)
    return ESTIMATORS[estimator](windows)
