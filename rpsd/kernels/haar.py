"""The stationary Haar transform of what has been seen so far, its details shrunk by trailing scales.

a_0 = y, a_j(t) = (a_{j-1}(t) + a_{j-1}(t - 2^(j-1))) / 2, d_j = a_{j-1} - a_j, so y = a_J + sum_j d_j at every t; what lies before the
start is the first sample. The readable form stands above its kernel. Source: Nason and Silverman (1995), The stationary wavelet transform
and some statistical applications; Chang, Yu and Vetterli (2000), IEEE TIP 9, 1532-1546; Murtagh (2005), Int. J. Wavelets 3, 371-394.
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

_OUTLIER: Final = 3.0  # mean sizes beyond which a detail does not count as noise
_HALF_NORMAL: Final = float(np.sqrt(np.pi / 2.0))  # standard deviation over mean size
_LEAST: Final = 16.0  # samples before the scales are trusted

# places in the state; mean size of d_1, mean squares of d_1.. (levels), then rings of 1, 2, 4, ... averages
_SEEN: Final = 0
_SIZE: Final = 1
_HEAD: Final = 2


def start(level: int) -> Vector:
    """State (1 + level + 2^level,) of `haar` before the first sample."""
    return np.zeros(_HEAD + level + (1 << level) - 1)


def reference_haar(y: Vector, level: int, window: int) -> Vector:
    """x̂ (n,) of y (n,). Causal. O(n level).

    Trailing means over about `window` samples: m of |d_1|, each capped at three times the mean before it, and of d_j^2. The noise of
    level j is s_j = sqrt(pi / 2) m 2^(-(j - 1) / 2) and its soft threshold s_j^2 / sqrt(max(mean d_j^2 - s_j^2, 0)).
    """
    averages = [y]
    for j in range(level):
        padded = np.concatenate([np.full(1 << j, y[0]), averages[-1]])
        averages.append(0.5 * (averages[-1] + padded[: y.size]))
    details, size, squares, out = -np.diff(np.array(averages), axis=0), 0.0, np.zeros(level), y.copy()
    for t in range(1, y.size):
        weight, d = 1.0 / min(t, window), details[:, t]
        size += weight * (min(abs(d[0]), _OUTLIER * size if t > _LEAST else np.inf) - size)
        squares += weight * (d**2 - squares)
        if t >= _LEAST:
            noise = (_HALF_NORMAL * size) ** 2 * 0.5 ** np.arange(level)
            excess = np.sqrt(np.maximum(squares - noise, 0.0))
            limit = np.where(excess > 0.0, noise / np.where(excess > 0.0, excess, 1.0), np.inf)
            out[t] = averages[-1][t] + (np.sign(d) * np.maximum(np.abs(d) - limit, 0.0)).sum()
    return out


@kernel
def haar(y, level, window, state, out):  # type: ignore[no-untyped-def]
    """`reference_haar` into out (n,), on from state."""
    seen, size = int(state[_SEEN]), state[_SIZE]
    squares, rings = state[_HEAD : _HEAD + level], state[_HEAD + level :]
    if seen == 0 and y.size > 0:
        rings[:] = y[0]
    for i in range(y.size):
        t, average, kept, variance = seen + i, y[i], 0.0, 0.0
        weight = 1.0 / max(min(t, window), 1)
        for j in range(level):
            slot = (1 << j) - 1 + (t & ((1 << j) - 1))  # where the average of 2^j samples ago was left
            coarser = 0.5 * (average + rings[slot])
            rings[slot] = average
            detail = average - coarser
            if j == 0:
                large = _OUTLIER * size if t > _LEAST else np.inf
                size += weight * (min(abs(detail), large) - size)
                variance = (_HALF_NORMAL * size) ** 2
            squares[j] += weight * (detail * detail - squares[j])
            excess = np.sqrt(max(squares[j] - variance, 0.0))
            if excess > 0.0:
                kept += np.sign(detail) * max(abs(detail) - variance / excess, 0.0)
            variance *= 0.5
            average = coarser
        out[i] = average + kept if t >= _LEAST else y[i]
    state[_SEEN], state[_SIZE] = seen + y.size, size


def warm() -> None:
    """Compile or load every kernel of this file."""
    haar(np.arange(80.0) % 3.0, 3, 64, start(3), np.empty(80))
