"""What may have moved: the scores of every value by which a test sees location, spread and skew."""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.drift import ranks

NAMES: Final = ("value", "location", "spread", "skew")
"""The columns of `scored`."""

PLAIN: Final = 2
"""The first columns tell where values lie."""

_QUARTILES: Final = 1.349
"""Deviations of a normal between its quartiles."""


def scored(before: Vector, after: Vector, ranked: Vector) -> Matrix:
    """Scores (n + m, 4) of before (n,) and after (m,), joined, in time order: the value itself, and Legendre polynomials of its rank.

    `ranked` is `before` sorted. The value is in robust deviations of `before` from its median, linear near it and
    logarithmic far off (inverse hyperbolic sine), so that one wild tick does not weigh as much as a window. Ranks are within `before`, so
    that on it the polynomials have mean 0 and variance 1 and are orthogonal. O((n + m) log n).

    Source: Neyman (1937), Skandinavisk Aktuarietidskrift 20, 149-199 (smooth test).
    """
    x = np.concatenate([before, after])
    n = before.size
    low, middle, high = ranked[n // 4], ranked[n // 2], ranked[(3 * n) // 4]
    unit = (high - low) / _QUARTILES or float(before.std()) or 1.0
    ranks(ranked, x, u := np.empty(x.size))
    v = 2.0 * u - 1.0
    out = np.empty((x.size, len(NAMES)))
    out[:, 0] = np.arcsinh((x - middle) / unit)
    out[:, 1] = np.sqrt(3.0) * v
    out[:, 2] = np.sqrt(5.0) * (1.5 * v * v - 0.5)
    out[:, 3] = np.sqrt(7.0) * (2.5 * v * v - 1.5) * v
    return out
