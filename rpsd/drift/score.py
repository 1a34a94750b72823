"""Which of two models foretold better, when their scores come in a row and lean on each other."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.errors import NotFinite, TooShort
from rpsd.core.market import Vector

LEAST_SCORES: Final = 20
"""Fewer differences prove nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of a - b over n scores, its standard error, t on `freedom` degrees, and the two-sided p value."""

    mean: float
    se: float
    t: float
    p: float
    freedom: int
    n: int


def diff_test(scores_a: Vector, scores_b: Vector) -> Difference:
    """Whether scores a (n,) differ from scores b (n,) of the same bars, in time order, beyond chance: t > 0 where a is higher. O(n).

    The standard error is robust to autocorrelation and heteroscedasticity: equally weighted cosines, .4 n^(2/3) of them, with Student's t
    of as many degrees. All differences equal and not 0: se 0, p 0; all 0: t 0, p 1.

    Raises TooShort below 20 scores, NotFinite. Source: Diebold and Mariano (1995), J. Bus. Econ. Statist. 13, 253-263; Lazarus, Lewis,
    Stock, Watson (2018), J. Bus. Econ. Statist. 36, 541-559, equations 4 and 10.
    """
    from scipy.special import stdtr  # numerics of tails wait for the first comparison

    apart = scores_a - scores_b
    n = apart.size
    if n < LEAST_SCORES:
        raise TooShort(f"{n} scores; {LEAST_SCORES} are needed")
    if not np.isfinite(apart).all():
        raise NotFinite("a score is not finite")
    count = int(0.4 * n ** (2 / 3))
    cosines = np.cos(np.pi * np.outer(np.arange(1, count + 1), np.arange(n) + 0.5) / n) * np.sqrt(2.0 / n)
    mean = float(apart.mean())
    long_run = float(((cosines @ (apart - mean)) ** 2).mean())
    se = float(np.sqrt(long_run / n))
    if se <= 1e-12 * abs(mean) or mean == 0.0:
        return Difference(mean, se, 0.0 if mean == 0.0 else float(np.copysign(np.inf, mean)), float(mean == 0.0), count, n)
    t = mean / se
    return Difference(mean, se, t, float(2.0 * stdtr(count, -abs(t))), count, n)
