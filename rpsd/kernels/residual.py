"""What is left of a series after denoising, measured in one pass: moments, signs of moves, and the answer to a probe.

Sessions are slices y[starts[i]:starts[i+1]]; no product or difference reaches across one. The readable forms (`reference_*`) stand
above the kernels.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.kernels.jit import kernel

SCALES = np.array([1, 4, 16, 64])  # lags of trend_at_scale
LANES = 32  # sums side by side, so that none waits for its own last addition
_SLOPE_BARS = 30  # the classic trend guardrail


class Moments(NamedTuple):
    """Sums of z = (y - x̂) / sigma over n samples: mean, mean of the last `tail`, mean square, mean fourth power,

    lag-1 product over the mean square, largest absolute value, and the mean square of y - x̂ itself.
    """

    mean: float
    tail_mean: float
    square: float
    fourth: float
    lag_one: float
    largest: float
    raw_square: float


def reference_moments(y: Vector, x: Vector, sigma: Vector, starts: Times, tail: int) -> Moments:
    """The readable form of `moments`."""
    r = y - x
    z = r / sigma
    square = float(np.mean(z * z))
    pairs = [z[a:b] for a, b in pairwise(starts)]
    lag = sum(float((p[1:] * p[:-1]).sum()) for p in pairs) / z.size
    return Moments(
        float(z.mean()), float(z[-tail:].mean()), square, float(np.mean(z**4)), lag / square if square > 0.0 else 0.0,
        float(np.abs(z).max()), float(np.mean(r * r)),
    )  # fmt: skip


@kernel
def _moments(y, x, sigma, starts, tail):  # type: ignore[no-untyped-def]
    total, square, fourth, lag, largest, raw, tail_total = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n = y.size
    for s in range(starts.size - 1):
        before = 0.0
        for i in range(starts[s], starts[s + 1]):
            r = y[i] - x[i]
            z = r / sigma[i]
            z2 = z * z
            total += z
            square += z2
            fourth += z2 * z2
            lag += z * before
            raw += r * r
            largest = max(largest, abs(z))
            if i >= n - tail:
                tail_total += z
            before = z
    return total / n, tail_total / tail, square / n, fourth / n, lag / square if square > 0.0 else 0.0, largest, raw / n


def moments(y: Vector, x: Vector, sigma: Vector, starts: Times, tail: int) -> Moments:
    """Moments of z = (y - x̂) / sigma; all arrays (n,), sigma > 0, tail in 1..n. O(n)."""
    return Moments(*_moments(y, x, sigma, starts, tail))


def reference_agreements(y: Vector, x: Vector, limit: Vector, starts: Times, lag: int) -> tuple[int, int]:
    """(clear moves, moves of equal sign) of y over `lag` samples that exceed limit."""
    clear = same = 0
    for a, b in pairwise(starts):
        move = y[a:b][lag:] - y[a:b][: max(b - a - lag, 0)]
        shown = x[a:b][lag:] - x[a:b][: max(b - a - lag, 0)]
        large = np.abs(move) > limit[a:b][lag:]
        clear += int(large.sum())
        same += int((large & (move * shown > 0.0)).sum())
    return clear, same


@kernel
def agreements(y, x, sigma, factor, starts, lags, clear, same):  # type: ignore[no-untyped-def]
    """`reference_agreements` for each of lags, limit = factor sigma, into clear and same (lags,)."""
    for j in range(lags.size):
        lag, n_clear, n_same = lags[j], 0, 0
        for s in range(starts.size - 1):
            begin, end = starts[s] + lag, starts[s + 1]
            if begin >= end:
                continue
            # slices, because the compiler vectorises over indices that start at 0
            later_y, later_x, limit = y[begin:end], x[begin:end], sigma[begin:end]
            earlier_y, earlier_x = y[begin - lag : end - lag], x[begin - lag : end - lag]
            for i in range(later_y.size):
                move = later_y[i] - earlier_y[i]
                is_clear = abs(move) > factor * limit[i]
                n_clear += is_clear
                n_same += is_clear & (move * (later_x[i] - earlier_x[i]) > 0.0)
        clear[j], same[j] = n_clear, n_same


def reference_slope_agreement(y: Vector, x: Vector, starts: Times, stride: int) -> tuple[int, int]:
    """(windows, windows of equal sign) of the least-squares slopes of 30 bars of y and x̂, every `stride` bars."""
    weights = np.arange(_SLOPE_BARS) - 0.5 * (_SLOPE_BARS - 1)
    begins = [i for a, b in pairwise(starts) for i in range(a, b - _SLOPE_BARS + 1, stride)]
    signs = [tuple(np.sign((v[i : i + _SLOPE_BARS] - v[i]) @ weights) for v in (y, x)) for i in begins]
    return len(signs), sum(of_y == of_x for of_y, of_x in signs)


@kernel
def _slope(bars):  # type: ignore[no-untyped-def]
    """The slope of 30 bars times a positive number: in three sums, which do not wait for each other."""
    a, b, c = 0.0, 0.0, 0.0
    last, middle = _SLOPE_BARS - 1, 0.5 * (_SLOPE_BARS - 1)
    for k in range(0, _SLOPE_BARS // 2, 3):
        a += (middle - k) * (bars[last - k] - bars[k])
        b += (middle - k - 1) * (bars[last - k - 1] - bars[k + 1])
        c += (middle - k - 2) * (bars[last - k - 2] - bars[k + 2])
    return a + b + c


@kernel
def slope_agreement(y, x, starts, stride):  # type: ignore[no-untyped-def]
    """`reference_slope_agreement`; bars at equal distance from the middle are taken together, so that a constant has slope 0."""
    windows, same = 0, 0
    for s in range(starts.size - 1):
        for i in range(starts[s], starts[s + 1] - _SLOPE_BARS + 1, stride):
            of_y, of_x = _slope(y[i : i + _SLOPE_BARS]), _slope(x[i : i + _SLOPE_BARS])
            windows += 1
            same += (of_y > 0.0 and of_x > 0.0) or (of_y < 0.0 and of_x < 0.0) or (of_y == 0.0 and of_x == 0.0)
    return windows, same


def reference_second_moments(y: Vector, x: Vector) -> tuple[float, float, float, float]:
    """(variance of y, variance of x̂, their covariance, mean square of y - x̂)."""
    covariance = float(np.mean((y - y.mean()) * (x - x.mean())))
    return float(y.var()), float(x.var()), covariance, float(np.mean((y - x) ** 2))


@kernel
def _second_moments(y, x, mean_y, mean_x, lanes):  # type: ignore[no-untyped-def]
    """Add to lanes (4, LANES) the sums of squares of y, of x̂, of products and of differences, sample i to lane i % LANES."""
    for i in range(0, y.size - y.size % LANES, LANES):
        for j in range(LANES):  # independent sums, so that one addition need not wait for the one before
            a, b = y[i + j] - mean_y, x[i + j] - mean_x
            r = y[i + j] - x[i + j]
            lanes[0, j] += a * a
            lanes[1, j] += b * b
            lanes[2, j] += a * b
            lanes[3, j] += r * r
    for i in range(y.size - y.size % LANES, y.size):
        a, b, r = y[i] - mean_y, x[i] - mean_x, y[i] - x[i]
        lanes[0, 0] += a * a
        lanes[1, 0] += b * b
        lanes[2, 0] += a * b
        lanes[3, 0] += r * r


def second_moments(y: Vector, x: Vector) -> tuple[float, float, float, float]:
    """`reference_second_moments` without arrays in between. O(n)."""
    lanes = np.zeros((4, LANES))
    _second_moments(y, x, float(y.mean()), float(x.mean()), lanes)
    of_y, of_x, both, left = (lanes.sum(axis=1) / y.size).tolist()
    return of_y, of_x, both, left


def reference_perturb(y: Vector, sigma: Vector, signs: Vector, eps: float) -> Vector:
    """y + eps sigma b for random signs b."""
    return y + eps * sigma * signs


@kernel
def perturb(y, sigma, bits, eps, out):  # type: ignore[no-untyped-def]
    """`reference_perturb` into out (n,), sign i being bit i % 64 of bits[i // 64]."""
    for i in range(y.size):
        up = (bits[i >> 6] >> np.uint64(i & 63)) & np.uint64(1)
        out[i] = y[i] + eps * sigma[i] * (2.0 * np.float64(up) - 1.0)


@kernel
def response(probed, x, sigma, bits, eps):  # type: ignore[no-untyped-def]
    """sum sigma b (x̂(y + eps sigma b) - x̂(y)) / eps: an unbiased draw of sum sigma^2 dx̂/dy (Ramani and others 2008)."""
    total = 0.0
    for i in range(x.size):
        up = (bits[i >> 6] >> np.uint64(i & 63)) & np.uint64(1)
        total += sigma[i] * (2.0 * np.float64(up) - 1.0) * (probed[i] - x[i])
    return total / eps


def warm() -> None:
    """Compile or load every kernel of this file."""
    y, ones, starts = np.arange(64.0), np.ones(64), np.array([0, 64])
    counts = np.zeros(SCALES.size, np.int64)
    bits = np.zeros(1, np.uint64)
    moments(y, ones, ones, starts, 8)
    agreements(y, ones, ones, 1.0, starts, SCALES, counts, counts.copy())
    slope_agreement(y, ones, starts, 1)
    second_moments(y, ones)
    perturb(y, ones, bits, 0.1, ones.copy())
    response(y, ones, ones, bits, 0.1)
