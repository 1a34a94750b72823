"""Filters along time: FIR, exponential average, the maximum likelihood of the local level, and running medians.

Each readable form (`reference_*`, numpy) stands above its kernel. Local level: y_t = x_t + e_t, x_t = x_{t-1} + w_t,
q = var w / var e. Source: Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 2.4 and 4.1.2.
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

LANES: Final = 16  # gains tried side by side: the recursion's latency hides behind them
_BLOCK: Final = 512  # outputs of the FIR kept in the first-level cache


def reference_fir(x: Vector, taps: Vector) -> Vector:
    """y_t = sum_k taps_k x_{t-k} (n,) with x constant before its start: lfilter in the state of lfilter_zi. Causal. O(n taps)."""
    history = np.concatenate([np.full(taps.size - 1, x[0]), x])
    return np.convolve(history, taps, "valid")


@kernel
def fir(x, taps, out):  # type: ignore[no-untyped-def]
    """`reference_fir` into out (n,)."""
    n, length = x.size, taps.size
    head = min(length - 1, n)
    for i in range(head):
        total = 0.0
        for k in range(length):
            total += taps[k] * x[max(i - k, 0)]
        out[i] = total
    for begin in range(head, n, _BLOCK):
        block = out[begin : min(begin + _BLOCK, n)]
        block[:] = 0.0
        for k in range(length):
            tap, shifted = taps[k], x[begin - k : begin - k + block.size]
            for j in range(block.size):
                block[j] += tap * shifted[j]


def reference_ema(y: Vector, weight: float) -> Vector:
    """x̂_t = x̂_{t-1} + weight (y_t - x̂_{t-1}), x̂_0 = y_0. Causal. O(n)."""
    out = y.copy()
    for t in range(1, y.size):
        out[t] = out[t - 1] + weight * (y[t] - out[t - 1])
    return out


@kernel
def ema(y, weight, state, out):  # type: ignore[no-untyped-def]
    """`reference_ema` into out (n,), on from the average in state (1,), NaN before the first sample."""
    level = state[0]
    for t in range(y.size):
        level = y[t] if np.isnan(level) else level + weight * (y[t] - level)
        out[t] = level
    state[0] = level


def reference_innovations(y: Vector, gain: float) -> float:
    """Mean squared innovation of the steady-state filter x̂_t = x̂_{t-1} + gain (y_t - x̂_{t-1}) started at y_0."""
    level, total = float(y[0]), 0.0
    for value in y[1:]:
        innovation = float(value) - level
        total += innovation * innovation
        level += gain * innovation
    return total / (y.size - 1)


@kernel
def _innovations(y, begin, end, gains, totals):  # type: ignore[no-untyped-def]
    """Add the squared innovations of y[begin:end] to totals (LANES,), one lane for each gain."""
    level, total = np.full(LANES, y[begin]), np.zeros(LANES)
    whole = begin + 1 + (end - begin - 1) // 4 * 4
    for t in range(begin + 1, whole, 4):  # four samples while a lane is at hand: storing and loading it takes as long as one
        a, b, c, d = y[t], y[t + 1], y[t + 2], y[t + 3]
        for j in range(LANES):
            gain, x, square = gains[j], level[j], total[j]
            innovation = a - x
            square += innovation * innovation
            x += gain * innovation
            innovation = b - x
            square += innovation * innovation
            x += gain * innovation
            innovation = c - x
            square += innovation * innovation
            x += gain * innovation
            innovation = d - x
            total[j] = square + innovation * innovation
            level[j] = x + gain * innovation
    for t in range(whole, end):
        for j in range(LANES):
            innovation = y[t] - level[j]
            total[j] += innovation * innovation
            level[j] += gains[j] * innovation
    for j in range(LANES):
        totals[j] += total[j]


@kernel
def _spread_gains(low, high, gains):  # type: ignore[no-untyped-def]
    for j in range(LANES):
        gains[j] = low + (high - low) * j / (LANES - 1)


@kernel
def fit_gain(y, starts):  # type: ignore[no-untyped-def]
    """(gain, mean squared innovation) of least squared innovation over the sessions y[starts[i]:starts[i+1]].

    The gain K = P / (P + 1) in [0.005, 1] is the maximum of the steady-state Gaussian likelihood, found on three nested grids of
    16 gains (to 1e-3). K = 1 says that nothing but the signal moves. O(n).
    """
    gains, totals = np.empty(LANES), np.empty(LANES)
    low, high, best = 0.005, 1.0, 0
    for _ in range(3):
        _spread_gains(low, high, gains)
        totals[:] = 0.0
        for s in range(starts.size - 1):
            if starts[s + 1] - starts[s] > 1:
                _innovations(y, starts[s], starts[s + 1], gains, totals)
        best = int(np.argmin(totals))
        low, high = gains[max(best - 1, 0)], gains[min(best + 1, LANES - 1)]
    count = 0
    for s in range(starts.size - 1):
        count += max(starts[s + 1] - starts[s] - 1, 0)
    return gains[best], totals[best] / max(count, 1)


@kernel
def innovation_squares(y, starts, low, high, totals):  # type: ignore[no-untyped-def]
    """Mean squared innovations (LANES,) at LANES even gains from low to high, over the sessions y[starts[i]:starts[i+1]]. O(n)."""
    gains = np.empty(LANES)
    _spread_gains(low, high, gains)
    totals[:] = 0.0
    count = 0
    for s in range(starts.size - 1):
        if starts[s + 1] - starts[s] > 1:
            _innovations(y, starts[s], starts[s + 1], gains, totals)
            count += starts[s + 1] - starts[s] - 1
    totals /= max(count, 1)


def steady_gain(ratio: float) -> float:
    """K = P / (P + 1), P = q/2 + sqrt(q^2/4 + q): the gain that the local-level filter settles at for q = ratio."""
    p = ratio / 2.0 + float(np.sqrt(ratio * ratio / 4.0 + ratio))
    return p / (p + 1.0)


def reference_running_mean(x: Vector, width: int) -> Vector:
    """Mean (n,) over x[t - width // 2 : t - width // 2 + width], the ends mirrored; width at most n. Not causal."""
    padded = np.pad(x, (width // 2, width - 1 - width // 2), "symmetric")
    return np.convolve(padded, np.full(width, 1.0 / width), "valid")


@kernel
def running_mean(x, width, out):  # type: ignore[no-untyped-def]
    """`reference_running_mean` into out (n,), by adding what enters and taking off what leaves. O(n)."""
    n, before = x.size, width // 2
    total = 0.0
    for i in range(-before, width - before):
        total += x[i if i >= 0 else -1 - i]
    out[0] = total / width
    for t in range(1, n):
        leaving, entering = t - 1 - before, t - 1 - before + width
        total += x[entering if entering < n else 2 * n - 1 - entering] - x[leaving if leaving >= 0 else -1 - leaving]
        out[t] = total / width


def reference_trailing_quartiles(x: Vector, window: int) -> tuple[Vector, Vector, Vector]:
    """Lower quartile, median and upper quartile (n,) of the last `window` values before each; the first has only itself."""
    rows = [np.sort(x[max(i - window, 0) : max(i, 1)]) for i in range(x.size)]
    low, mid, high = (np.array([r[(r.size - 1) * k // 4] for r in rows]) for k in (1, 2, 3))
    return low, mid, high


@kernel
def trailing_quartiles(x, window, low, mid, high):  # type: ignore[no-untyped-def]
    """`reference_trailing_quartiles` into low, mid, high (n,): a sorted window kept by insertion. O(n window)."""
    ordered = np.empty(window + 1)
    size = 0
    for i in range(x.size):
        if size == window:
            leaving = np.searchsorted(ordered[:size], x[i - 1 - window])
            for j in range(leaving, size - 1):
                ordered[j] = ordered[j + 1]
            size -= 1
        if i > 0:
            place = size
            while place > 0 and ordered[place - 1] > x[i - 1]:
                ordered[place] = ordered[place - 1]
                place -= 1
            ordered[place] = x[i - 1]
            size += 1
        if i == 0:
            low[i], mid[i], high[i] = x[0], x[0], x[0]
        else:
            low[i], mid[i], high[i] = ordered[(size - 1) // 4], ordered[(size - 1) // 2], ordered[(size - 1) * 3 // 4]


def warm() -> None:
    """Compile or load every kernel of this file."""
    y, out = np.arange(80.0), np.empty(80)
    fir(y, np.array([0.5, 0.5]), out)
    ema(y, 0.5, np.full(1, np.nan), out)
    fit_gain(y, np.array([0, 80]))
    innovation_squares(y, np.array([0, 80]), 0.1, 1.0, np.empty(LANES))
    running_mean(y, 8, out)
    trailing_quartiles(y, 8, out.copy(), out.copy(), out)
