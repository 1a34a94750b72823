"""Shrinkage of wavelet details: the threshold of a level, what it does to each detail, and rules that are more than a threshold.

Readable forms stand first. Sources: Donoho and Johnstone (1994), Biometrika 81, 425-455 (universal, minimax); Donoho and Johnstone
(1995), JASA 90, 1200-1224 (SureShrink); Chang, Yu and Vetterli (2000), IEEE TIP 9, 1532-1546 (BayesShrink); Gao (1998), JCGS 7,
469-488 (garrote); Cai (1999), Ann. Statist. 27, 898-924 (BlockJS). Johnstone and Silverman's rule lives in kernels/laplace.py.
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

BAYES: Final = 0
UNIVERSAL: Final = 1
MINIMAX: Final = 2
SOFT: Final = 0
HARD: Final = 1
GARROTE: Final = 2
_BLOCK_FACTOR: Final = 4.50524  # the root of x - ln x = 3


def threshold(detail: Vector, sigma: float, n: int, mode: int) -> float:
    """The threshold of one level of a series of n samples.

    BAYES: sigma^2 / sqrt(max(mean d^2 - sigma^2, 0)), max|d| without signal. UNIVERSAL: sigma sqrt(2 ln n).
    MINIMAX: sigma (0.3936 + 0.1829 log2 n), 0 up to n = 32.
    """
    if mode == UNIVERSAL:
        return float(sigma * np.sqrt(2.0 * np.log(n)))
    if mode == MINIMAX:
        return float(sigma * (0.3936 + 0.1829 * np.log2(n))) if n > 32 else 0.0
    signal = float(np.mean(detail * detail)) - sigma * sigma
    largest = float(np.abs(detail).max())
    return min(sigma * sigma / float(np.sqrt(signal)), largest) if signal > 0.0 else largest


@kernel
def limit(detail, sigma, n, mode):  # type: ignore[no-untyped-def]
    """`threshold` without a temporary array."""
    if mode == UNIVERSAL:
        return sigma * np.sqrt(2.0 * np.log(n))
    if mode == MINIMAX:
        return sigma * (0.3936 + 0.1829 * np.log2(n)) if n > 32 else 0.0
    total, largest = 0.0, 0.0
    for i in range(detail.size):
        total += detail[i] * detail[i]
        largest = max(largest, abs(detail[i]))
    signal = total / detail.size - sigma * sigma
    return min(sigma * sigma / np.sqrt(signal), largest) if signal > 0.0 else largest


def sure(detail: Vector, sigma: float) -> float:
    """The threshold of least estimated risk under soft shrinkage, within [0, sigma sqrt(2 ln m)], of a level (m,). O(m log m).

    A level whose energy does not stand out, mean (d/sigma)^2 - 1 <= log2(m)^1.5 / sqrt(m), is too sparse for the estimate and takes the
    upper end. Source: Donoho and Johnstone (1995), 2.3 and 2.4.
    """
    m = detail.size
    if sigma <= 0.0:
        return 0.0
    largest = float(np.sqrt(2.0 * np.log(m)))
    sizes = np.abs(detail) / sigma
    if float(np.mean(sizes * sizes)) - 1.0 <= np.log2(m) ** 1.5 / np.sqrt(m):
        return sigma * largest
    sizes.sort()
    sizes = np.concatenate([[0.0], sizes[: np.searchsorted(sizes, largest, "right")]])
    kept = m - np.arange(sizes.size)  # details above each candidate
    risks = 2.0 * kept - m + np.cumsum(sizes * sizes) + kept * sizes * sizes
    return sigma * float(sizes[int(np.argmin(risks))])


def shrink(detail: Vector, at: float, shape: int) -> Vector:
    """The details (m,) after a threshold; one of 0 leaves them as they are (pywt.threshold(0, 0) would be NaN)."""
    if at <= 0.0:
        return detail.copy()
    size = np.abs(detail)
    if shape == SOFT:
        return np.asarray(np.sign(detail) * np.maximum(size - at, 0.0))
    if shape == HARD:
        return np.where(size >= at, detail, 0.0)
    return np.where(size > at, detail - at * at / np.where(size > 0.0, detail, 1.0), 0.0)


@kernel
def shrink_kernel(d, at, shape):  # type: ignore[no-untyped-def]
    """`shrink` in place."""
    if at <= 0.0:
        return
    if shape == SOFT:
        for i in range(d.size):
            d[i] = max(d[i] - at, 0.0) + min(d[i] + at, 0.0)
    elif shape == HARD:
        for i in range(d.size):
            d[i] = d[i] if abs(d[i]) >= at else 0.0
    else:
        for i in range(d.size):
            d[i] = d[i] - at * at / d[i] if abs(d[i]) > at else 0.0


def reference_block(detail: Vector, sigma: float, length: int, strength: float, shape: int) -> Vector:
    """Blocks of `length` details shrunk together by (1 - T / S^2)_+, S^2 their energy, T = strength^2 4.50524 length sigma^2.

    HARD keeps a block with S^2 > T and drops the others. A shorter last block takes the energy of the last `length` details; a
    level shorter than a block is one block. Source: Cai (1999), section 2, BlockJS.
    """
    out, length = np.empty(detail.size), min(length, detail.size)
    limit = strength * strength * _BLOCK_FACTOR * length * sigma * sigma
    for begin in range(0, detail.size, length):
        end = min(begin + length, detail.size)
        block = detail[end - length : end]
        energy = float((block * block).sum())
        factor = max(1.0 - limit / energy, 0.0) if energy > 0.0 else 0.0
        out[begin:end] = detail[begin:end] * (float(factor > 0.0) if shape == HARD else factor)
    return out


@kernel
def block(detail, sigma, length, strength, shape, out):  # type: ignore[no-untyped-def]
    """`reference_block` into out (m,)."""
    length = min(length, detail.size)
    at = strength * strength * _BLOCK_FACTOR * length * sigma * sigma
    for begin in range(0, detail.size, length):
        end, energy = min(begin + length, detail.size), 0.0
        for i in range(end - length, end):
            energy += detail[i] * detail[i]
        factor = max(1.0 - at / energy, 0.0) if energy > 0.0 else 0.0
        if shape == HARD and factor > 0.0:
            factor = 1.0
        for i in range(begin, end):
            out[i] = detail[i] * factor


def warm() -> None:
    """Compile or load every kernel of this file that Python calls."""
    d = np.arange(8.0)
    block(d, 1.0, 3, 1.0, SOFT, np.empty(8))
    limit(d, 1.0, 8, BAYES)
    shrink_kernel(d, 1.0, SOFT)
