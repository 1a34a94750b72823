"""How much noise a series carries, from the series alone: finest wavelet level, Roll's covariance, the local-level likelihood."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.result import Warned
from rpsd.denoise.wavelet import filters as bank
from rpsd.kernels import filters
from rpsd.kernels import wavelet as kernels
from rpsd.kernels.wavelet import QUARTILE, median_size

_LAGS: Final = range(2, 7)  # increments of a local level are uncorrelated beyond lag 1
_CLEAR: Final = 4.0  # standard errors at which a correlation counts
_MISMATCH: Final = 0.15
_MOST: Final = 1 << 17  # samples of the likelihood: the estimate's error is then below 1 %
_BLOCKS: Final = 8
_LEVELS: Final = 3
_SPARSE: Final = 0.75  # share of the predicted size of level 3, relative to level 1
_LONG_ENOUGH: Final = 256  # samples from which level 3 tells anything
_LEAST: Final = 1e-140  # below it squares underflow
_HALF_NORMAL: Final = np.pi / 2.0 - 1.0  # squared coefficient of variation of |N(0, 1)|


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of the noise at each sample (n,), its mean square, `sigma`, and where it comes from.

    `source` is local_level or finest_level; `relative_error` is the standard error of sigma as a share of sigma. The three figures
    `finest_level`, `roll` and `local_level` are kept for the answer's evidence.
    """

    at: Vector
    square: float
    sigma: float
    relative_error: float
    source: str
    finest_level: float
    roll: float
    local_level: float
    varies: bool
    warnings: tuple[Warned, ...]


def details(y: Vector, starts: Times) -> list[Vector]:
    """db4 details of the levels 1, 2, 3 (about n/2, n/4, n/8) of every session, one after another."""
    sessions = pairwise(starts)
    ladders = [kernels.details(y[a:b], bank("db4"), _LEVELS) for a, b in sessions]
    return [np.concatenate([ladder[j] for ladder in ladders]) if len(ladders) > 1 else ladders[0][j] for j in range(_LEVELS)]


def _autocovariance(steps: list[Vector], lag: int) -> tuple[float, float]:
    """Autocovariance of the increments at a lag and its standard error, robust to changing variance (White 1980)."""
    products = np.concatenate([d[lag:] * d[:-lag] for d in steps])
    if products.size < 2:
        return 0.0, 0.0
    return float(products.mean()), float(np.sqrt(np.mean(products * products) / products.size))


def _is_local_level(steps: list[Vector]) -> bool:
    """Whether increments look like those of a random walk plus noise: nothing beyond lag 1.

    Increments are capped at three robust deviations, so that a few large ones cannot hide the pattern of the rest.
    """
    cap = 3.0 * float(np.median(np.abs(np.concatenate(steps)))) / QUARTILE
    capped = [np.clip(d, -cap, cap) for d in steps] if cap > 0.0 else steps
    for lag in _LAGS:
        value, error = _autocovariance(capped, lag)
        if abs(value) > _CLEAR * error:
            return False
    return True


@lru_cache(maxsize=1)
def _walk_gains() -> tuple[float, ...]:
    """Variance of the db4 details of levels 1, 2, 3 of a random walk of unit steps: sum (cumsum of the level's filter)^2."""
    low, high, gains = bank("db4").dec_lo, bank("db4").dec_hi, []
    cascade = np.ones(1)
    for j in range(_LEVELS):
        spread = np.zeros((low.size - 1) * (1 << j) + 1)
        spread[:: 1 << j] = high
        gains.append(float((np.cumsum(np.convolve(cascade, spread)) ** 2).sum()))
        spread[:: 1 << j] = low
        cascade = np.convolve(cascade, spread)
    return tuple(gains)


def _is_sparse(ladder: list[Vector], sigma: float, gain: float) -> bool:
    """Whether the signal sits in few places: the typical detail of level 3 falls behind what a walk predicts, that of level 1 does not."""
    q = gain * gain / max(1.0 - gain, 1e-9)
    shares = [float(median_size(ladder[j])) / QUARTILE / (sigma * float(np.sqrt(1.0 + q * _walk_gains()[j]))) for j in (0, 2)]
    return shares[1] < _SPARSE * shares[0]


