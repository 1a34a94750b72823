"""Bars in groups: which group each belongs to by its score, and what each group holds and where its bars go next."""

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from rpsd.kernels.jit import kernel


def reference_divide(score: Vector, least: Vector) -> Labels:
    """Group (n,) of each bar: how many of the rising least scores (k - 1,) its score reaches."""
    groups: Labels = np.searchsorted(least, score, "right")
    return groups


@kernel
def divide(score: Vector, least: Vector, group: Labels, size: Labels) -> None:
    """`reference_divide` into group (n,), and the bars of each group into size (k,)."""
    size[:] = 0
    for t in range(score.size):
        place = 0
        for i in range(least.size):
            place += score[t] >= least[i]
        group[t] = place
        size[place] += 1


def reference_moments(x: Vector, group: Labels, k: int) -> tuple[Matrix, Matrix]:
    """Sum and sum of squares (2, k) of x (n,) over each group, and the moves (k, k) from group to group."""
    moves = np.bincount(k * group[:-1] + group[1:], minlength=k * k).reshape(k, k)
    return np.stack([np.bincount(group, x, k), np.bincount(group, x * x, k)]), moves.astype(np.float64)


@kernel
def moments(x: Vector, group: Labels, sums: Matrix, moves: Matrix) -> None:
    """`reference_moments` into sums (2, k) and moves (k, k)."""
    sums[:] = 0.0
    moves[:] = 0.0
    for t in range(x.size):
        place = group[t]
        sums[0, place] += x[t]
        sums[1, place] += x[t] * x[t]
        if t > 0:
            moves[group[t - 1], place] += 1.0


def warm() -> None:
    """Compile or load every kernel of this file."""
    x, group = np.arange(4.0), np.zeros(4, np.int64)
    divide(x, np.array([2.0]), group, np.zeros(2, np.int64))
    moments(x, group, np.zeros((2, 2)), np.zeros((2, 2)))
