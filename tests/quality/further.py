"""Test signals beyond the chapter's thirteen: what markets do to a denoiser. Each has its truth known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpsd.core.market import SECOND_NS, Times, Vector
from tests.quality.signals import CASES

_STEP = 1e-4
_N = 4096


@dataclass(frozen=True, slots=True)
class Sample:
    """The truth x (n,), what is observed of it y (n,), NaN where a tick is missing, and the times t (n,) in ns where sessions matter."""

    x: Vector
    y: Vector
    t: Times | None = None

    @property
    def noise(self) -> float:
        """Mean squared error of doing nothing, over the samples that were seen."""
        return float(np.nanmean((self.y - self.x) ** 2))

    @property
    def bridged(self) -> Vector:
        """y with a straight line through missing samples, for those that take no NaN."""
        seen = np.flatnonzero(~np.isnan(self.y))
        return np.interp(np.arange(self.y.size), seen, self.y[seen])


Sampler = Callable[[np.random.Generator], Sample]


def _walk(rng: np.random.Generator) -> Vector:
    return np.log(100.0) + np.cumsum(_STEP * rng.normal(size=_N))


def heavy_tails(rng: np.random.Generator) -> Sample:
    """The walk of GBM under Student noise of three degrees of freedom and the same variance."""
    x = _walk(rng)
    return Sample(x, x + 2.0 * _STEP * rng.standard_t(3.0, size=_N) / np.sqrt(3.0))


def fractional(d: float) -> Sampler:
    """The walk under fractional noise (1 - B)^-d u of twice its step: d > 0 lingers, d < 0 turns back. Source: Hosking (1981)."""

    def draw(rng: np.random.Generator) -> Sample:
        x = _walk(rng)
        weights = np.cumprod(np.concatenate([[1.0], (np.arange(1, _N) - 1.0 + d) / np.arange(1, _N)]))
        size = 1 << (3 * _N).bit_length()
        shocks = rng.normal(size=2 * _N)
        noise = np.fft.irfft(np.fft.rfft(shocks, size) * np.fft.rfft(weights, size), size)[_N : 2 * _N]
        return Sample(x, x + 2.0 * _STEP * noise / np.sqrt((weights**2).sum()))

    return draw


def missing_ticks(rng: np.random.Generator) -> Sample:
    """GBM, one tick in ten missing; the error counts at missing ticks too."""
    x, y = CASES["GBM"](rng)
    y[rng.random(_N) < 0.1] = np.nan
    y[[0, -1]] = x[[0, -1]] + 2.0 * _STEP * rng.normal(size=2)
    return Sample(x, y)


def irregular_sessions(rng: np.random.Generator) -> Sample:
    """GBM at irregular ticks in eight sessions, fifty steps of move overnight."""
    x, y = CASES["GBM"](rng)
    night = np.repeat(np.cumsum(50.0 * _STEP * rng.normal(size=8)), _N // 8)
    waits = rng.exponential(SECOND_NS, size=_N) + 1.0
    waits[:: _N // 8] += 16 * 3600 * SECOND_NS
    return Sample(x + night, y + night, np.cumsum(waits).astype(np.int64))


def integer_grid(rng: np.random.Generator) -> Sample:
    """A price in whole ticks: a walk of 0.3 ticks a step, noise of 0.6, rounded."""
    x = 10_000.0 + np.cumsum(0.3 * rng.normal(size=_N))
    return Sample(x, np.round(x + 0.6 * rng.normal(size=_N)))


FURTHER: dict[str, Sampler] = {
    "heavy tails": heavy_tails,
    "lingering noise": fractional(0.2),
    "turning noise": fractional(-0.2),
    "missing ticks": missing_ticks,
    "sessions": irregular_sessions,
    "integer grid": integer_grid,
}
"""Name -> draw(rng) -> Sample."""


def sample(case: str, rng: np.random.Generator) -> Sample:
    """A draw of any case, the chapter's thirteen included."""
    return Sample(*CASES[case](rng)) if case in CASES else FURTHER[case](rng)
