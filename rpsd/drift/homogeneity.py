"""Whether two windows of values that hardly depend on each other have one distribution: bins held against their own scatter."""

from typing import Final

import numpy as np

from rpsd.core.market import Vector

_BINS: Final = 10
_LEAST_BLOCKS: Final = 4
"""Fewer blocks of the reference tell nothing of how bins scatter."""


def p_value(before: Vector, after: Vector) -> float:
    """The chance of shares as far apart as those of before (n,) and after (m,), no NaN, where both come of one distribution. O(n log n).

    Pearson's statistic over ten bins of equal mass in `before`, the outer ones open, divided by the design effect: how much more the bins
    of blocks of m values scatter within `before` than those of independent values do. So a model whose forecasts are a little clustered
    all along is not taken for one that has ceased to hold. It is for values that are close to independent, such as predictive
    probabilities; where values wander, calibrated.steps() is the test.

    Source: Rao, Scott (1981), J. Amer. Statist. Assoc. 76, 221-230.
    """
    from scipy.special import chdtrc, fdtrc  # numerics of tails wait for the first scan

    n, m = before.size, after.size
    edges = np.unique(np.quantile(before, np.arange(1, _BINS) / _BINS))
    placed = np.searchsorted(edges, before, "right")
    bins = edges.size + 1
    held = np.bincount(placed, minlength=bins) / n
    seen = held > 0.0
    now = np.bincount(np.searchsorted(edges, after, "right"), minlength=bins) / m
    freedom = int(seen.sum()) - 1
    if freedom < 1:
        return 1.0
    statistic = float(((now - held)[seen] ** 2 / held[seen]).sum()) / (1.0 / n + 1.0 / m)
    blocks = n // m
    if blocks < _LEAST_BLOCKS:
        return float(chdtrc(freedom, statistic))
    counts = np.array([np.bincount(placed[n - (k + 1) * m : n - k * m], minlength=bins)[seen] for k in range(blocks)])
    scatter = ((counts - counts.mean(axis=0)) ** 2 / (m * held[seen])).sum() / ((blocks - 1) * freedom)
    return float(fdtrc(freedom, freedom * (blocks - 1), statistic / freedom / max(1.0, float(scatter))))
