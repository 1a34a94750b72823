"""What every expectation-maximisation of a hidden Markov model shares: its prior on the moves, and the moments it starts from.

Source: Dempster, Laird, Rubin (1977), JRSS B 39, 1-38, section 1 (the mode of a posterior by EM).
"""

import math

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.jit import kernel

Moments = tuple[Vector, Matrix, Vector, Vector]
"""startprob (k,), transmat (k, k), means (k,), variances (k,) of one Gaussian column."""
Prior = tuple[Matrix, float]
"""counts (k, k), moves as if seen before the data: the mode under Dirichlet(counts + 1); and the least variance."""


@kernel
def penalty(transmat: Matrix, counts: Matrix) -> float:
    """Log prior of transmat in nats, up to a constant: sum of counts times log probabilities."""
    k = transmat.shape[0]
    total = 0.0
    for i in range(k):
        for j in range(k):
            if counts[i, j] > 0.0:
                total += counts[i, j] * math.log(transmat[i, j])
    return total


def warm() -> None:
    """Compile, or load from the cache, the kernel of this file that Python calls, in the one signature that is used."""
    penalty(np.full((2, 2), 0.5), np.ones((2, 2)))
