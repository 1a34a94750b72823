"""`ti_bayes`: translation-invariant wavelet shrinkage whose prior is learnt from the series, averaged over two wavelets. Not causal."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.core.parameters import TiBayesParameters
from rpsd.denoise import noise
from rpsd.denoise.shifts import Circle, Kept, Prior
from rpsd.kernels import blend
from rpsd.kernels.mixture import CELL

_DEEPEST: Final = 10  # what lies below carries 2^-10 of the noise
_EVERY_SHIFT: Final = 16384  # samples up to which each level knows every shift; beyond, those below the third know eight
_STRETCH: Final = 1 << 17  # samples that are transformed at once: what a core's cache holds
_MIRRORED: Final = 8  # samples of the mirror image beyond each end, in spacings of the deepest level
_BEYOND: Final = 4  # samples of its neighbours that a stretch looks at, in the same unit
_FADE: Final = 512  # samples to either side of a seam over which one stretch gives way to the next
_QUIETEST: Final = 0.05  # least share of the usual noise that varying noise may fall to

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """x̂ (n,) in the unit of y, and the sums (n / 8 rounded up,) of dx̂_t/dy_t over cells of eight samples."""

    x: Vector
    cells: Vector

    def response(self) -> Vector:
        """dx̂_t/dy_t (n,), which is about the posterior variance of x_t over that of the noise; one value for each cell."""
        count = np.full(self.cells.size, float(CELL))
        count[-1] = self.x.size - CELL * (self.cells.size - 1)
        return np.repeat(self.cells / count, CELL)[: self.x.size]

    def divergence(self, sigma: Vector) -> float:
        """sum sigma_t^2 dx̂_t/dy_t for sigma (n,): what Stein's risk needs."""
        return float(np.dot(sigma * sigma, self.response()))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Samples begin..end of the series; `place` are the samples around the circle, of which `kept` are those and what fades."""

    begin: int
    end: int
    place: Places | slice
    kept: Kept


def depth(n: int, params: TiBayesParameters) -> int:
    """Levels of the transform of n samples: log2(n) - 3, at most 10, or params.depth where that is less."""
    most = min(max(int(np.log2(n)) - 3, 1), _DEEPEST)
    return min(params.depth, most) if params.depth else most


def circle(n: int, level: int) -> Places:
    """Sample at each place (N,) of a circle: the series, then its mirror image from the end, and from the start.

    N is a multiple of 2^level and of CELL; a series shorter than 16 * 2^level is mirrored whole, without a seam.
    """
    unit = max(1 << level, CELL)
    size = -(-(n + 2 * min(_MIRRORED * unit, -(-n // 2))) // unit) * unit
    right = (size - n + 1) // 2
    place = np.arange(size)
    return np.where(place < n, place, np.where(place < n + right, 2 * n - 1 - place, size - 1 - place)) % n


def _stretches(n: int, level: int) -> Iterator[_Stretch]:
    """The whole series, or stretches of about 2^17 samples, each with its neighbourhood beyond both ends."""
    if n <= _STRETCH:
        place = circle(n, level)
        yield _Stretch(0, n, place, Kept(0, place.size, n))
        return
    unit = 1 << level
    pad = max(_BEYOND * unit, 2 * _FADE)
    bounds = np.linspace(0, n // CELL, -(-n // _STRETCH) + 1).astype(np.int64) * CELL
    bounds[-1] = n
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        size = -(-(end - begin + 2 * pad) // unit) * unit
        first, last = begin - pad, begin - pad + size
        around: Places | slice = slice(first, last)
        if first < 0 or last > n:
            place = np.arange(first, last)
            place = np.where(place < 0, -1 - place, place)
            around = np.where(place >= n, 2 * n - 1 - place, place)
        yield _Stretch(begin, end, around, Kept(pad, pad + end - begin, end - begin))


def estimate(y: Vector, sigma: Vector, params: TiBayesParameters) -> Estimate:
    """x̂ and its response for y (n,), finite, one session, and the deviation of its noise sigma (n,) > 0, both in one unit.

    Whether sigma varies is seen from it. A long series is taken in stretches that fade into each other, so that memory beyond x̂ does
    not grow with n. Not causal. O(n).
    """
    level = depth(y.size, params)
    x, cells = np.empty(y.size), np.empty(-(-y.size // CELL))
    varies = bool(sigma.min() < sigma.max())
    known: dict[str, Prior] = {}
    for stretch in _stretches(y.size, level):
        first, last = max(stretch.begin - _FADE, 0), min(stretch.end + _FADE, y.size)
        at = stretch.kept.begin - (stretch.begin - first)
        part = slice(at, at + last - first)
        own, response = _denoise(y, sigma if varies else sigma[:1], stretch, level, params.wavelet, known)
        _fade(x, own[part], first, stretch.begin - first)
        _fade(cells, response[at // CELL : -(-part.stop // CELL)], first // CELL, (stretch.begin - first) // CELL)
    if params.strength != 1.0:
        x = y + params.strength * (x - y)
        cells = CELL + params.strength * (cells - CELL)
    return Estimate(x, cells)


def _fade(whole: Vector, part: Vector, at: int, before: int) -> None:
    """Write the part into whole from `at` on; over 2 * before values it takes over from what stands there."""
    share = (np.arange(2 * before) + 0.5) / max(2 * before, 1)
    seam = slice(at, at + 2 * before)
    whole[seam] += share * (part[: 2 * before] - whole[seam])
    whole[seam.stop : at + part.size] = part[2 * before :]


def _denoise(y: Vector, sigma: Vector, stretch: _Stretch, level: int, wavelet: str, known: dict[str, Prior]) -> tuple[Vector, Vector]:
    """x̂ (N,) around the circle of one stretch and the response of its cells; `known` carries the priors on to the next."""
    raw = y[stretch.place]
    around = sigma[stretch.place] if sigma.size > 1 else sigma
    scale, middle = float(np.sqrt(np.mean(around * around))), float(raw.mean())
    a = raw - middle
    a /= scale
    found = []
    for name in ("haar", "sym8") if wavelet == "mix" else (wavelet,):
        transform = Circle(name, a.size, level, every=y.size <= _EVERY_SHIFT)
        deviations = transform.deviations((around / scale) ** 2) if sigma.size > 1 else None
        x, response, known[name] = transform.shrink(a, deviations, stretch.kept, known.get(name))
        found.append((x, response))
    x, response = found[0] if len(found) == 1 else _mix(a, (scale / around) ** 2, found)
    x *= scale
    x += middle
    return x, response


def _mix(a: Vector, inverse: Vector, found: list[tuple[Vector, Vector]]) -> tuple[Vector, Vector]:
    """Both estimates averaged by their local unbiased risk; the response counts that of the weights as well.

    Source: Leung and Barron (2006), IEEE Trans. Inf. Theory 52, 3396-3410, for weights exp(-risk / temperature) and their risk.
    """
    (first, of_first), (second, of_second) = found
    excess, apart, share = (np.empty(of_first.size) for _ in range(3))
    blend.compare(a, first, second, inverse, CELL, excess, apart)
    blend.share(excess + 2.0 * (of_second - of_first), share)
    x = np.empty(a.size)
    blend.average(first, second, share, CELL, x)
    return x, of_first + share * (of_second - of_first) + (2.0 / blend.TEMPERATURE) * share * (1.0 - share) * apart


def noise_at(y: Vector, params: TiBayesParameters) -> Vector | None:
    """The deviation of the noise (n,) as params.noise asks for it, or None where no noise is found. Not causal. O(n)."""
    starts = np.array([0, y.size])
    found = noise.estimate(y, starts, doubts=False)
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


def response(y: Vector, params: TiBayesParameters) -> tuple[Vector, Vector]:
    """run(y, params) (n,) and its derivative dx̂_t/dy_t (n,), at given weights and noise. Not causal. O(n).

    Source: Stein (1981), Ann. Statist. 9, 1135-1151; Leung and Barron (2006) for the derivative of the average.
    """
    sigma = noise_at(y, params)
    if sigma is None:
        return y.copy(), np.ones(y.size)
    found = estimate(y, sigma, params)
    return found.x, found.response()


def deviation(y: Vector, params: TiBayesParameters) -> Vector:
    """Standard deviation of the error of run(y, params) (n,): the noise times the root of the response, the posterior variance. O(n).

    NaN where no noise is found. Not causal. Source: Efron (2011), JASA 106, 1602-1614, 2 (posterior variance = derivative of the mean).
    """
    sigma = noise_at(y, params)
    if sigma is None:
        return np.full(y.size, np.nan)
    share = np.maximum(estimate(y, sigma, replace(params, strength=1.0)).response(), 0.0)
    left = (1.0 - params.strength) ** 2  # of the noise itself; the two errors are correlated by the response
    return np.asarray(sigma * np.sqrt(np.maximum(left + (1.0 - left) * share, 0.0)))


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
