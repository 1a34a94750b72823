"""What may have moved: the scores of every value by which a test sees location, spread and skew."""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix

NAMES: Final = ("value", "location", "spread", "skew")
"""The columns of `scored`."""

PLAIN: Final = 2
"""The first columns tell where values lie."""

_QUARTILES: Final = 1.349
"""Deviations of a normal between its quartiles."""


def scored(before: Vector, after: Vector, ranked: Vector) -> Matrix:
    """Scores (n + m, 4) of before (n,) and after (m,), joined, in time order, columns as in NAMES.

    `ranked` is `before` sorted. Value: in robust deviations of `before` from its median, linear near it and logarithmic far off (inverse
    hyperbolic sine), so that one wild tick does not weigh as much as a window. Location and skew: the first and the third Legendre
    polynomial of the rank within `before`, of mean 0 and variance 1 there. Spread: the value without its sign. O((n + m) log n).

    Source: Neyman (1937), Skandinavisk Aktuarietidskrift 20, 149-199 (smooth test).
    """
    x = np.concatenate([before, after])
    n = before.size
    low, middle, high = ranked[n // 4], ranked[n // 2], ranked[(3 * n) // 4]
    unit = (high - low) / _QUARTILES or float(before.std()) or 1.0
    order = np.argsort(x)  # searches are several times quicker in order
    each = x[order]
    v = np.empty(x.size)
    v[order] = (np.searchsorted(ranked, each, "left") + np.searchsorted(ranked, each, "right")) / n - 1.0  # equal values count half
    out = np.empty((len(NAMES), x.size)).T  # a score lies in one piece: sums along time are quick
    out[:, 0] = np.arcsinh((x - middle) / unit)
    out[:, 1] = np.sqrt(3.0) * v
    out[:, 2] = np.abs(out[:, 0])
    out[:, 3] = np.sqrt(7.0) * (2.5 * v * v - 1.5) * v
    return out
