"""Two estimates of one signal averaged sample by sample, by what each has lost around it.

The losses of cells of neighbouring samples are read as evidence for a hidden choice between the two that seldom changes; forward and
backward passes give its probability at each cell. Sources: Leung and Barron (2006), IEEE Trans. Inf. Theory 52, 3396-3410 (weights
exp(-risk / temperature)); Herbster and Warmuth (1998), Machine Learning 32, 151-178 (a choice that changes); Rabiner (1989), Proc. IEEE 77.
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

TEMPERATURE: Final = 2.0  # noise variances of loss that make a choice e times as likely
CHANGE: Final = 0.03  # probability that the better one changes from cell to cell
_FAR: Final = 60.0  # loss beyond which exp(-loss) is nothing


def reference_share(excess: Vector) -> Vector:
    """Weight of the second estimate (m,) where excess (m,) is its loss less that of the first, in noise variances, cell by cell."""
    odds = np.exp(np.clip(-excess / TEMPERATURE, -_FAR, _FAR))
    ahead, behind = np.empty(excess.size), np.empty(excess.size)
    p = 0.5
    for t in range(excess.size):
        ahead[t] = CHANGE / 2.0 + (1.0 - CHANGE) * p
        p = ahead[t] * odds[t] / (ahead[t] * odds[t] + 1.0 - ahead[t])
    p = 0.5
    for t in range(excess.size - 1, -1, -1):
        behind[t] = CHANGE / 2.0 + (1.0 - CHANGE) * p
        p = behind[t] * odds[t] / (behind[t] * odds[t] + 1.0 - behind[t])
    second = ahead * behind * odds
    return np.asarray(second / (second + (1.0 - ahead) * (1.0 - behind)))


@kernel
def share(excess, out):  # type: ignore[no-untyped-def]
    """`reference_share` into out (m,)."""
    m = excess.size
    odds = np.empty(m)
    p = 0.5
    for t in range(m):
        odds[t] = np.exp(min(max(-excess[t] / TEMPERATURE, -_FAR), _FAR))
        out[t] = CHANGE / 2.0 + (1.0 - CHANGE) * p
        p = out[t] * odds[t] / (out[t] * odds[t] + 1.0 - out[t])
    p = 0.5
    for t in range(m - 1, -1, -1):
        behind = CHANGE / 2.0 + (1.0 - CHANGE) * p
        p = behind * odds[t] / (behind * odds[t] + 1.0 - behind)
        second = out[t] * behind * odds[t]
        out[t] = second / (second + (1.0 - out[t]) * (1.0 - behind))


def reference_average(first: Vector, second: Vector, shares: Vector, cell: int) -> Vector:
    """first + share (second - first) (n,): the shares (m,) of cells of `cell` samples, drawn as straight lines between their middles."""
    places = np.arange(first.size)
    weight = np.interp(places, cell * np.arange(shares.size) + (cell - 1) / 2.0, shares)
    return np.asarray(first + weight * (second - first))


@kernel
def average(first, second, shares, cell, out):  # type: ignore[no-untyped-def]
    """`reference_average` into out (n,); the last cell may be cut short."""
    n, m = first.size, shares.size
    for c in range(-1, m):
        low, high = shares[max(c, 0)], shares[min(c + 1, m - 1)]
        begin = c * cell + (cell + 1) // 2  # the first sample past the middle of cell c
        step = (high - low) / cell
        offset = low + (begin - c * cell - (cell - 1) / 2.0) * step
        for i in range(max(begin, 0), min(begin + cell, n)):
            out[i] = first[i] + (offset + (i - begin) * step) * (second[i] - first[i])


@kernel
def compare(y, first, second, inverse, cell, excess, apart):  # type: ignore[no-untyped-def]
    """Loss of the second less that of the first into excess, their squared distance into apart, both summed over cells (m,).

    y, first, second (n,); inverse (n,) or (1,) is one over the noise variance.
    """
    n = y.size
    varies = inverse.size > 1
    for c in range(excess.size):
        lost, square = 0.0, 0.0
        for i in range(c * cell, min((c + 1) * cell, n)):
            weight = inverse[i] if varies else inverse[0]
            distance = first[i] - second[i]
            lost += distance * (2.0 * y[i] - first[i] - second[i]) * weight
            square += distance * distance * weight
        excess[c], apart[c] = lost, square


def warm() -> None:
    """Compile or load every kernel of this file."""
    a, b = np.arange(4.0) - 2.0, np.empty(4)
    share(a, b)
    average(a, a, a[:1], 4, b)
    compare(a, a, a, np.ones(1), 4, np.empty(1), np.empty(1))
