"""One series on a circle through a stationary wavelet transform, shrunk under a prior that is learnt from its details."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.denoise.wavelet import filters as bank
from rpsd.kernels import mixture, stationary
from rpsd.kernels.mixture import CELL
from rpsd.kernels.stationary import COLUMNS

_DENSE: Final = COLUMNS.bit_length() - 1  # levels with every shift where not all have
_ROUNDS: Final = 25  # of EM without a start; with the weights of the stretch before, fewer do
_MORE_ROUNDS: Final = 4
_UNINFORMED: Final = 2.0  # independent null details that the first fit adds to those of a level
_SPARSE: Final = 200.0  # and the second one, times the squared share of the point mass in the first
_SHARED: Final = 20.0  # independent details of the whole level that each class adds to its own
_LEAST: Final = 1e-3  # pseudo-count of every component
_COUNTED: Final = 8192  # details of a level whose sizes are counted; more tell nothing new

Tensor = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """Weights of the mixture: pooled (levels, K) and for each class (levels, G, K)."""

    pooled: Matrix
    classes: Tensor


@dataclass(frozen=True, slots=True)
class Kept:
    """The places begin..end of a circle that hold the series itself, and how many different samples stand behind them."""

    begin: int
    end: int
    samples: int


def fit(counts: Tensor, redundancy: Vector, start: Prior | None = None) -> Prior:
    """The prior from the histograms (levels, G, BINS + 1) of which redundancy (levels,) details stand for one independent one.

    Each level is fitted as a whole, then each class with the level's weights as its prior. A level that is mostly noise is taken to
    be so more firmly. `start` are weights to go on from. Source: Stephens (2017), Biostatistics 18, 275-294 (penalty for the point mass).
    """
    levels, classes, bins = counts.shape
    components = mixture.spreads().size
    rounds = _ROUNDS if start is None else _MORE_ROUNDS
    whole, prior = counts.sum(axis=1), np.full((levels, components), _LEAST) * redundancy[:, None]
    prior[:, 0] = _UNINFORMED * redundancy
    pooled = np.full((levels, components), 1.0 / components) if start is None else start.pooled
    pooled = mixture.climb(whole, prior, pooled, rounds)
    prior[:, 0] += (_SPARSE - _UNINFORMED) * redundancy * pooled[:, 0] ** 2
    firm = mixture.climb(whole, prior, pooled, rounds)
    own = np.repeat(_SHARED * redundancy[:, None] * firm, classes, axis=0)
    weights = np.repeat(firm, classes, axis=0) if start is None else start.classes.reshape(-1, components)
    weights = mixture.climb(counts.reshape(-1, bins), own, weights, rounds)
    return Prior(pooled, weights.reshape(levels, classes, components))


class Circle:
    """The stationary transform of N samples by one wavelet: N a multiple of 2^level and of CELL, every shift or 2^3."""

    def __init__(self, wavelet: str, size: int, level: int, *, every: bool) -> None:
        filters = bank(wavelet)
        self.lo, self.hi = filters.rec_lo, filters.rec_hi
        self.size, self.level, self.dense = size, level, level if every else min(level, _DENSE)
        self.room = np.empty(0 if every else size)
        self.late = (self.lo.size - 1) / 2.0 - stationary.centre(self.lo.size)  # samples from a coefficient to the middle of its filter

    def down(self, a: Vector, lo: Vector, hi: Vector, j: int) -> tuple[Vector, Vector]:
        """From level j - 1 (m,) to j: approximation and detail, of a series or, by squared filters, of its variance."""
        size = a.size if j <= self.dense else a.size // 2
        low, high = np.empty(size), np.empty(size)
        if j <= self.dense:
            stationary.analyse(a, lo, hi, 1 << (j - 1), low, high)
        else:
            stationary.halve(a, lo, hi, self.room, low, high)
        return low, high

    def up(self, a: Vector, detail: Vector, j: int) -> Vector:
        """From level j back to j - 1."""
        if j <= self.dense:
            finer = np.empty(a.size)
            stationary.synthesise(a, detail, self.lo, self.hi, 1 << (j - 1), finer)
        else:
            finer = np.empty(2 * a.size)
            stationary.double(a, detail, self.lo, self.hi, self.room, finer)
        return finer

    def deviations(self, variance: Vector) -> list[Vector]:
        """Deviation of the noise in the details of each level, from its variance at each place (N,): through the squared filters."""
        found = []
        for j in range(1, self.level + 1):
            variance, detail = self.down(variance, self.lo**2, self.hi**2, j)
            found.append(np.sqrt(detail))
        return found

    def _histograms(self, details: list[Vector], kept: Kept) -> tuple[Tensor, Vector]:
        counts, redundancy = [], np.empty(self.level)
        for j, z in enumerate(details, start=1):
            begin, end = (place * z.size // self.size for place in (kept.begin, kept.end))
            step = max((end - begin) // _COUNTED, 1) | 1  # odd, so that no shift is left out
            coarser = details[j] if j < self.level else np.empty(0)
            gap = 1 << min(j, self.dense)
            counts.append(mixture.count(z, coarser, gap, begin=begin, end=end, step=step))
            redundancy[j - 1] = max(-(-(end - begin) // step), 1) * 2.0**j / kept.samples
        return np.array(counts), redundancy

    def shrink(self, a: Vector, sigma: list[Vector] | None, kept: Kept, start: Prior | None = None) -> tuple[Vector, Vector, Prior]:
        """x̂ (N,) of a (N,) in units of the noise (or with the deviations of its details), the response of its cells, and the prior.

        The response (N / CELL,) is the sum of dx̂_t/da_t over a cell. O(N) for few dense levels, O(N level) when all are.
        """
        details = []
        for j in range(1, self.level + 1):
            a, detail = self.down(a, self.lo, self.hi, j)
            details.append(detail if sigma is None else detail / sigma[j - 1])
        prior = fit(*self._histograms(details, kept), start)
        response = np.full(self.size // CELL, CELL * 0.5**self.level)
        coarser = np.empty(0)
        for j in range(self.level, 0, -1):
            raw, gap = details.pop(), 1 << min(j, self.dense)
            z, slopes = mixture.shrink(raw, coarser, gap, mixture.tabulate(prior.classes[j - 1]))
            lag = round(self.late * ((1 << j) - 1))
            mixture.respond(slopes, 0.5 ** min(j, self.dense), lag, response)
            a = self.up(a, z if sigma is None else z * sigma[j - 1], j)
            coarser = raw
        return a, response, prior
