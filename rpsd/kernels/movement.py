"""How likely a step is under many ways in which a series may move by itself, each as likely as its slow contrasts make it."""

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.jit import kernel

TINY = 1e-300
"""Added to variances: what never moved is not divided by."""


def reference_tail(t: float, freedom: int) -> float:
    """Probability that Student's t of an even number of degrees of freedom is further from 0 than t.

    Source: Abramowitz and Stegun (1964), equation 26.7.4.
    """
    from scipy.special import stdtr  # the reference may be slow

    return float(2.0 * stdtr(freedom, -abs(t)))


@kernel
def tail(t: float, freedom: int) -> float:
    """`reference_tail` by its finite sum, to 1e-15."""
    square = freedom / (freedom + t * t)
    term = total = 1.0
    for j in range(1, freedom // 2):
        term *= square * (2 * j - 1) / (2 * j)
        total += term
    beyond: float = max(1.0 - abs(t) / np.sqrt(freedom + t * t) * total, 0.0)
    return beyond


def reference_mix(weights: Matrix, step: Vector, inverse: Matrix, prior: Matrix, plain: int) -> Matrix:
    """p value and expected variance (2, k) of the first of the coefficients (1 + c, k) of k scores, given the others.

    Under movement g the first has variance step[g] and contrast j has 1 / inverse[g, j], both up to a common factor; prior (g, k) is the
    logarithm of its prior with the normalisation of its likelihood. The factor is integrated out. No score's p value is below that under
    the movements of any of the first `plain` scores.
    """
    count = inverse.shape[1]
    variance = inverse @ weights[1:] ** 2 / count + TINY
    likely = prior - 0.5 * count * np.log(variance)
    likely = np.exp(likely - likely.max(axis=0))
    likely /= likely.sum(axis=0)
    slow = variance * step[:, None]
    tails = np.array([[reference_tail(one, count) for one in row] for row in weights[0] / np.sqrt(slow)])
    p_values = np.maximum((likely * tails).sum(axis=0), (likely[:, :plain].T @ tails).max(axis=0))
    return np.stack([p_values, (likely * slow).sum(axis=0)])


@kernel
def mix(weights: Matrix, step: Vector, inverse: Matrix, prior: Matrix, plain: int, out: Matrix) -> None:
    """`reference_mix` into out (2, k)."""
    moves, count = inverse.shape
    k = weights.shape[1]
    likely, slow, tails = np.empty((moves, k)), np.empty((moves, k)), np.empty((moves, k))
    squares = np.empty(count)
    for i in range(k):
        for j in range(count):
            squares[j] = weights[1 + j, i] ** 2
        for g in range(moves):
            variance = 0.0
            for j in range(count):
                variance += inverse[g, j] * squares[j]
            variance = variance / count + TINY
            likely[g, i] = prior[g, i] - 0.5 * count * np.log(variance)
            slow[g, i] = variance * step[g]
            tails[g, i] = tail(weights[0, i] / np.sqrt(slow[g, i]), count)
        most = likely[0, i]
        for g in range(moves):
            most = max(most, likely[g, i])
        total = 0.0
        for g in range(moves):
            likely[g, i] = np.exp(likely[g, i] - most)
            total += likely[g, i]
        for g in range(moves):
            likely[g, i] /= total
    for i in range(k):
        mean = worst = 0.0
        for g in range(moves):
            mean += likely[g, i] * slow[g, i]
        for of in range(plain + 1):
            own = i if of == plain else of
            p = 0.0
            for g in range(moves):
                p += likely[g, own] * tails[g, i]
            worst = max(worst, p)
        out[0, i] = worst
        out[1, i] = mean


def warm() -> None:
    """Compile or load every kernel of this file."""
    mix(np.ones((3, 1)), np.ones(2), np.ones((2, 2)), np.zeros((2, 1)), 1, np.empty((2, 1)))
