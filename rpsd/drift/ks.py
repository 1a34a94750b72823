"""Kolmogorov-Smirnov distance: the widest gap between the distribution functions of two samples."""

import numpy as np

from rpsd.core.errors import TooShort
from rpsd.core.market import Vector
from rpsd.kernels.drift import distances


def ks(before: Vector, after: Vector) -> float:
    """The distance in [0, 1] of after (m,) from before (n,), no NaN. O(n log n).

    Its textbook significance supposes independent values: on an autocorrelated feature it cries almost always, so none is told here.

    Raises TooShort when either is empty. Source: Smirnov (1948), Ann. Math. Statist. 19, 279-281.
    >>> ks(np.arange(4.0), np.arange(2.0, 6.0))
    0.5
    """
    if min(before.size, after.size) < 1:
        raise TooShort("there are no values to compare")
    distances(np.sort(before), np.sort(after), out := np.empty(3))
    return float(out[1])
