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
from rpsd.kernels.stationary import COLUMNS

Classes = npt.NDArray[np.uint8]

RANGE: Final = 12.0  # |z| beyond which details are signal: they lose no more than at RANGE
BINS: Final = 96  # of the histogram of |z| below RANGE; one more holds the rest
CELLS: Final = 256  # of the tabulated posterior mean
_STRIDE: Final = 1.8  # of EM: below 2 it still climbs
_NOTHING: Final = 1e-200  # a weight that has vanished
CELL: Final = COLUMNS  # samples over which the response is summed: one row of a decimated level
EDGES: Final = (0.3, 0.7, 1.2, 1.8, 2.6, 4.0, 8.0)  # mean squares of the neighbours between the classes; pure noise has mean 1
_BLOCK: Final = 1024  # details whose neighbourhoods are computed at once
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


def reference_classify(z: Vector, coarser: Vector, gap: int) -> Classes:
    """Class (n,) of each detail by the mean square of its neighbours `gap` to either side and of the coarser detail above it, if any.

    coarser is (n,), or (n/2,) when the next level is decimated in rows of CELL, or empty.
    """
    around = np.roll(z, gap) ** 2 + np.roll(z, -gap) ** 2
    mean = (around + _above(z, coarser) ** 2) / 3.0 if coarser.size else around / 2.0
    ladder = _ladder()
    return np.asarray(ladder[np.minimum(mean * _STEPS, ladder.size - 1).astype(np.int64)])


@kernel
def repeat_rows(rows, out):  # type: ignore[no-untyped-def]
    """Each row of CELL values twice, one after the other, into out (2m,) of rows (m,)."""
    for begin in range(0, rows.size, CELL):
        for c in range(CELL):
            out[2 * begin + c] = rows[begin + c]
        for c in range(CELL):
            out[2 * begin + CELL + c] = rows[begin + c]


def _above(z: Vector, coarser: Vector) -> Vector:
    """The coarser detail above each of z (n,), which has one of its own only on dense levels; z itself where there is none."""
    if coarser.size in (0, z.size):
        return coarser if coarser.size else z
    twice = np.empty(z.size)
    repeat_rows(coarser, twice)
    return twice


def _shares(coarser: Vector) -> tuple[float, float]:
    """Weight of the square of each neighbour beside and above."""
    return (_STEPS / 3.0, _STEPS / 3.0) if coarser.size else (_STEPS / 2.0, 0.0)


def reference_count(z: Vector, classes: Classes, begin: int, end: int, step: int) -> Matrix:
    """Histogram (G, BINS + 1) of |z| in each class, over the details begin, begin + step, ... before end."""
    part = slice(begin, end, step)
    bins = np.minimum(np.abs(z[part]) * (BINS / RANGE), BINS).astype(np.int64)
    counts = np.zeros((len(EDGES) + 1, BINS + 1))
    np.add.at(counts, (classes[part], bins), 1.0)
    return counts


@kernel
def _count(z, above, gap, beside, over, ladder, begin, end, step, counts):  # type: ignore[no-untyped-def]
    n, last, most = z.size, ladder.size - 1.0, counts.shape[1] - 1.0
    for i in range(begin, end, step):
        before = z[i - gap if i >= gap else i - gap + n]
        after = z[i + gap if i + gap < n else i + gap - n]
        mean = (before * before + after * after) * beside + above[i] * above[i] * over
        at = abs(z[i]) * (BINS / RANGE)
        row = ladder[int(mean) if mean < last else int(last)]  # so that neither infinity nor NaN leads out of the table
        counts[row, int(at) if at < most else int(most)] += 1.0


def count(z: Vector, coarser: Vector, gap: int, *, begin: int, end: int, step: int) -> Matrix:
    """`reference_count` of `reference_classify` without the classes in between; gap below n. O(n)."""
    counts = np.zeros((len(EDGES) + 1, BINS + 1))
    _count(z, _above(z, coarser), gap, *_shares(coarser), _ladder(), begin, end, step, counts)
    return counts


def climb(counts: Matrix, prior: Matrix, weights: Matrix, rounds: int) -> Matrix:
    """Weights (M, K) after rounds of EM from weights for histograms (M, BINS + 1), with pseudo-counts prior (M, K): the posterior mode.

    Source: Dempster, Laird and Rubin (1977), JRSS B 39, 1-38. O(M BINS K rounds).
    """
    known = likelihood()
    across = np.ascontiguousarray(known.T)
    total = (prior.sum(axis=1) + counts.sum(axis=1))[:, None]
    for _ in range(rounds):
        grown = (prior + weights * ((counts / (weights @ across)) @ known)) / total
        grown *= (grown / np.maximum(weights, _NOTHING)) ** (_STRIDE - 1.0)
        weights = grown / grown.sum(axis=1, keepdims=True)
    return weights


