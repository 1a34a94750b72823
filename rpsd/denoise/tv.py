"""`tv`: exact total-variation denoising, its weight chosen by Stein's unbiased risk estimate. Not causal."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.core.parameters import TvParameters
from rpsd.denoise import noise
from rpsd.kernels import variation

_SMALLEST: Final = 0.1  # of the noise: lam below it changes almost nothing
_LARGEST: Final = 2.0  # times sigma sqrt(n): what turns noise alone into one piece
_RATIO: Final = 2.0  # between neighbours of the grid
_REFINEMENTS: Final = 4  # golden sections: lam to 15 %, where the risk is flat
_GOLDEN: Final = (float(np.sqrt(5.0)) - 1.0) / 2.0
_MOST: Final = 1 << 14  # samples of the search; from there on the risk is known to 1 %
_BLOCKS: Final = 4


@dataclass(frozen=True, slots=True)
class Fit:
    """x̂ (n,), its lam in the unit of y, the number of constant pieces and Stein's estimate of its risk, a share of the noise variance.

    `weights` (n,) of the samples. Without noise there is nothing to estimate: x̂ is y, lam 0 and the risk 1.
    """

    x: Vector
    lam: float
    pieces: int
    risk: float
    weights: Vector


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Neighbouring samples y (m,) with the noise variance (m,) and the weights (m,)."""

    y: Vector
    variance: Vector
    weights: Vector

    def solved(self, lam: float) -> tuple[Vector, int, float]:
        """x̂ (m,), its pieces, and Stein's sum: (y - x̂)^2 - s^2 + 2 s^2 dx̂/dy."""
        x = variation.solve(self.y, self.weights, lam)
        first = np.concatenate([[0], np.flatnonzero(x[1:] != x[:-1]) + 1])
        # within a piece x̂ moves by weight / (sum of the piece's weights) of each sample
        response = np.add.reduceat(self.variance * self.weights, first) / np.add.reduceat(self.weights, first)
        rest = self.y - x
        return x, first.size, float(np.dot(rest, rest)) - float(self.variance.sum()) + 2.0 * float(response.sum())


def _stretches(whole: _Stretch) -> list[_Stretch]:
    """The series itself, or four evenly spread blocks when it is longer than the search needs."""
    n = whole.y.size
    if n <= _MOST:
        return [whole]
    width = _MOST // _BLOCKS
    firsts = [int(a) for a in np.linspace(0, n - width, _BLOCKS)]
    return [_Stretch(*(v[a : a + width].copy() for v in (whole.y, whole.variance, whole.weights))) for a in firsts]


def _best_lam(parts: list[_Stretch], sigma: float) -> float:
    """The lam of least estimated risk: a geometric grid, then golden sections between the neighbours of its best point."""

    def risk(exponent: float) -> float:
        return sum(part.solved(sigma * _RATIO**exponent)[2] for part in parts)

    low = float(np.log(_SMALLEST) / np.log(_RATIO))
    high = float(np.log(_LARGEST * np.sqrt(parts[0].y.size)) / np.log(_RATIO))
    grid = np.arange(low, high + 1.0)
    risks = [risk(float(e)) for e in grid]
    best = int(np.argmin(risks))
    a, b = float(grid[best]) - 1.0, float(grid[best]) + 1.0
    tried = [(risks[best], float(grid[best]))]
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    at_c, at_d = risk(c), risk(d)
    for _ in range(_REFINEMENTS):
        tried += [(at_c, c), (at_d, d)]
        if at_c <= at_d:
            b, d, at_d = d, c, at_c
            c = b - _GOLDEN * (b - a)
            at_c = risk(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + _GOLDEN * (b - a)
            at_d = risk(d)
    exponent = min([*tried, (at_c, c), (at_d, d)])[1]
    return float(sigma * _RATIO**exponent)


def fit(y: Vector, params: TvParameters, found: noise.Noise | None = None) -> Fit:
    """The method's answer to y (n,), finite, one session of at least 16 samples, with its estimated risk. Not causal. O(n).

    `found`: the noise of y when it is already known. Source: Johnson (2013), JCGS 22, 246-260; Stein (1981), Ann. Statist. 9,
    1135-1151; Tibshirani and Taylor (2012), Ann. Statist. 40, 1198-1232 (the degrees of freedom are the pieces).
    """
    found = found or noise.estimate(y, np.array([0, y.size], dtype=np.int64), doubts=False)
    if found.sigma <= 0.0 and params.lam <= 0.0:
        return Fit(y.copy(), 0.0, y.size, 1.0, np.ones(y.size))
    weighted, square = params.noise == "auto" and found.varies, found.square
    variance = found.at**2 if found.varies else np.broadcast_to(found.at[0] ** 2, y.shape)
    # with them the running sums of the noise, which lam holds down, spread alike everywhere
    weights = float(np.sqrt(square)) / found.at if weighted else np.ones(y.size)
    del found  # a long series has several arrays of its length as it is
    whole = _Stretch(np.require(y, np.float64, ["C", "W"]), variance, weights)
    lam = params.strength * (params.lam or _best_lam(_stretches(whole), float(np.sqrt(square))))
    x, pieces, excess = whole.solved(lam)
    return Fit(x, lam, pieces, excess / (y.size * square) if square > 0.0 else 1.0, weights)


def response(y: Vector, params: TvParameters) -> tuple[Vector, Vector]:
    """x̂ of run() and dx̂_t/dy_t (n,) at its lam: within a piece, each sample's share of the weights. Not causal. O(n)."""
    made = fit(y, params)
    if made.lam <= 0.0:
        return made.x, np.ones(y.size)
    first = np.concatenate([[0], np.flatnonzero(made.x[1:] != made.x[:-1]) + 1])
    sizes = np.diff(np.append(first, y.size))
    return made.x, made.weights / np.repeat(np.add.reduceat(made.weights, first), sizes)


def run(y: Vector, params: TvParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit: least sum w_t (y_t - x_t)^2 / 2 + strength lam sum |x_t - x_{t-1}|.

    Exact. lam 0 takes the one of least estimated risk (`fit`), sought on four blocks of 4096 samples when the series is longer than
    all of them. The weights w_t are 1, or s / s_t where the noise varies. Not causal. O(n): some 15 solutions of at most 16384 samples.
    Source: Rudin, Osher and Fatemi (1992), Physica D 60, 259-268; Johnson (2013), JCGS 22, 246-260; Stein (1981).
    """
    return fit(y, params).x


METHOD = Method(
    name="tv",
    causal=False,
    params=TvParameters,
    run=run,
    source="Rudin, Osher, Fatemi (1992), Physica D 60, 259-268; Johnson (2013), JCGS 22, 246-260",
    cost="O(n)",
    summary="Exact total variation: constant pieces between jumps, their number chosen by estimated risk; sees the whole series.",
    response=response,
)
