"""Increments of a series within its sessions, how those of neighbouring times go together, and their size along the series."""

from itertools import pairwise

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.kernels.jit import kernel

LANES = 4


def reference_covariances(y: Vector, starts: Times, cap: float, lags: int) -> tuple[Vector, Vector]:
    """Autocovariance (lags,) of the increments, each cut to [-cap, cap], at lags 1..lags, and its standard error (lags,).

    The error is robust to changing variance; 0 and 0 where fewer than two products exist. Source: White (1980), Econometrica 48, 817-838.
    """
    steps = [np.clip(np.diff(y[a:b]), -cap, cap) for a, b in pairwise(starts)]
    means, errors = np.zeros(lags), np.zeros(lags)
    for k in range(1, lags + 1):
        products = np.concatenate([d[k:] * d[: max(d.size - k, 0)] for d in steps])
        if products.size >= 2:
            means[k - 1] = products.mean()
            errors[k - 1] = np.sqrt(np.mean(products * products) / products.size)
    return means, errors


@kernel
def _products(d, lag, lanes):  # type: ignore[no-untyped-def]
    """Add to lanes (2, LANES) the products of steps (n,) a lag apart and their squares."""
    m = d.size - lag
    for i in range(0, m - m % LANES, LANES):
        for j in range(LANES):  # independent sums, so that one addition need not wait for the one before
            product = d[i + j + lag] * d[i + j]
            lanes[0, j] += product
            lanes[1, j] += product * product
    for i in range(m - m % LANES, m):
        product = d[i + lag] * d[i]
        lanes[0, 0] += product
        lanes[1, 0] += product * product


@kernel
def covariances(y, starts, cap, means, errors):  # type: ignore[no-untyped-def]
    """`reference_covariances` into means and errors (lags,)."""
    lags = means.size
    lanes, counts, steps = np.zeros((lags, 2, LANES)), np.zeros(lags, np.int64), np.empty(y.size)
    for s in range(starts.size - 1):
        part = steps[starts[s] : max(starts[s + 1] - 1, starts[s])]
        for i in range(part.size):
            part[i] = min(max(y[starts[s] + i + 1] - y[starts[s] + i], -cap), cap)
        for k in range(1, lags + 1):
            if part.size > k:
                _products(part, k, lanes[k - 1])
                counts[k - 1] += part.size - k
    for k in range(lags):
        enough = counts[k] >= 2
        means[k] = lanes[k, 0].sum() / counts[k] if enough else 0.0
        errors[k] = np.sqrt(lanes[k, 1].sum()) / counts[k] if enough else 0.0


def reference_capped_means(x: Vector, caps: Vector) -> Vector:
    """Means (k,) of min(|x|, cap) over k equal stretches of x (n,), the last one taking the rest; caps (k,)."""
    bounds = [*(np.arange(caps.size) * (x.size // caps.size)).tolist(), x.size]
    return np.array([np.minimum(np.abs(x[a:b]), cap).mean() for (a, b), cap in zip(pairwise(bounds), caps, strict=True)])


@kernel
def capped_means(x, caps, out):  # type: ignore[no-untyped-def]
    """`reference_capped_means` into out (k,)."""
    stride = x.size // caps.size
    for k in range(caps.size):
        begin = k * stride
        end = x.size if k == caps.size - 1 else begin + stride
        total = 0.0
        for i in range(begin, end):
            total += min(abs(x[i]), caps[k])
        out[k] = total / (end - begin)


def warm() -> None:
    """Compile or load every kernel of this file."""
    covariances(np.arange(32.0), np.array([0, 32]), np.inf, np.empty(2), np.empty(2))
    capped_means(np.arange(32.0), np.ones(4), np.empty(4))
