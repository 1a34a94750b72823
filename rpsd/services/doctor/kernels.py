"""The compiled kernels against their readable references: does this processor compute what the source says?"""

from collections.abc import Callable
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels import filters, kalman, moving, variation

_N: Final = 257
_TOLERANCE: Final = 1e-9
"""Relative: kernels add in another order than their references."""

Pair = tuple[Vector, Vector]


def _walk(seed: int) -> Vector:
    return 100.0 + np.cumsum(np.random.default_rng(seed).normal(0.0, 0.3, _N))


def _fir() -> Pair:
    x, taps, out = _walk(1), np.hanning(9)[1:-1] / np.hanning(9).sum(), np.empty(_N)
    filters.fir(x, taps, out)
    return out, filters.reference_fir(x, taps)


def _ema() -> Pair:
    y, out = _walk(2), np.empty(_N)
    filters.ema(y, 0.2, np.full(1, np.nan), out)
    return out, filters.reference_ema(y, 0.2)


def _level() -> Pair:
    y, out, gains, noises = _walk(3), np.empty(_N), np.empty(_N), np.empty(_N)
    kalman.level(y, 0.05, 64, 64, kalman.start(), out, gains, noises)
    return out, kalman.reference_level(y, 0.05, 64, 64)[0]


def _variation() -> Pair:
    y, weights = _walk(4), np.ones(_N)
    return variation.solve(y, weights, 1.5), variation.reference_total_variation(y, weights, 1.5)


def _moving() -> Pair:
    x, out = _walk(5), np.empty(_N)
    moving.deviation(x, 20, out)
    return out, moving.reference_deviation(x, 20)


COMPARED: Final[tuple[tuple[str, Callable[[], Pair]], ...]] = (
    ("fir", _fir),
    ("ema", _ema),
    ("level", _level),
    ("total_variation", _variation),
    ("moving_deviation", _moving),
)
"""One kernel of each kind: convolution, recursion, Kalman filter, dynamic programme, window."""


def disagreements() -> list[str]:
    """Names of the kernels that differ from their references by more than rounding. A tenth of a second once they are compiled."""
    return [name for name, pair in COMPARED if not np.allclose(*pair(), rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)]
