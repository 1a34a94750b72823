"""`ti_bayes`: translation-invariant wavelet shrinkage whose prior is learnt from the series, averaged over two wavelets. Not causal."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.core.parameters import TiBayesParameters
from rpsd.core.result import Matrix
from rpsd.denoise import noise
from rpsd.denoise.wavelet import filters as bank
from rpsd.kernels import blend, mixture, stationary
from rpsd.kernels.mixture import CELL

_DENSE: Final = 14  # levels with every shift; deeper ones have 2^_DENSE
_DEEPEST: Final = 12  # what lies below carries 2^-12 of the noise
_PAD: Final = 8  # samples beyond each end, in spacings of the deepest level
_ROUNDS: Final = 60
_UNINFORMED: Final = 2.0  # independent null details that the first fit adds to those of a level
_SPARSE: Final = 100.0  # and the second one, times the squared share of the point mass in the first
_SHARED: Final = 20.0  # independent details of the whole level that each class adds to its own
_LEAST: Final = 1e-3  # pseudo-count of every component
_QUIETEST: Final = 0.05  # least share of the usual noise that varying noise may fall to


@dataclass(frozen=True, slots=True)
class Estimate:
    """x̂ (n,) in the unit of y, and response (n,) = dx̂_t/dy_t, about the posterior variance of x_t over the noise variance.

    sum sigma_t^2 response_t is the divergence of Stein's risk.
    """

    x: Vector
    response: Vector


def depth(n: int, params: TiBayesParameters) -> int:
    """Levels of the transform of n samples: log2(n) - 3, at most 12, or params.depth where that is less."""
    most = min(max(int(np.log2(n)) - 3, 1), _DEEPEST)
    return min(params.depth, most) if params.depth else most


def circle(n: int, level: int) -> npt.NDArray[np.int64]:
    """Index (N,) of the sample at each place of a circle: the series, then its mirror image from the end, and from the start.

    N is a multiple of 2^level and of CELL; a series shorter than 16 * 2^level is mirrored whole, without a seam.
    """
    unit = max(1 << level, CELL)
    size = -(-max(n + 2 * min(_PAD * unit, -(-n // 2)), n + 1) // unit) * unit
    right = (size - n + 1) // 2
    place = np.arange(size)
    return np.where(place < n, place, np.where(place < n + right, 2 * n - 1 - place, size - 1 - place)) % n


def fit(counts: Matrix, redundancy: float) -> Matrix:
    """Weights (G, K) of the mixture in each class from the histograms (G, B) of one level, `redundancy` details for one independent one.

    The level as a whole is fitted first, then each class with the level's weights as its prior. A level that is mostly noise is taken to
    be so more firmly. Source: Stephens (2017), supplement, for the penalty that favours the point mass.
    """
    known = mixture.likelihood()
    components = known.shape[1]
    whole, prior = counts.sum(axis=0), np.full(components, _LEAST * redundancy)
    prior[0] = _UNINFORMED * redundancy
    pooled = np.full(components, 1.0 / components)
    mixture.climb(whole, known, prior, _ROUNDS, pooled)
    prior[0] += (_SPARSE - _UNINFORMED) * redundancy * pooled[0] ** 2
    mixture.climb(whole, known, prior, _ROUNDS, pooled)
    weights = np.tile(pooled, (counts.shape[0], 1))
    for own, row in zip(counts, weights, strict=True):
        mixture.climb(own, known, _SHARED * redundancy * pooled, _ROUNDS, row)
    return weights


class Circle:
    """The stationary transform of one series on its circle by one wavelet: down level by level, shrunk on the way up."""

    def __init__(self, name: str, size: int, level: int) -> None:
        filters = bank(name)
        self.lo, self.hi = filters.rec_lo, filters.rec_hi
        self.size, self.level, self.dense = size, level, min(level, _DENSE)
        self.columns = 1 << self.dense
        self.late = (self.lo.size - 1) / 2.0 - stationary.centre(self.lo.size)  # samples from a coefficient to the middle of its filter

    def down(self, a: Vector, lo: Vector, hi: Vector, j: int) -> tuple[Vector, Vector]:
        """Level j - 1 (m,) to j: approximation and detail, of the details or, with squared filters, of their variance."""
        size = a.size if j <= self.dense else a.size // 2
        low, high = np.empty(size), np.empty(size)
        if j <= self.dense:
            stationary.analyse(a, lo, hi, 1 << (j - 1), low, high)
        else:
            stationary.halve(a, lo, hi, self.columns, low, high)
        return low, high

    def up(self, a: Vector, detail: Vector, j: int) -> Vector:
        """Level j back to j - 1."""
        if j <= self.dense:
            finer = np.empty(a.size)
            stationary.synthesise(a, detail, self.lo, self.hi, 1 << (j - 1), finer)
        else:
            finer = np.empty(2 * a.size)
            stationary.double(a, detail, self.lo, self.hi, self.columns, finer)
        return finer

    def noise(self, variance: Vector) -> list[Vector]:
        """Deviation of the noise in the details of each level: the variances through the squared filters."""
        found = []
        for j in range(1, self.level + 1):
            variance, detail = self.down(variance, self.lo**2, self.hi**2, j)
            found.append(np.sqrt(detail))
        return found

    def shrink(self, a: Vector, sigma: list[Vector] | None, n: int) -> tuple[Vector, Vector]:
        """x̂ (N,) and the response of its cells (N / CELL,) for a (N,) in units of the noise, or with the deviations of its details."""
        details, classes, counts = [], [], []
        for j in range(1, self.level + 1):
            a, detail = self.down(a, self.lo, self.hi, j)
            details.append(detail if sigma is None else detail / sigma[j - 1])
        for j, z in enumerate(details, start=1):
            coarser = details[j] if j < self.level else np.empty(0)
            found, histogram = mixture.classify(z, coarser, 1 << min(j, self.dense), self.columns)
            classes.append(found)
            counts.append(histogram)
        response = np.full(self.size // CELL, CELL * 0.5**self.level)
        for j in range(self.level, 0, -1):
            z = details.pop()
            weights = fit(counts.pop(), details_per_independent(z.size, n, j))
            slope = np.empty(z.size)
            mixture.shrink(z, classes.pop(), mixture.tabulate(weights), slope)
            mixture.respond(slope, 0.5 ** min(j, self.dense), round(self.late * ((1 << j) - 1)), self.columns, response)
            a = self.up(a, z if sigma is None else z * sigma[j - 1], j)
        return a, response


def details_per_independent(size: int, n: int, level: int) -> float:
    """How many of the details of a level stand for one of an orthonormal transform."""
    return size * 2.0**level / n


def estimate(y: Vector, sigma: Vector, params: TiBayesParameters) -> Estimate:
    """x̂ and its response for y (n,), finite, one session, and the deviation of its noise sigma (n,) > 0, both in one unit.

    Whether sigma varies is seen from it. Not causal. O(n log n).
    """
    n = y.size
    level = depth(n, params)
    place = circle(n, level)
    varies = bool(sigma.min() < sigma.max())
    scale, middle = float(np.sqrt(np.mean(sigma * sigma))), float(y.mean())
    a = ((y - middle) / scale)[place]
    variance = ((sigma / scale) ** 2)[place] if varies else None
    found = []
    for name in ("haar", "sym8") if params.wavelet == "mix" else (params.wavelet,):
        transform = Circle(name, a.size, level)
        x, response = transform.shrink(a, transform.noise(variance) if variance is not None else None, n)
        found.append((middle + scale * x[:n], response))
    x, response = found[0] if len(found) == 1 else _mix(y, sigma, found)
    return Estimate(y + params.strength * (x - y), 1.0 + params.strength * (spread(response, n) - 1.0))


def spread(cells: Vector, n: int) -> Vector:
    """The response of each sample (n,) from the sums over cells."""
    return np.repeat(cells / CELL, CELL)[:n]


def _mix(y: Vector, sigma: Vector, found: list[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
    """Both estimates averaged by their local unbiased risk; the response counts that of the weights as well (Leung and Barron 2006)."""
    (first, of_first), (second, of_second) = found
    cells = -(-y.size // CELL)
    square = 1.0 / (sigma * sigma)
    excess = np.zeros(cells * CELL)
    excess[: y.size] = (first - second) * (2.0 * y - first - second) * square
    loss = excess.reshape(cells, CELL).sum(axis=1) + 2.0 * (of_second - of_first)[:cells]
    share = np.empty(cells)
    blend.share(loss, share)
    x = np.empty(y.size)
    x = blend.reference_average(first, second, share, CELL)
    apart = np.zeros(cells * CELL)
    apart[: y.size] = (first - second) ** 2 * square
    turning = (2.0 / blend.TEMPERATURE) * share * (1.0 - share) * apart.reshape(cells, CELL).sum(axis=1)
    return x, of_first[:cells] + share * (of_second - of_first)[:cells] + turning


def noise_at(y: Vector, params: TiBayesParameters) -> Vector | None:
    """The deviation of the noise (n,) as params.noise asks for it, or None where no noise is found. Not causal. O(n)."""
    starts = np.array([0, y.size])
    found = noise.estimate(y, starts)
    if found.sigma <= 0.0:
        return None
    if params.noise == "auto" or (params.noise == "varying" and found.varies):
        return found.at
    shape = noise.profile(noise.details(y, starts)[0], y.size, always=True) if params.noise == "varying" else None
    return np.full(y.size, found.sigma) if shape is None else found.sigma * np.maximum(shape, _QUIETEST)


def run(y: Vector, params: TiBayesParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session of at least 16 samples, any unit; y itself where no noise is found. Not causal. O(n).

    Source: Coifman and Donoho (1995) for the mean over shifts; Johnstone and Silverman (2005), Ann. Statist. 33, 1700-1752;
    Xing, Carbonetto and Stephens (2021), JMLR 22(93) for the mixture in wavelet space and varying noise.
    """
    sigma = noise_at(y, params)
    return y.copy() if sigma is None else estimate(y, sigma, params).x


