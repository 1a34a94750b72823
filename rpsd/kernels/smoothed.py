"""Averages and extremes that remember all bars before: the state is taken on, so that a split of the bars changes no bit.

States are flat float64 vectors, all zero before the first bar. A bar with a missing value (NaN) has no output and leaves the state as
it was. Each readable form (`reference_*`) stands above its kernel. All are causal, O(1) a bar.
Source: Wilder (1978), New Concepts in Technical Trading Systems.
"""

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel


def reference_smooth(x: Vector, n: int, weight: float) -> Vector:
    """m_t = m_{t-1} + weight (x_t - m_{t-1}), begun by the mean of the first n values; x (size,) without missing ones."""
    out = np.full(x.size, np.nan)
    if x.size >= n:
        out[n - 1] = x[:n].mean()
        for t in range(n, x.size):
            out[t] = out[t - 1] + weight * (x[t] - out[t - 1])
    return out


@kernel
def _step(x, n, weight, count, mean):  # type: ignore[no-untyped-def]
    """Count and mean with x taken in: the mean of the first n values, the smoothed one from then on."""
    if count < n:
        return count + 1.0, mean + (x - mean) / (count + 1.0)
    return count, mean + weight * (x - mean)


@kernel
def smooth(x, n, weight, state, out):  # type: ignore[no-untyped-def]
    """`reference_smooth` into out (size,), on from state (2,)."""
    count, mean = state[0], state[1]
    for t in range(x.size):
        out[t] = np.nan
        if not np.isnan(x[t]):
            count, mean = _step(x[t], n, weight, count, mean)
            if count >= n:
                out[t] = mean
    state[0], state[1] = count, mean


def reference_strength(x: Vector, n: int) -> Vector:
    """100 G / (G + L), G and L the smoothed rises and falls with weight 1/n; 50 where nothing moved. Wilder (1978), section VI."""
    up, down = (reference_smooth(np.maximum(sign * np.diff(x), 0.0), n, 1.0 / n) for sign in (1.0, -1.0))
    there = ~np.isnan(up)
    index = [50.0 if g + l == 0.0 else 100.0 * g / (g + l) for g, l in zip(up[there], down[there], strict=True)]  # noqa: E741
    return np.concatenate([np.full(x.size - len(index), np.nan), index])


@kernel
def strength(x, n, state, out):  # type: ignore[no-untyped-def]
    """`reference_strength` into out (size,), on from state (seen, last, count, rise, count, fall)."""
    seen, last, risen, rise, fallen, fall = state[0], state[1], state[2], state[3], state[4], state[5]
    for t in range(x.size):
        out[t] = np.nan
        if np.isnan(x[t]):
            continue
        if seen > 0.0:
            change = x[t] - last
            risen, rise = _step(max(change, 0.0), n, 1.0 / n, risen, rise)
            fallen, fall = _step(max(-change, 0.0), n, 1.0 / n, fallen, fall)
            if risen >= n:
                if rise >= fall:  # quotients of at most one never overflow
                    out[t] = 100.0 / (1.0 + fall / rise) if rise > 0.0 else 50.0
                else:
                    out[t] = 100.0 * (rise / fall) / (1.0 + rise / fall)
        seen, last = 1.0, x[t]
    state[0], state[1], state[2], state[3], state[4], state[5] = seen, last, risen, rise, fallen, fall


def reference_true_range(high: Vector, low: Vector, close: Vector, n: int) -> Vector:
    """The true range smoothed with weight 1/n: what the bar spans with the close before it. Wilder (1978), section III."""
    spans = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    return np.concatenate([np.full(min(1, close.size), np.nan), reference_smooth(spans, n, 1.0 / n)])


@kernel
def true_range(high, low, close, n, state, out):  # type: ignore[no-untyped-def]
    """`reference_true_range` into out (size,), on from state (seen, last close, count, mean); a bar of high below low is none."""
    seen, last, count, mean = state[0], state[1], state[2], state[3]
    for t in range(close.size):
        out[t] = np.nan
        if np.isnan(high[t]) or np.isnan(low[t]) or np.isnan(close[t]) or high[t] < low[t]:
            continue
        if seen > 0.0:
            count, mean = _step(max(high[t], last) - min(low[t], last), n, 1.0 / n, count, mean)
            if count >= n:
                out[t] = mean
        seen, last = 1.0, close[t]
    state[0], state[1], state[2], state[3] = seen, last, count, mean


def reference_fall(x: Vector) -> Vector:
    """x_t over the highest value so far, less one; missing while that is not above zero."""
    highest = np.maximum.accumulate(x)
    share: Vector = np.divide(x, highest, out=np.full(x.size, np.nan), where=highest > 0.0)
    return share - 1.0


@kernel
def fall(x, state, out):  # type: ignore[no-untyped-def]
    """`reference_fall` into out (size,), on from state (the highest value so far, of those above zero)."""
    for t in range(x.size):
        if x[t] > state[0]:  # noqa: PLR1730  # a missing value is above none
            state[0] = x[t]
        out[t] = x[t] / state[0] - 1.0 if state[0] > 0.0 else np.nan


def warm() -> None:
    """Compile or load every kernel of this file."""
    x, out = np.ones(3), np.empty(3)
    smooth(x, 2, 0.5, np.zeros(2), out)
    strength(x, 2, np.zeros(6), out)
    true_range(x, x, x, 2, np.zeros(4), out)
    fall(x, np.zeros(1), out)
