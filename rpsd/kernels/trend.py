"""The local linear trend one stretch at a time: exact filter, and its two ratios by rolling maximum likelihood.

y_t = x_t + e_t, x_t = x_{t-1} + b_{t-1} + w_t, b_t = b_{t-1} + z_t; ratios var w / var e and var z / var e. Variances are in units of
var e; the first two samples give level and slope (a diffuse start). Each readable form stands above its kernel.
Source: Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 2.3.2, 3.2 and 4.1.2.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.jit import kernel
from rpsd.kernels.kalman import WARM_UP

BLOCKS: Final = 8
"""Parts of the trailing window; the oldest is dropped whole."""
LEVELS: Final[Vector] = np.geomspace(1e-3, 30.0, 8)
"""Ratios of the level that are tried."""
SLOPES: Final[Vector] = np.geomspace(1e-7, 1.0, 8)
"""Ratios of the slope that are tried, each with each of the level."""
_LANES: Final = LEVELS.size * SLOPES.size
_SETTLED: Final = 20000  # steps after which the slowest gain stands still
_MEMORY: Final = 64.0  # samples over which the noise variance is averaged

# places in the state
_SEEN: Final = 0
_LEVEL: Final = 1
_SLOPE: Final = 2
_P: Final = 3  # error variances 3 level, 4 both, 5 slope
_RATIOS: Final = 6
_NOISE: Final = 8
_FULL: Final = 9
_HEAD: Final = 16
_SLOPES: Final = _HEAD + _LANES
_TOTALS: Final = _SLOPES + _LANES
_RING: Final = _TOTALS + _LANES


def start() -> Vector:
    """State (k,) of `trend` before the first sample, k = 16 + 64 lanes * (3 + 8 blocks)."""
    return np.zeros(_RING + BLOCKS * _LANES)


def reference_step(p: Vector, q_level: float, q_slope: float) -> tuple[Vector, Vector]:
    """Gains (2,) and filtered variances (3,) (level, both, slope) after one more sample."""
    level, both, slope = p[0] + 2.0 * p[1] + p[2] + q_level, p[1] + p[2], p[2] + q_slope
    k = np.array([level, both]) / (level + 1.0)
    return k, np.array([k[0], (1.0 - k[0]) * both, slope - k[1] * both])


@kernel
def _settle(q_level, q_slope, gains):  # type: ignore[no-untyped-def]
    """Steady gains (2,) of `reference_step`."""
    p0, p1, p2 = 1.0, 1.0, 2.0 + q_level + q_slope
    for _ in range(_SETTLED):
        level, both = p0 + 2.0 * p1 + p2 + q_level, p1 + p2
        k = level / (level + 1.0)
        m = both / (level + 1.0)
        p0, p1, p2 = k, (1.0 - k) * both, p2 + q_slope - m * both
        gains[0], gains[1] = k, m


@lru_cache(maxsize=1)
def gains() -> Matrix:
    """Steady gains (2, 64) of level and slope, the slope's ratio running fastest."""
    out, pair = np.empty((2, _LANES)), np.empty(2)
    for i in range(_LANES):
        _settle(float(LEVELS[i // SLOPES.size]), float(SLOPES[i % SLOPES.size]), pair)
        out[:, i] = pair
    return out


def reference_refit(y: Vector, block: int) -> tuple[float, float]:
    """Ratios of least squared innovation over the trailing window that ends y (n,), on the grid. O(n)."""
    first = max(y.size // block - BLOCKS, 0) * block
    levels, slopes, totals = np.full(_LANES, y[0]), np.zeros(_LANES), np.zeros(_LANES)
    for t in range(1, y.size):
        innovations = y[t] - levels - slopes
        totals += innovations**2 * (t >= first)
        levels, slopes = levels + slopes + gains()[0] * innovations, slopes + gains()[1] * innovations
    best = int(np.argmin(totals))
    return float(LEVELS[best // SLOPES.size]), float(SLOPES[best % SLOPES.size])


def reference_trend(y: Vector, ratio: float, slope_ratio: float, refit_every: int, block: int) -> tuple[Vector, Vector]:
    """x̂ (n,) and its error variance (n,) in units of var e; ratio 0 finds both ratios again at 16, 32, 64, then every refit_every."""
    q, x, b, out, p = (ratio, slope_ratio if ratio else 0.0), float(y[0]), 0.0, [(float(y[0]), 1.0)], np.ones(3)
    known = ratio > 0.0
    for t in range(1, y.size):
        if ratio == 0.0 and (t in (16, 32, 64) or (t > 64 and t % refit_every == 0)):
            q, known = reference_refit(y[:t], block), True
        if t == 1 or not known:
            x, b, p = float(y[t]), float(y[t] - y[t - 1]), np.array([1.0, 1.0, 2.0 + q[0] + q[1]])
        else:
            k, p = reference_step(p, *q)
            innovation = float(y[t]) - x - b
            x, b = x + b + k[0] * innovation, b + k[1] * innovation
        out.append((x, p[0]))
    return np.array(out)[:, 0].copy(), np.array(out)[:, 1].copy()


@kernel
def _refit(state, block_sums):  # type: ignore[no-untyped-def]
    """`reference_refit` from the totals in state: writes both ratios and returns the least sum."""
    full = min(int(state[_FULL]), BLOCKS)
    for j in range(_LANES):
        block_sums[j] = state[_TOTALS + j]
        for b in range(full):
            block_sums[j] += state[_RING + b * _LANES + j]
    best = int(np.argmin(block_sums))
    state[_RATIOS], state[_RATIOS + 1] = LEVELS[best // SLOPES.size], SLOPES[best % SLOPES.size]
    return block_sums[best]


@kernel
def _turn(state):  # type: ignore[no-untyped-def]
    """Close the block that ends before this sample: its totals replace the oldest."""
    slot = _RING + (int(state[_FULL]) % BLOCKS) * _LANES
    for j in range(_LANES):
        state[slot + j] = state[_TOTALS + j]
        state[_TOTALS + j] = 0.0
    state[_FULL] += 1.0


@kernel
def _watch(value, steady, levels, slopes, totals):  # type: ignore[no-untyped-def]
    """Take a sample into every lane."""
    for j in range(_LANES):
        ahead = levels[j] + slopes[j]
        error = value - ahead
        totals[j] += error * error
        levels[j] = ahead + steady[0, j] * error
        slopes[j] += steady[1, j] * error


@kernel
def trend(y, ratio, slope_ratio, refit_every, block, steady, state, out, shares, noises):  # type: ignore[no-untyped-def]
    """`reference_trend` into out and shares (n,), on from state; noises (n,) the variance of e known before each sample, NaN at first."""
    sums, seen, estimated = np.empty(_LANES), int(state[_SEEN]), ratio == 0.0
    levels, slopes, totals = state[_HEAD:_SLOPES], state[_SLOPES:_TOTALS], state[_TOTALS:_RING]
    if not estimated:
        state[_RATIOS], state[_RATIOS + 1] = ratio, slope_ratio
    x, b, p0, p1, p2, noise = state[_LEVEL], state[_SLOPE], state[_P], state[_P + 1], state[_P + 2], state[_NOISE]
    if seen == 0 and y.size > 0:
        x, levels[:] = y[0], y[0]
    for i in range(y.size):
        t, value = seen + i, y[i]
        if estimated:
            if t > 0 and t % block == 0:
                _turn(state)
            if t in (WARM_UP, 2 * WARM_UP, 4 * WARM_UP) or (t > 4 * WARM_UP and t % refit_every == 0):
                least = _refit(state, sums)
                if t == WARM_UP:
                    noise = 0.25 * least / (t - 1)  # until the filter's own innovations have said more
            _watch(value, steady, levels, slopes, totals)
        q0, q1 = state[_RATIOS], state[_RATIOS + 1]
        noises[i] = noise if t >= WARM_UP else np.nan
        if t == 0:
            p0, p1, p2 = 1.0, 1.0, 1.0
        elif t == 1 or (estimated and t < WARM_UP):
            b = value - x  # the level is the sample before
            x, p0, p1, p2 = value, 1.0, 1.0, 2.0 + q0 + q1
        else:
            ahead, both, slope = p0 + 2.0 * p1 + p2 + q0, p1 + p2, p2 + q1
            rest = 1.0 / (ahead + 1.0)
            k, m, innovation = ahead * rest, both * rest, value - x - b
            x, b = x + b + k * innovation, b + m * innovation
            p0, p1, p2 = k, rest * both, slope - m * both
            noise += (innovation * innovation * rest - noise) / min(float(t), _MEMORY)
        out[i], shares[i] = x, p0
    state[_SEEN], state[_LEVEL], state[_SLOPE] = seen + y.size, x, b
    state[_P], state[_P + 1], state[_P + 2], state[_NOISE] = p0, p1, p2, noise


def warm() -> None:
    """Compile or load every kernel of this file."""
    y = np.arange(80.0) % 3.0
    trend(y, 0.0, 0.0, 64, 8, gains(), start(), np.empty(80), np.empty(80), np.empty(80))
