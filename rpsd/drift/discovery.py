"""Which of many tests count, when they are many."""

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Vector


def discovered(p_values: Vector, level: float) -> npt.NDArray[np.bool_]:
    """Which of the p values (k,) are significant so that at most this share of the discoveries is false. O(k log k).

    Where nothing is there any discovery is false, so the level bounds the chance of a single one.
    Source: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57, 289-300; Benjamini and Yekutieli (2001), Ann. Statist. 29, 1165-1188.
    >>> discovered(np.array([0.001, 0.04, 0.5]), 0.05)
    array([ True, False, False])
    """
    k = p_values.size
    if k == 0:
        return np.zeros(0, np.bool_)
    ranked = np.sort(p_values)
    passed = np.flatnonzero(ranked <= level * np.arange(1, k + 1) / k)
    return np.asarray(p_values <= ranked[passed[-1]]) if passed.size else np.zeros(k, np.bool_)