def deviation(y: Vector, params: TiBayesParameters) -> Vector:
    """Standard deviation of the error of run(y, params) (n,): the noise times the root of the response, the posterior variance. O(n).

    NaN where no noise is found. Not causal. Source: Efron (2011), JASA 106, 1602-1614, 2 (posterior variance = derivative of the mean).
    """
    sigma = noise_at(y, params)
    if sigma is None:
        return np.full(y.size, np.nan)
    share = np.maximum(estimate(y, sigma, replace(params, strength=1.0)).response, 0.0)
    left = (1.0 - params.strength) ** 2  # of the noise itself; the two errors are correlated by the response
    return np.asarray(sigma * np.sqrt(np.maximum(left + (1.0 - left) * share, 0.0)))


def response(y: Vector, params: TiBayesParameters) -> tuple[Vector, Vector]:
    """x̂ of run() and dx̂_t/dy_t (n,) at the prior learnt from y. Not causal. O(n)."""
    sigma = noise_at(y, params)
    if sigma is None:
        return y.copy(), np.ones(y.size)
    found = estimate(y, sigma, params)
    return found.x, found.response


METHOD = Method(
    name="ti_bayes",
    causal=False,
    params=TiBayesParameters,
    run=run,
    source="Johnstone, Silverman (2005), Ann. Statist. 33, 1700-1752; Xing, Carbonetto, Stephens (2021), JMLR 22(93)",
    cost="O(n)",
    summary="Wavelets at every shift under a prior learnt from the series, two averaged by their risk; sees the whole series.",
    deviation=deviation,
    response=response,
)