def _sample(y: Vector, starts: Times) -> tuple[Vector, Times]:
    """The series, or eight evenly spread blocks of the longest session when there is more than the likelihood needs."""
    if y.size <= _MOST:
        return y, starts
    longest = int(np.diff(starts).argmax())
    a, b = int(starts[longest]), int(starts[longest + 1])
    width = min(_MOST, b - a) // _BLOCKS
    firsts = np.linspace(a, b - width, _BLOCKS).astype(np.int64)
    return np.concatenate([y[f : f + width] for f in firsts]), np.arange(_BLOCKS + 1) * width


def _profile(finest: Vector, n: int) -> Vector | None:
    """Relative size of the noise along the series (n,), mean square 1, or None when it does not vary more than chance allows.

    Running mean of |d| over max(64, n/16) samples, each |d| capped at three times the running mean, shrunk towards 1 by the share
    of its variation that constant noise would show too.
    """
    size = np.abs(finest)
    width = min(max(64, n // 16) // 2, size.size)
    chance = _HALF_NORMAL / width
    mean = _running_mean(size, width)
    mean = _running_mean(np.minimum(size, 3.0 * mean), width)
    relative = mean / mean.mean()
    spread = float(relative.var())
    if spread < 3.0 * chance:
        return None
    shaped = 1.0 + (relative - 1.0) * (1.0 - chance / spread)
    positions = np.linspace(0, size.size - 1, n)
    profile = np.interp(positions, np.arange(size.size), shaped)
    return np.asarray(profile / np.sqrt(np.mean(profile**2)), dtype=np.float64)


def _running_mean(x: Vector, width: int) -> Vector:
    out = np.empty(x.size)
    filters.running_mean(x, width, out)
    return out


def estimate(y: Vector, starts: Times) -> Noise:
    """The noise of y (n,) with sessions y[starts[i]:starts[i+1]] of at least 16 samples, in the unit of y. Not causal. O(n).

    The local-level likelihood when increments look like a random walk plus noise everywhere, else the median of
    the finest wavelet level (a signal in few places takes noise away from the local level, but hardly touches the median).
    Warns noise_model_mismatch when the two differ by more than 15 %. Source: Donoho and Johnstone (1994), Biometrika 81, 425-455;
    Roll (1984), J. Finance 39, 1127-1139; Harvey (1989), 4.1.2.
    """
    ladder = details(y, starts)
    finest = float(median_size(ladder[0])) / QUARTILE
    part, bounds = _sample(y, starts)
    steps = [np.diff(part[a:b]) for a, b in pairwise(bounds)]
    roll = float(np.sqrt(max(-_autocovariance(steps, 1)[0], 0.0)))
    gain, square = filters.fit_gain(part, bounds)
    level = float(np.sqrt(square * (1.0 - gain)))
    m = part.size
    sparse = y.size >= _LONG_ENOUGH and level > 0.0 and _is_sparse(ladder, level, float(gain))
    if not sparse and _is_local_level(steps):
        chosen, source = level, "local_level"
        # asymptotics of an MA(1) with theta = 1 - K, Brockwell and Davis (1991), 8.8
        error = 0.5 * float(np.sqrt(2.0 / m + (1.0 - (1.0 - gain) ** 2) / (m * max(1.0 - gain, 1e-3) ** 2)))
    else:
        chosen, source = finest, "finest_level"
        error = 1.65 / float(np.sqrt(y.size))  # the median of n/2 absolute normals
    if chosen <= max(1e-12 * max(float(y.max()), -float(y.min())), _LEAST):
        chosen = 0.0
    warnings: tuple[Warned, ...] = ()
    if abs(finest - level) > _MISMATCH * max(finest, level):
        detail = f"finest wavelet level says {finest:.4g}, local-level likelihood {level:.4g}; {source} is used"
        warnings = (Warned("noise_model_mismatch", detail),)
    profile = _profile(ladder[0], y.size) if chosen > 0.0 else None
    at = np.full(y.size, chosen) if profile is None else chosen * np.maximum(profile, 0.05)
    return Noise(at, float(np.dot(at, at)) / at.size, chosen, error, source, finest, roll, level, profile is not None, warnings)
