"""GARCH(1, 1) with Student t shocks: a variance that moves with every bar and has no regimes, readable reference above its kernel.

A point q (5,) of the search is unbounded in every direction: mean, log of the long-run variance, logit of the persistence, logit of the
share of the persistence that comes from the last shock, log of the degrees of freedom above 2. Observations have mean 0 and variance 1.
Source: Bollerslev (1986), J. Econometrics 31, 307-327; t shocks: Bollerslev (1987), Rev. Econ. Stat. 69, 542-547.
"""

import math
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

_CHUNK: Final = 8
"""Variances multiplied before a logarithm is taken: on standardised bars within the bound their product cannot leave float64."""

_BOUND: Final = 6.0
"""The search keeps every coordinate within this distance of zero."""

_GAIN: Final = 1e-4
"""A step that gains less, in nats, gains nothing: so the search must end."""


def log_likelihood_reference(x: Vector, q: Vector) -> float:
    """Reference: log p(x) in nats of standardised x (n,); the first bar has the long-run variance."""
    mean, level, df = q[0], math.exp(q[1]), 2.0 + math.exp(q[4])
    persistence, share = 1 / (1 + math.exp(-q[2])), 1 / (1 + math.exp(-q[3]))
    peak = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log((df - 2) * math.pi)
    variance, total = level, 0.0
    for value in x:
        squared = (value - mean) ** 2
        total += peak - 0.5 * math.log(variance) - 0.5 * (df + 1) * math.log1p(squared / (variance * (df - 2)))
        variance = level * (1 - persistence) + persistence * (share * squared + (1 - share) * variance)
    return total


@kernel
def log_likelihood(x: Vector, q: Vector) -> float:
    """The same with one logarithm for eight bars: the sum of logarithms is that of the product."""
    mean, level, above = q[0], math.exp(q[1]), math.exp(q[4])
    persistence, share = 1.0 / (1.0 + math.exp(-q[2])), 1.0 / (1.0 + math.exp(-q[3]))
    shock, kept, drift = persistence * share, persistence * (1.0 - share), level * (1.0 - persistence)
    half, inverse, n = 0.5 * (above + 3.0), 1.0 / above, x.size
    peak = math.lgamma(half) - math.lgamma(half - 0.5) - 0.5 * math.log(above * math.pi)
    variance, logs, spread = level, 0.0, 0.0
    for first in range(0, n, _CHUNK):
        product, widened = 1.0, 1.0
        for t in range(first, min(first + _CHUNK, n)):
            away = x[t] - mean
            squared = away * away
            product *= variance
            widened *= variance + squared * inverse
            variance = drift + shock * squared + kept * variance
        logs += math.log(product)
        spread += math.log(widened)
    # log1p(e² / (v (df - 2))) is log(v + e² / (df - 2)) - log(v)
    return n * peak + (half - 0.5) * logs - half * spread


@kernel
def climb(x: Vector, q: Vector, steps: Vector, smallest: float) -> float:
    """Move q (5,) in place to a maximum of the likelihood along the axes; returns it in nats. steps (5,) are spent, the last ≥ smallest.

    A step that gains is taken and grows by half, one that does not is halved. Source: compass search, Kolda, Lewis, Torczon (2003), SIAM
    Review 45, 385-482.
    """
    best: float = log_likelihood(x, q)
    while steps.max() > smallest:
        for i in range(q.size):
            start, gained = q[i], False
            for sign in (1.0, -1.0):
                q[i] = min(max(start + sign * steps[i], -_BOUND), _BOUND)
                found = log_likelihood(x, q)
                if found > best + _GAIN:
                    best, gained = found, True
                    break
                q[i] = start
            steps[i] *= 1.5 if gained else 0.5
    return best


def warm() -> None:
    """Compile, or load from the cache, the kernel of this file that Python calls, in the one signature that is used."""
    climb(np.array([-1.0, 1.0]), np.zeros(5), np.full(5, 0.1), 1.0)
