"""Empirical Bayes for wavelet details in units of the noise: a mixture of zero-mean normals in each class of neighbourhood.

z_i = theta_i + N(0, 1), theta_i drawn from sum_k w_k N(0, s_k^2) with s_0 = 0, the point mass. The weights are fitted by EM to a
histogram of |z|; the posterior mean is tabulated over |z| and interpolated. Details with large neighbours (one basis function to either
side, and the coarser one above) form classes of their own, because a signal that is seen next door is likelier here.
Sources: Johnstone and Silverman (2005), Ann. Statist. 33, 1700-1752; Stephens (2017), Biostatistics 18, 275-294; Cai and Silverman (2001),
Sankhya B 63, 127-148 (neighbours); Portilla, Strela, Wainwright and Simoncelli (2003), IEEE TIP 12, 1338-1351 (the coarser one).
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.jit import kernel

Classes = npt.NDArray[np.uint8]

RANGE: Final = 12.0  # |z| beyond which details are signal: they lose no more than at RANGE
BINS: Final = 96  # of the histogram of |z| below RANGE; one more holds the rest
CELLS: Final = 512  # of the tabulated posterior mean
CELL: Final = 8  # samples over which the response is summed
EDGES: Final = (0.3, 0.7, 1.2, 1.8, 2.6, 4.0, 8.0)  # mean squares of the neighbours between the classes; pure noise has mean 1
_STEPS: Final = 32  # neighbourhoods told apart below a mean square of 1


@lru_cache(maxsize=1)
def spreads() -> Vector:
    """The standard deviations s_k (12,) of the mixture in units of the noise: the point mass, then steps of 1.6 from 0.35 to 38."""
    return np.concatenate([[0.0], 0.35 * 1.6 ** np.arange(11.0)])


def density(z: Vector) -> Matrix:
    """Density of |z| (m, K) under each component: twice the normal one of variance 1 + s_k^2."""
    variance = 1.0 + spreads() ** 2
    return np.asarray(np.sqrt(2.0 / np.pi / variance) * np.exp(-0.5 * z[:, None] ** 2 / variance))


@lru_cache(maxsize=1)
def likelihood() -> Matrix:
    """Probability (BINS + 1, K) of each bin of |z| under each component; the last bin is all beyond RANGE."""
    width = RANGE / BINS
    inner = width * density(width * np.arange(0.5, BINS))
    return np.vstack([inner, np.maximum(1.0 - inner.sum(axis=0), 1e-40)])


@lru_cache(maxsize=1)
def _ladder() -> Classes:
    """Class of a neighbourhood by its mean square in steps of 1 / _STEPS."""
    squares = (np.arange(int(EDGES[-1]) * _STEPS + 1) + 0.5) / _STEPS
    return np.searchsorted(np.array(EDGES), squares).astype(np.uint8)


@lru_cache(maxsize=1)
def _table_parts() -> tuple[Matrix, Matrix]:
    """What `tabulate` weighs below and above its fraction line, each (CELLS + 1, K)."""
    z = np.linspace(0.0, RANGE, CELLS + 1)
    square = spreads() ** 2
    weight = density(z)
    return weight, weight * (square / (1.0 + square)) * z[:, None]


def posterior_mean(z: Vector, weights: Vector) -> Vector:
    """E[theta | z] (m,) for z (m,) of any sign under weights (K,): the closed form that `tabulate` holds."""
    joint = weights * density(np.abs(z))
    shares = spreads() ** 2 / (1.0 + spreads() ** 2)
    return np.asarray(z * (joint * shares).sum(axis=1) / joint.sum(axis=1))


def tabulate(weights: Matrix) -> Matrix:
    """Posterior means (G, CELLS + 1) at |z| = 0 .. RANGE for the weights (G, K) of each class."""
    below, above = _table_parts()
    return np.ascontiguousarray((weights @ above.T) / (weights @ below.T))


def reference_classify(z: Vector, coarser: Vector, gap: int, columns: int) -> Classes:
    """Class (n,) of each detail by the mean square of its neighbours `gap` to either side and of the coarser detail above it, if any.

    coarser is (n,), or (n/2,) when the next level is decimated in rows of `columns`, or empty.
    """
    around = np.roll(z, gap) ** 2 + np.roll(z, -gap) ** 2
    if coarser.size == 0:
        mean = around / 2.0
    else:
        above = coarser if coarser.size == z.size else np.repeat(coarser.reshape(-1, columns), 2, axis=0).ravel()
        mean = (around + above**2) / 3.0
    ladder = _ladder()
    return np.asarray(ladder[np.minimum(mean * _STEPS, ladder.size - 1).astype(np.int64)])


def reference_count(z: Vector, classes: Classes) -> Matrix:
    """Histogram (G, BINS + 1) of |z| in each class."""
    bins = np.minimum(np.abs(z) * (BINS / RANGE), BINS).astype(np.int64)
    counts = np.zeros((len(EDGES) + 1, BINS + 1))
    np.add.at(counts, (classes, bins), 1.0)
    return counts


@kernel
def _classify(z, coarser, gap, columns, ladder, classes):  # type: ignore[no-untyped-def]
    n, last = z.size, ladder.size - 1.0
    for i in range(n):
        before = z[i - gap if i >= gap else i - gap + n]
        after = z[i + gap if i + gap < n else i + gap - n]
        mean = before * before + after * after
        if coarser.size == 0:
            mean /= 2.0
        else:
            above = coarser[i] if coarser.size == n else coarser[i // (2 * columns) * columns + i % columns]
            mean = (mean + above * above) / 3.0
        classes[i] = ladder[int(min(mean * _STEPS, last))]


@kernel
def _count(z, classes, counts):  # type: ignore[no-untyped-def]
    last = counts.shape[1] - 1.0
    for i in range(z.size):
        counts[classes[i], int(min(abs(z[i]) * (BINS / RANGE), last))] += 1.0


def classify(z: Vector, coarser: Vector, gap: int, columns: int) -> tuple[Classes, Matrix]:
    """`reference_classify` and `reference_count`; gap below n. O(n)."""
    classes, counts = np.empty(z.size, np.uint8), np.zeros((len(EDGES) + 1, BINS + 1))
    _classify(z, coarser, gap, columns, _ladder(), classes)
    _count(z, classes, counts)
    return classes, counts


def reference_climb(counts: Vector, likelihood: Matrix, prior: Vector, weights: Vector, rounds: int) -> Vector:
    """Weights (K,) after rounds of EM from weights, with pseudo-counts prior (K,): Dirichlet maximum a posteriori."""
    for _ in range(rounds):
        joint = likelihood * weights
        grown = prior + (counts[:, None] * joint / joint.sum(axis=1, keepdims=True)).sum(axis=0)
        weights = grown / grown.sum()
    return weights


@kernel
def climb(counts, likelihood, prior, rounds, weights):  # type: ignore[no-untyped-def]
    """`reference_climb`, weights (K,) in place. Source: Dempster, Laird and Rubin (1977), JRSS B 39, 1-38."""
    bins, components = likelihood.shape
    grown, joint = np.empty(components), np.empty(components)
    for _ in range(rounds):
        grown[:] = prior
        for b in range(bins):
            if counts[b] > 0.0:
                total = 0.0
                for k in range(components):
                    joint[k] = weights[k] * likelihood[b, k]
                    total += joint[k]
                for k in range(components):
                    grown[k] += counts[b] * joint[k] / total
        weights[:] = grown / grown.sum()


def reference_shrink(z: Vector, classes: Classes, table: Matrix) -> tuple[Vector, Vector]:
    """Posterior mean (n,) of each detail by its class, and its derivative (n,), which is also the posterior variance (Tweedie)."""
    at = np.minimum(np.abs(z) * (CELLS / RANGE), CELLS)
    k = np.minimum(at.astype(np.int64), CELLS - 1)
    slope = (table[classes, k + 1] - table[classes, k]) * (CELLS / RANGE)
    inside = table[classes, k] + (at - k) * slope / (CELLS / RANGE)
    beyond = np.abs(z) >= RANGE
    outside = np.abs(z) - (RANGE - table[classes, CELLS])
    return np.copysign(np.where(beyond, outside, inside), z), np.where(beyond, 1.0, slope)


@kernel
def shrink(z, classes, table, slope):  # type: ignore[no-untyped-def]
    """`reference_shrink`: the posterior mean in place of z (n,), its derivative into slope (n,)."""
    scale, last = CELLS / RANGE, table.shape[1] - 1
    for i in range(z.size):
        size, g = abs(z[i]), classes[i]
        if size >= RANGE:
            slope[i] = 1.0
            size -= RANGE - table[g, last]
        else:
            at = size * scale
            k = int(at)
            step = table[g, k + 1] - table[g, k]
            size = table[g, k] + (at - k) * step
            slope[i] = step * scale
        z[i] = size if z[i] >= 0.0 else -size


def reference_respond(slope: Vector, weight: float, shift: int, columns: int, n: int) -> Vector:
    """weight * slope summed over cells of CELL samples (n / CELL,) on a circle of n samples, n and columns multiples of CELL.

    The samples of a dense level (slope (n,)) lie `shift` behind its coefficients; a row of a decimated one stands for several.
    """
    if slope.size == n:
        return np.asarray(weight * np.roll(slope, shift).reshape(-1, CELL).sum(axis=1))
    times = n // slope.size
    whole = np.repeat(slope.reshape(-1, columns), times, axis=0).ravel() * (weight / times)
    return np.asarray(np.roll(whole.reshape(-1, CELL).sum(axis=1), shift // CELL))


@kernel
def respond(slope, weight, shift, columns, response):  # type: ignore[no-untyped-def]
    """Add `reference_respond` to response (n / CELL,)."""
    cells = response.size
    n = cells * CELL
    if slope.size == n:
        place = shift % n
        for i in range(n):
            response[place // CELL] += weight * slope[i]
            place = place + 1 if place + 1 < n else 0
        return
    times, wide = n // slope.size, columns // CELL
    for c in range(slope.size // CELL):
        share = 0.0
        for i in range(c * CELL, (c + 1) * CELL):
            share += weight / times * slope[i]
        row, column = c // wide, c % wide
        for r in range(row * times, (row + 1) * times):
            response[(r * wide + column + shift // CELL) % cells] += share


def warm() -> None:
    """Compile or load every kernel of this file."""
    z, slope = np.arange(32.0) - 9.0, np.empty(32)
    classes, counts = classify(z, np.empty(0), 1, 8)
    weights = np.full(spreads().size, 1.0 / spreads().size)
    climb(counts[0], likelihood(), np.ones(weights.size), 1, weights)
    shrink(z, classes, tabulate(np.tile(weights, (len(EDGES) + 1, 1))), slope)
    respond(slope, 0.5, 1, 8, np.zeros(4))
