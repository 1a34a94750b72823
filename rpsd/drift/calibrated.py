"""The decision: could a step of this size between two windows come about by the series' own slow movement?"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from rpsd.drift.contrast import Plan, plan

_DOUBT: Final = 1.0
"""Standard errors that are added to the measured persistence: it is the one thing that the test must not underrate."""

PLAIN: Final = 2
"""The first columns of the scores tell where the values lie; no other score is taken to move faster than these."""

_ROUNDING: Final = 1e-12
"""A step below this share of the largest block is none."""


def steps(scores: Matrix, n: int, gap: int = 0) -> tuple[Vector, Vector]:
    """p value (k,) of the step after the first n rows of the scores (n + m, k), no NaN, and the values (k,) that the other m are worth.

    The first column is 0 where a value is the commonest one, and the first two tell where values lie.

    The step's coefficient is held against slow cosines free of it, as many as serve best at the persistence of the blocks, whose measured
    value is corrected for bias and raised by one standard error. `gap` values between the windows belong to neither.

    Source: as contrast.plan. O(n).
    """
    m = scores.shape[0] - n
    the = plan(n, m, gap)
    blocks = np.add.reduceat(scores, the.starts, axis=0) / the.sizes[:, None]
    at = _persistence(blocks, the)
    weights = the.basis.T @ blocks
    count = the.contrasts[at]
    energy = np.cumsum(weights[1:] ** 2, axis=0)[count - 1, np.arange(at.size)]
    variance = energy / count * the.inflation[at]  # of the step's coefficient
    step = np.where(np.abs(weights[0]) > _ROUNDING * np.abs(blocks).max(axis=0), np.abs(weights[0]), 0.0)
    p_values = np.maximum(_tail(step, variance, the.freedom[at]), _rarity(scores, the))
    return p_values, _worth(scores, n, variance * float(the.sizes.mean()))


def _tail(step: Vector, variance: Vector, freedom: Vector) -> Vector:
    """Two-sided p values (k,): 1 of no step, 0 of a step where nothing else ever moved."""
    from scipy.special import stdtr  # numerics of tails wait for the first scan

    deviation = np.sqrt(variance)
    t = np.divide(step, deviation, out=np.full_like(step, np.inf), where=deviation > 0)
    return np.asarray(2.0 * stdtr(freedom, -np.where(step > 0, t, 0.0)))


def _rarity(scores: Matrix, the: Plan) -> float:
    """The least p value that so few events can prove: the chance that all blocks that hold any fall into the second window."""
    held = np.add.reduceat(scores[:, 0] != 0.0, the.starts, dtype=np.int64) > 0
    return float((1.0 - the.split / held.size) ** int(held.sum()))


def _worth(scores: Matrix, n: int, slow: Vector) -> Vector:
    """How many independent values (k,) the second window is worth, by the variance of one value and that of the slow movement."""
    m = scores.shape[0] - n
    one = (scores[:n].var(axis=0) * n + scores[n:].var(axis=0) * m) / (n + m)
    worth = np.divide(m * one, slow, out=np.full_like(one, float(m)), where=slow > 0)
    return np.asarray(np.minimum(worth, m))


def _persistence(blocks: Matrix, the: Plan) -> Labels:
    """Place (k,) in the plan's tables of the persistence of the blocks (b, k)."""
    residual = blocks.copy()
    for part in (slice(0, the.split), slice(the.split, None)):
        residual[part] -= residual[part].mean(axis=0)
    products = residual[1:] * residual[:-1]
    products[the.split - 1] = 0.0  # across the border
    squares = (residual**2).sum(axis=0)
    measured = np.divide(products.sum(axis=0), squares, out=np.zeros_like(squares), where=squares > 0)
    bound = measured + _DOUBT * np.sqrt((1.0 - measured**2) / blocks.shape[0])
    at = np.minimum(np.searchsorted(the.seen, bound), the.seen.size - 1)
    return np.asarray(np.maximum(at, at[:PLAIN].max()))  # a window that walks away saturates every score, however quick it was before
