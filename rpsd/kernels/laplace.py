"""Empirical Bayes of a sparse level: each mean is 0 with probability 1 - w, else Laplace with scale parameter 0.5; noise N(0, 1).

Source: Johnstone and Silverman (2005), Ann. Statist. 33, 1700-1752, sections 2 and 5; (2004), Ann. Statist. 32, 1594-1649.
`beta` is the ratio of the slab's marginal density to the noise's, less 1. Readable forms stand above their kernels.
"""

import math
from statistics import NormalDist
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

_A: Final = 0.5  # the scale parameter that the source recommends for wavelets
_FAR: Final = 35.0  # deviations beyond which the normal tail is its asymptote
_ROOT_TWO_PI: Final = math.sqrt(2.0 * math.pi)
_NORMAL: Final = NormalDist()


@kernel
def _density(x):  # type: ignore[no-untyped-def]
    return math.exp(-0.5 * x * x) / _ROOT_TWO_PI


@kernel
def _below(x):  # type: ignore[no-untyped-def]
    """The normal distribution function."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@kernel
def beta(x):  # type: ignore[no-untyped-def]
    """a/2 (Phi(-x-a)/phi(x+a) + Phi(x-a)/phi(x-a)) - 1 of |x|; capped far out, where the mean is surely not 0."""
    x = abs(x)
    left, right = x + _A, min(x - _A, _FAR)
    tail = 1.0 / left if left > _FAR else _below(-left) / _density(left)
    return 0.5 * _A * (tail + _below(right) / _density(right)) - 1.0


@kernel
def weight_of_threshold(t):  # type: ignore[no-untyped-def]
    """The weight w at which the posterior median leaves 0 at t."""
    at = min(t - _A, _FAR)
    return 1.0 / (_A * _below(at) / _density(at) - beta(t))


@kernel
def threshold_of_weight(w):  # type: ignore[no-untyped-def]
    """The size t up to which the posterior median is 0, by bisection."""
    low, high = 0.0, _FAR
    for _ in range(60):
        middle = 0.5 * (low + high)
        if weight_of_threshold(middle) > w:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def reference_weight(x: Vector) -> float:
    """The w of greatest likelihood sum ln(1 + w beta(x)) in [w of the universal threshold, 1], on a grid of 4001."""
    lowest = float(weight_of_threshold(math.sqrt(2.0 * math.log(x.size))))
    grid, ratios = np.linspace(lowest, 1.0, 4001), np.array([beta(float(v)) for v in x])
    return float(grid[np.argmax([np.log1p(w * ratios).sum() for w in grid])])


@kernel
def weight(x, ratios):  # type: ignore[no-untyped-def]
    """`reference_weight` to 1e-9, by Newton steps kept inside a bracket; ratios (m,) is working space."""
    for i in range(x.size):
        ratios[i] = beta(x[i])
    low, high = min(weight_of_threshold(math.sqrt(2.0 * math.log(x.size))), 1.0), 1.0
    w = high
    for _ in range(60):
        slope, curve = 0.0, 0.0
        for i in range(x.size):
            part = ratios[i] / (1.0 + w * ratios[i])
            slope += part
            curve += part * part
        if slope >= 0.0:
            low = w
        else:
            high = w
        following = w + slope / curve
        if not low < following < high:
            following = 0.5 * (low + high)
        if high - low < 1e-9 or abs(following - w) < 1e-10:
            break
        w = following
    return low if high - low < 1e-9 else w


def reference_median(x: float, w: float) -> float:
    """Median of the mean given x ~ N(mean, 1): |x| - a - Phi^-1(phi(|x|-a)/a (1/w + beta(x))), not below 0, with the sign of x."""
    far = abs(x) - _A
    share = _NORMAL.pdf(far) / _A * (1.0 / w + float(beta(x))) if far <= 25.0 else 0.5
    middle = _NORMAL.inv_cdf(share) if share < 1.0 else math.inf
    return math.copysign(max(far - middle, 0.0), x)


@kernel
def _quantile(share):  # type: ignore[no-untyped-def]
    """Phi^-1 by Newton from 0, which never passes the root."""
    z = 0.0
    for _ in range(200):
        step = (share - _below(z)) / _density(z)
        z += step
        if abs(step) <= 1e-13 * max(abs(z), 1.0):
            break
    return z


@kernel
def medians(x, w, out):  # type: ignore[no-untyped-def]
    """`reference_median` of every x (m,) into out (m,). The quantile is only sought beyond the threshold."""
    for i in range(x.size):
        far = abs(x[i]) - _A
        if far > 25.0:
            out[i] = math.copysign(far, x[i])
            continue
        share = _density(far) / _A * (1.0 / w + beta(x[i]))
        out[i] = math.copysign(far - _quantile(share), x[i]) if share < _below(far) else 0.0


def warm() -> None:
    """Compile or load every kernel of this file that Python calls."""
    x, out = np.arange(8.0), np.empty(8)
    medians(x, weight(x, out), out)
    threshold_of_weight(0.5)