def reference_shrink(z: Vector, classes: Classes, table: Matrix) -> tuple[Vector, Vector]:
    """Posterior mean (n,) of each detail by its class, and its derivative (n,), which is also the posterior variance (Tweedie)."""
    at = np.abs(z) * (CELLS / RANGE)
    k = np.minimum(at, CELLS - 1).astype(np.int64)
    step = table[classes, k + 1] - table[classes, k]
    beyond = np.abs(z) >= RANGE
    size = np.where(beyond, np.abs(z) - (RANGE - table[classes, CELLS]), table[classes, k] + (at - k) * step)
    return np.copysign(size, z), np.where(beyond, 1.0, step * (CELLS / RANGE))


@kernel
def _neighbourhoods(z, above, gap, beside, over, begin, mean):  # type: ignore[no-untyped-def]
    """Mean squares (m,) of the neighbourhoods of the details from begin on, in steps of the ladder."""
    n, m = z.size, mean.size
    if begin >= gap and begin + m + gap <= n:
        before, after = z[begin - gap : begin - gap + m], z[begin + gap : begin + gap + m]
        up = above[begin : begin + m]
        for i in range(m):
            mean[i] = (before[i] * before[i] + after[i] * after[i]) * beside + up[i] * up[i] * over
        return
    for j in range(m):
        i = begin + j
        b = z[i - gap if i >= gap else i - gap + n]
        a = z[i + gap if i + gap < n else i + gap - n]
        mean[j] = (b * b + a * a) * beside + above[i] * above[i] * over


@kernel
def _shrink(z, above, gap, beside, over, ladder, table, out, cells):  # type: ignore[no-untyped-def]
    """Posterior means into out (n,), the derivatives summed into cells (n / CELL,)."""
    mean, last = np.empty(_BLOCK), ladder.size - 1.0
    unit, most = CELLS / RANGE, CELLS + 0.0
    far, end, one = np.uint64(last), np.uint64(CELLS), np.uint64(1)  # without a sign, no index is checked for being negative
    for begin in range(0, z.size, _BLOCK):
        m = min(_BLOCK, z.size - begin)
        _neighbourhoods(z, above, gap, beside, over, begin, mean[:m])
        for c in range(m // CELL):
            slope = 0.0
            for j in range(c * CELL, (c + 1) * CELL):
                value = z[begin + j]
                where = np.uint64(mean[j]) if mean[j] < last else far  # neither infinity nor NaN leads out of the table
                row = table[ladder[where]]
                at = abs(value) * unit
                k = np.uint64(at) if at < most else end
                low = row[k]
                step = row[k + one] - low
                low += (at - k) * step
                slope += step
                out[begin + j] = np.copysign(low, value)
            cells[begin // CELL + c] = slope * unit


def shrink(z: Vector, coarser: Vector, gap: int, table: Matrix) -> tuple[Vector, Vector]:
    """`reference_shrink` of `reference_classify` in one pass, the derivatives summed over cells (n / CELL,); n a multiple of CELL. O(n)."""
    out, cells = np.empty(z.size), np.empty(z.size // CELL)
    # one more cell of slope 1, on which the details beyond RANGE go on
    longer = np.hstack([table, table[:, -1:] + RANGE / CELLS])
    _shrink(z, _above(z, coarser), gap, *_shares(coarser), _ladder(), longer, out, cells)
    return out, cells


def reference_respond(cells: Vector, weight: float, shift: int, m: int) -> Vector:
    """What the derivatives of one level, summed over cells, add to the response of the m cells of the circle.

    The samples lie about `shift` behind their coefficients; a row of a decimated level stands for several.
    """
    times = m // cells.size
    return np.asarray(np.roll(np.repeat(cells * (weight / times), times), round(shift / CELL)))


@kernel
def respond(cells, weight, shift, response):  # type: ignore[no-untyped-def]
    """Add `reference_respond` to response (m,)."""
    m = response.size
    times = m // cells.size
    place = int(np.rint(shift / CELL)) % m
    for value in cells:
        for _ in range(times):
            response[place] += value * (weight / times)
            place = place + 1 if place + 1 < m else 0


def warm() -> None:
    """Compile or load every kernel of this file."""
    z, none = np.arange(32.0) - 9.0, np.empty(0)
    counts = count(z, none, 1, begin=0, end=32, step=1)
    weights = climb(counts, np.ones((counts.shape[0], spreads().size)), np.full((counts.shape[0], spreads().size), 1.0), 1)
    shrink(z, none, 1, tabulate(weights))
    repeat_rows(z, np.empty(64))
    respond(np.ones(4), 0.5, 1, np.zeros(4))
