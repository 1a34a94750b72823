"""The decision: could a step of this size between two windows come about by the series' own slow movement?"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.drift.contrast import Plan, plan
from rpsd.kernels.movement import mix

_ROUNDING: Final = 1e-12
"""A step below this share of the largest block is none."""

_STILL: Final = 1e-200
"""Variances below it are of values that never moved."""

_LEAST_SKEW: Final = 1e-2
"""Below it a gamma distribution is a normal one."""

_CERTAIN: Final = 0.1
"""A p value above it counts nowhere, so its tail need not be exact."""


def steps(scores: Matrix, n: int, plain: int, gap: int = 0) -> tuple[Vector, Vector]:
    """p value (k,) of the step after the first n rows of the scores (n + m, k), no NaN, and the values (k,) that the other m are worth.

    The first `plain` scores tell where values lie, the first of them is 0 for the commonest value. `gap` values between the windows belong
    to neither. A window that wanders off saturates the other scores, however quickly they moved before, so none is taken to move faster
    than the plain ones. Three bounds keep short windows honest: the skew of a mean of few values, the permutations of few values, and the
    chance that few events all fall into one window. O(n).

    Source: as contrast.plan; skew: Pearson (1895), Phil. Trans. R. Soc. A 186, 343-414, type III; permutations: Fisher (1935), The Design
    of Experiments, section 21.
    """
    m = scores.shape[0] - n
    the = plan(n, m, gap)
    blocks = np.add.reduceat(scores, the.starts, axis=0) / the.sizes[:, None]
    weights = the.basis.T @ blocks
    weights[0] = np.where(np.abs(weights[0]) > _ROUNDING * np.abs(blocks).max(axis=0), weights[0], 0.0)
    prior = np.where(np.arange(scores.shape[1]) < plain, the.plain[:, None], the.other[:, None])
    mix(weights, the.step, the.inverse, prior, plain, out := np.empty((2, scores.shape[1])))
    worth = _worth(scores, n, out[1] * float(the.sizes.mean()))
    p_values = _skewed(out[0], np.sign(weights[0]), scores, worth)
    permuted = _permuted(worth, worth * (n / m))
    permuted[0] = 0.0  # the value itself is not bounded by the reference's range, so distance alone may prove something
    return np.maximum(np.maximum(p_values, permuted), _rarity(scores[:, 0], the)), worth


def _worth(scores: Matrix, n: int, slow: Vector) -> Vector:
    """How many independent values (k,) the second window is worth, by the variance of one value and that of the slow movement."""
    m = scores.shape[0] - n
    one = (_squares(scores[:n]) + _squares(scores[n:])) / (n + m)
    worth = np.divide(m * one, slow, out=np.full_like(one, float(m)), where=slow > _STILL)
    return np.asarray(np.minimum(worth, m))


def _squares(scores: Matrix) -> Vector:
    """Sums (k,) of the squared distances of scores (n, k) from their means."""
    centred = scores - scores.mean(axis=0)
    return np.asarray((centred * centred).sum(axis=0))


def _skewed(p_values: Vector, side: Vector, scores: Matrix, worth: Vector) -> Vector:
    """The p values (k,), or those that a gamma distribution gives at as many deviations where it has more mass on that side of its mean."""
    from scipy.special import gammaincc, ndtri  # numerics of tails wait for the first scan

    doubtful = p_values < _CERTAIN
    if not doubtful.any():
        return p_values
    centred = scores[:, doubtful] - scores[:, doubtful].mean(axis=0)
    squares = centred * centred
    variance, third = squares.mean(axis=0), side[doubtful] * (squares * centred).mean(axis=0)
    skew = np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > _STILL) / np.sqrt(np.maximum(worth[doubtful], 1.0))
    shape = 4.0 / np.maximum(skew, _LEAST_SKEW) ** 2
    deviations = -ndtri(np.maximum(p_values[doubtful] / 2.0, _STILL))
    out = p_values.copy()
    out[doubtful] = np.maximum(out[doubtful], 2.0 * gammaincc(shape, shape + deviations * np.sqrt(shape)))
    return out


def _permuted(worth: Vector, reference: Vector) -> Vector:
    """One over the number (k,) of ways to choose so many values of all: no rank test can prove more."""
    from scipy.special import gammaln  # as in _skewed()

    return np.asarray(np.exp(gammaln(worth + 1.0) + gammaln(reference + 1.0) - gammaln(worth + reference + 1.0)))


def _rarity(values: Vector, the: Plan) -> float:
    """The chance that all blocks in which anything happens fall into the second window: the least that events so few can prove."""
    held = np.add.reduceat(values != 0.0, the.starts, dtype=np.int64) > 0
    return float((1.0 - the.split / held.size) ** int(held.sum()))
