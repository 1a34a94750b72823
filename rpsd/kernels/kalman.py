"""The local level one stretch at a time: exact filter, its ratio by rolling maximum likelihood, and what a few samples of delay add.

y_t = x_t + e_t, x_t = x_{t-1} + w_t, q = var w / var e. In units of var e the filtered variance is the gain itself, so the whole Riccati
recursion is k_t = (k_{t-1} + q) / (k_{t-1} + q + 1), begun at k_0 = 1 (a diffuse start). Each readable form stands above its kernel.
Source: Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 2.4, 3.2 and 4.1.2.
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.filters import steady_gain
from rpsd.kernels.jit import kernel

LANES: Final = 16
"""Ratios whose likelihood is kept up side by side."""
BLOCKS: Final = 16
"""Parts of the trailing window; the oldest is dropped whole."""
RATIOS: Final[Vector] = np.geomspace(3e-5, 1e3, LANES)
GAINS: Final[Vector] = np.array([steady_gain(float(q)) for q in RATIOS])
WARM_UP: Final = 16
"""Samples before the first estimate; until then the filter trusts every sample."""
_UNKNOWN: Final = 1e300  # a ratio at which the filter trusts every sample: before the first estimate
_MEMORY: Final = 64.0  # samples over which the noise variance is averaged

# places in the state
_SEEN: Final = 0
_LEVEL: Final = 1
_GAIN: Final = 2
_RATIO: Final = 3
_NOISE: Final = 4
_FULL: Final = 5  # blocks that are full
_HEAD: Final = 8
_TOTALS: Final = _HEAD + LANES
_RING: Final = _TOTALS + LANES


def start() -> Vector:
    """State (k,) of `level` before the first sample, k = 8 + 16 lanes * (2 + 16 blocks)."""
    state = np.zeros(_RING + BLOCKS * LANES)
    state[_RATIO], state[_GAIN] = _UNKNOWN, 1.0
    return state


def reference_likelihood(y: Vector, first: int) -> Vector:
    """Sum (LANES,) of squared innovations of y[first:] under each gain, the filters begun at y[0]. O(n)."""
    levels, totals = np.full(LANES, y[0]), np.zeros(LANES)
    for t in range(1, y.size):
        innovations = y[t] - levels
        totals += innovations**2 * (t >= first)
        levels += GAINS * innovations
    return totals


def reference_refit(y: Vector, block: int) -> float:
    """Ratio of greatest likelihood over the trailing window that ends y (n,): the full blocks before the last sample, at most 16, and on.

    The lane of least mean squared innovation S, then between its neighbours: of a local level S(K) K (2 - K) = var e (q + 2 K), so the
    line through the neighbours' values, moved through that of the best lane, gives q where S is least. O(n).
    """
    full = y.size // block
    totals = reference_likelihood(y, max(full - BLOCKS, 0) * block)
    best = min(max(int(np.argmin(totals)), 1), LANES - 2)
    left, mid, right = (totals * GAINS * (2.0 - GAINS))[best - 1 : best + 2]
    slope = (right - left) / (GAINS[best + 1] - GAINS[best - 1])
    q = 2.0 * (mid - slope * GAINS[best]) / slope if slope > 0.0 else RATIOS[best + 1]
    return float(np.clip(q, RATIOS[best - 1], RATIOS[best + 1]))


def reference_level(y: Vector, ratio: float, refit_every: int, block: int) -> tuple[Vector, Vector]:
    """x̂ (n,) and gain (n,) of the filter; ratio 0 finds it again at 16, 32, 64 and then every refit_every samples. Causal."""
    level, gain, q, out = float(y[0]), 1.0, ratio or _UNKNOWN, [(float(y[0]), 1.0)]
    for t in range(1, y.size):
        if ratio == 0.0 and (t in (16, 32, 64) or (t > 64 and t % refit_every == 0)):
            q = reference_refit(y[:t], block)
        gain = (gain + q) / (gain + q + 1.0)
        level += gain * (float(y[t]) - level)
        out.append((level, gain))
    return np.array(out)[:, 0].copy(), np.array(out)[:, 1].copy()


@kernel
def _refit(state, sums):  # type: ignore[no-untyped-def]
    """`reference_refit` from the totals in state: writes the ratio, returns the least squared innovation and its gain."""
    full = min(int(state[_FULL]), BLOCKS)
    for j in range(LANES):
        total = state[_TOTALS + j]
        for b in range(full):
            total += state[_RING + b * LANES + j]
        sums[j] = total
    best = min(max(int(np.argmin(sums)), 1), LANES - 2)
    low, gain, high = GAINS[best - 1], GAINS[best], GAINS[best + 1]
    slope = (sums[best + 1] * high * (2.0 - high) - sums[best - 1] * low * (2.0 - low)) / (high - low)
    q = 2.0 * (sums[best] * gain * (2.0 - gain) - slope * gain) / slope if slope > 0.0 else RATIOS[best + 1]
    state[_RATIO] = min(max(q, RATIOS[best - 1]), RATIOS[best + 1])
    return sums[best], gain


@kernel
def _turn(state):  # type: ignore[no-untyped-def]
    """Close the block that ends before this sample: its totals replace the oldest."""
    slot = _RING + (int(state[_FULL]) % BLOCKS) * LANES
    for j in range(LANES):
        state[slot + j] = state[_TOTALS + j]
        state[_TOTALS + j] = 0.0
    state[_FULL] += 1.0


@kernel
def _begin(value, state):  # type: ignore[no-untyped-def]
    state[_LEVEL] = value
    for j in range(LANES):
        state[_HEAD + j] = value


@kernel
def level(y, ratio, refit_every, block, state, out, gains, noises):  # type: ignore[no-untyped-def]
    """`reference_level` into out and gains (n,), on from state; noises (n,) the variance of e known before each sample, NaN at first.

    The filtered error then has the variance gains * noises. The likelihood of each lane is kept up with every sample, so that an estimate
    costs nothing more than looking; var e is the mean of (1 - k) innovation^2 over 64 samples.
    """
    sums, seen = np.empty(LANES), int(state[_SEEN])
    lanes, totals = state[_HEAD:_TOTALS], state[_TOTALS:_RING]
    if seen == 0 and y.size > 0:
        _begin(y[0], state)
    estimated = ratio == 0.0
    x, k, q, noise = state[_LEVEL], state[_GAIN], state[_RATIO] if estimated else ratio, state[_NOISE]
    for i in range(y.size):
        t, value = seen + i, y[i]
        if estimated:
            if t > 0 and t % block == 0:
                _turn(state)
            if t in (WARM_UP, 2 * WARM_UP, 4 * WARM_UP) or (t > 4 * WARM_UP and t % refit_every == 0):
                square, steady = _refit(state, sums)
                q = state[_RATIO]
                if t == WARM_UP:
                    noise = square * (1.0 - steady) / (t - 1)
            for j in range(LANES):
                error = value - lanes[j]
                totals[j] += error * error
                lanes[j] += GAINS[j] * error
        noises[i] = noise if t >= WARM_UP else np.nan
        if t > 0:
            k = (k + q) / (k + q + 1.0)
            innovation = value - x
            x += k * innovation
            noise += (innovation * innovation * (1.0 - k) - noise) / min(float(t), _MEMORY)
        out[i], gains[i] = x, k
    state[_SEEN], state[_LEVEL], state[_GAIN], state[_NOISE] = seen + y.size, x, k, noise


def reference_lagged(rows: Matrix, lag: int, count: int) -> tuple[Vector, Vector]:
    """Smoothed values and their error variances in units of var e (count,) of the first samples of rows (>= 4, m).

    The rows are x̂, gain, var e, innovation. x̂_{s|s+d} = x̂_s + k_s sum_j (prod_{i<=j} (1 - k_{s+i})) v_{s+j}, j = 1..d, as far as the
    rows reach. O(count lag). Source: Anderson and Moore (1979), Optimal Filtering, 7.3; Durbin and Koopman (2012), 4.4.
    """
    x, gains, innovations = rows[0], rows[1], rows[3]
    values, shares = np.full(count, np.nan), np.full(count, np.nan)
    for s in range(count):
        rest = 1.0 - gains[s + 1 : s + 1 + lag]
        carried = np.cumprod(rest)
        values[s] = x[s] + gains[s] * float(np.sum(carried * innovations[s + 1 : s + 1 + lag]))
        before = np.concatenate([[1.0], carried])[:-1]
        shares[s] = gains[s] - gains[s] ** 2 * float(np.sum(before * carried))
    return values, shares


@kernel
def lagged(rows, lag, values, shares):  # type: ignore[no-untyped-def]
    """`reference_lagged` into values and shares; the sum ends where nothing is left to carry."""
    for s in range(values.size):
        carry, total, known = 1.0, 0.0, 0.0
        for j in range(s + 1, min(s + lag, rows.shape[1] - 1) + 1):
            known += carry * carry * (1.0 - rows[1, j])
            carry *= 1.0 - rows[1, j]
            total += carry * rows[3, j]
            if carry < 1e-18:
                break
        gain = rows[1, s]
        values[s] = rows[0, s] + gain * total
        shares[s] = gain - gain * gain * known


def warm() -> None:
    """Compile or load every kernel of this file."""
    y, rows = np.arange(80.0) % 3.0, np.zeros((4, 80))
    level(y, 0.0, 64, 4, start(), rows[0], rows[1], rows[2])
    lagged(rows, 2, np.empty(80), np.empty(80))
