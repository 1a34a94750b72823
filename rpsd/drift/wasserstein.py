"""Wasserstein distance: how far values must travel to turn one sample into another."""

import numpy as np

from rpsd.core.errors import TooShort
from rpsd.core.market import Vector
from rpsd.kernels.drift import distances


def wasserstein(before: Vector, after: Vector) -> float:
    """The area between the distribution functions of after (m,) and before (n,), in their unit, no NaN. O(n log n).

    Raises TooShort when either is empty. Source: Vallender (1974), Theory Probab. Appl. 18, 784-786.
    >>> wasserstein(np.arange(4.0), np.arange(2.0, 6.0))
    2.0
    """
    if min(before.size, after.size) < 1:
        raise TooShort("there are no values to compare")
    distances(np.sort(before), np.sort(after), out := np.empty(3))
    return float(out[2])
