"""How much noise a series carries, from the series alone: finest wavelet level, Roll's covariance, the local-level likelihood."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.result import Warned
from rpsd.denoise import doubt, sample
from rpsd.denoise.wavelet import filters as bank
from rpsd.kernels import filters, steps
from rpsd.kernels import wavelet as kernels
from rpsd.kernels.wavelet import QUARTILE, median_size

_FARTHEST: Final = 6  # lag; increments of a local level are uncorrelated beyond lag 1
_CLEAR: Final = 4.0  # standard errors at which a correlation counts
_MISMATCH: Final = 0.15
_ENOUGH: Final = (1 << 14, 1 << 16)  # samples of the likelihood; the larger number where the smaller leaves the noise unsure
_SURE: Final = 0.01  # standard error of sigma as a share of it
_PIECE: Final = 2048
_LEVELS: Final = 3
_SPARSE: Final = 0.75  # share of the predicted size of level 3, relative to level 1
_TOO_MUCH: Final = 1.25  # times the typical detail
_LONG_ENOUGH: Final = 256  # samples from which level 3 tells anything
_PER_WINDOW: Final = 32
_LEAST: Final = 1e-140  # below it squares underflow
_HALF_NORMAL: Final = np.pi / 2.0 - 1.0  # squared coefficient of variation of |N(0, 1)|


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of the noise at each sample (n,), its mean square, `sigma`, and where it comes from.

    `source` is local_level or finest_level; `relative_error` is the standard error of sigma as a share of sigma. The three figures
    `finest_level`, `roll` and `local_level` are kept for the answer's evidence. `least` is the share of sigma that the noise has at least.
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
    least: float = 1.0


def details(y: Vector, starts: Times) -> list[Vector]:
    """db4 details of the levels 1, 2, 3 (about n/2, n/4, n/8) of every session, one after another."""
    sessions = pairwise(starts)
    ladders = [kernels.details(y[a:b], bank("db4"), _LEVELS) for a, b in sessions]
    return [np.concatenate([ladder[j] for ladder in ladders]) if len(ladders) > 1 else ladders[0][j] for j in range(_LEVELS)]


def _covariances(y: Vector, starts: Times, cap: float, lags: int) -> tuple[Vector, Vector]:
    """Autocovariances of the increments at lags 1..lags and their standard errors."""
    means, errors = np.empty(lags), np.empty(lags)
    steps.covariances(y, starts, cap, means, errors)
    return means, errors


def _is_local_level(y: Vector, starts: Times) -> bool:
    """Whether increments look like those of a random walk plus noise: nothing beyond lag 1.

    Increments are capped at three robust deviations, so that a few large ones cannot hide the pattern of the rest.
    """
    jumps = np.diff(y)
    inside = jumps if starts.size == 2 else np.delete(jumps, starts[1:-1] - 1)
    cap = 3.0 * float(median_size(inside)) / QUARTILE
    means, errors = _covariances(y, starts, cap if cap > 0.0 else np.inf, _FARTHEST)
    return bool((np.abs(means[1:]) <= _CLEAR * errors[1:]).all())


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


def _is_sparse(finest: float, third: Vector, sigma: float, gain: float) -> bool:
    """Whether the signal sits in few places: the typical detail of level 3 falls behind what a walk predicts, that of level 1 does not."""
    q = gain * gain / max(1.0 - gain, 1e-9)
    sizes = (finest, float(median_size(third)) / QUARTILE)
    shares = [size / (sigma * float(np.sqrt(1.0 + q * _walk_gains()[j]))) for size, j in zip(sizes, (0, 2), strict=True)]
    return shares[1] < _SPARSE * shares[0]


def profile(finest: Vector, n: int, *, always: bool = False) -> Vector | None:
    """Relative size of the noise along the series (n,), mean square 1; None when chance explains its variation, unless `always`.

    Running mean of |d| over max(64, n/16) samples, each |d| capped at three times the running mean, shrunk towards 1 by the share
    of its variation that constant noise would show too. It is sampled 32 times a window, which a running mean does not notice.
    """
    width = min(max(64, n // 16) // 2, finest.size)
    stride = max(width // _PER_WINDOW, 1)
    count = max(finest.size // stride, 1)
    window = min(max(width // stride, 1), count)
    coarse = np.empty(count)
    steps.capped_means(finest, np.full(count, np.inf), coarse)
    steps.capped_means(finest, 3.0 * _running_mean(coarse, window), coarse)
    mean = _running_mean(coarse, window)
    chance = _HALF_NORMAL / width
    if mean.mean() <= 0.0:
        return None  # a series without any detail: nothing to tell apart
    relative = mean / mean.mean()
    spread = float(relative.var())
    if spread < 3.0 * chance and not always:
        return None
    shaped = 1.0 + (relative - 1.0) * (max(1.0 - chance / spread, 0.0) if spread > 0.0 else 0.0)
    along = np.interp(np.linspace(-0.5, count - 0.5, n), np.arange(count), shaped)
    return np.asarray(along / np.sqrt(np.mean(along**2)), dtype=np.float64)


def _typical(finest: Vector, median: float, shape: Vector | None) -> float:
    """Noise by the median of the finest details, `median` itself or, where the noise varies (n,), each taken relative to that around it.

    Signal only adds to it: a model that finds more noise than this has taken a few large moves for noise.
    """
    if shape is None:
        return median
    around = shape[np.linspace(0, shape.size - 1, finest.size).astype(np.int64)]
    return float(median_size(finest / np.maximum(around, 0.05))) / QUARTILE


def _local_level(y: Vector, starts: Times) -> tuple[Vector, Times, float, float, float]:
    """The part of y that was looked at with its sessions, the gain, sigma of the noise and its relative error by likelihood."""
    part, bounds, gain, square, error = y, starts, 1.0, 0.0, 1.0
    for most in _ENOUGH:
        part, bounds = sample.taken(y, sample.spread(starts, most, _PIECE))
        gain, square = filters.fit_gain(part, bounds)
        # asymptotics of an MA(1) with theta = 1 - K, Brockwell and Davis (1991), 8.8
        spread = (1.0 - (1.0 - gain) ** 2) / (part.size * max(1.0 - gain, 1e-3) ** 2)
        error = 0.5 * float(np.sqrt(2.0 / part.size + spread))
        if error <= _SURE or part.size == y.size:
            break
    return part, bounds, float(gain), float(np.sqrt(square * (1.0 - gain))), error


def _running_mean(x: Vector, width: int) -> Vector:
    out = np.empty(x.size)
    filters.running_mean(x, width, out)
    return out


def estimate(y: Vector, starts: Times, *, doubts: bool = True) -> Noise:
    """The noise of y (n,) with sessions y[starts[i]:starts[i+1]] of at least 16 samples, in the unit of y. Not causal. O(n).

    The local-level likelihood when increments look like a random walk plus noise everywhere, else the median of
    the finest wavelet level (a signal in few places takes noise away from the local level, but hardly touches the median).
    Without doubts `least` is 1, which spares its cost. Warns noise_model_mismatch when the two differ by more than 15 %.
    Source: Donoho and Johnstone (1994), Biometrika 81, 425-455;
    Roll (1984), J. Finance 39, 1127-1139; Harvey (1989), 4.1.2.
    """
    ladder = details(y, starts)
    finest = float(median_size(ladder[0])) / QUARTILE
    part, bounds, gain, level, error = _local_level(y, starts)
    roll = float(np.sqrt(max(-_covariances(part, bounds, np.inf, 1)[0][0], 0.0)))
    sparse = y.size >= _LONG_ENOUGH and level > 0.0 and _is_sparse(finest, ladder[2], level, gain)
    chosen, source = level, "local_level"
    shape = profile(ladder[0], y.size)
    if sparse or level > _TOO_MUCH * _typical(ladder[0], finest, shape) or not _is_local_level(part, bounds):
        chosen, source = finest, "finest_level"
        error = 1.65 / float(np.sqrt(y.size))  # the median of n/2 absolute normals
    if chosen <= max(1e-12 * max(float(y.max()), -float(y.min())), _LEAST):
        chosen = 0.0
    warnings: tuple[Warned, ...] = ()
    if abs(finest - level) > _MISMATCH * max(finest, level):
        detail = f"finest wavelet level says {finest:.4g}, local-level likelihood {level:.4g}; {source} is used"
        warnings = (Warned("noise_model_mismatch", detail),)
    shape = shape if chosen > 0.0 else None
    at = np.full(y.size, chosen) if shape is None else chosen * np.maximum(shape, 0.05)
    square, varies = chosen * chosen if shape is None else float(np.dot(at, at)) / at.size, shape is not None
    least = 1.0
    if doubts and chosen > 0.0:
        sure = doubt.walk(part, bounds, gain, level, error) if source == "local_level" else doubt.extrapolated(ladder, _walk_gains())
        least = min(sure, doubt.core(y, starts, chosen), chosen) / chosen
    return Noise(at, square, chosen, error, source, finest, roll, level, varies, warnings, least)
