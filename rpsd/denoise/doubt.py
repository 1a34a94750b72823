"""How little noise a series may carry: the lower end of what its estimates allow.

A correction that pays at the estimated noise may lose where the noise is less. Each rule gives the least deviation that it holds
possible; the smallest of them counts.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.kernels import filters
from rpsd.kernels.wavelet import QUARTILE, median_size

SHORT: Final = 1536
"""Samples up to which a walk, a chatter between levels and heavy tails look alike."""
_WORSE: Final = 4.5  # log-likelihood by which a gain may fall behind the best: three standard errors
_SURE: Final = 0.1  # relative error up to which three of them are as good as the likelihood itself
_ERRORS: Final = 1.5  # standard errors of the extrapolated level
_ERRORS_SHORT: Final = 2.2  # the same of a short series, whose errors are themselves unsure
_MEDIAN: Final = 2.33  # relative error of a squared median size of m normals, times sqrt(m)
_SQUARE: Final = 1.41  # that of a mean square
_PEAKED: Final = 2.75  # kurtosis of the steps from which their small ones tell of the noise
_CORE: Final = 0.3  # share of the steps that count as small
_CORE_SIZE: Final = 0.3853  # the 0.3 quantile of |N(0, 1)|
_FAR_BELOW: Final = 0.87
_OF_CORE: Final = 0.65


def walk(y: Vector, starts: Times, gain: float, sigma: float, error: float) -> float:
    """Least noise of y (n,) as a random walk plus noise whose likelihood has its maximum at gain and sigma, relative error of sigma given.

    Where the error is large the likelihood is lopsided: sigma at the largest gain that three standard errors allow. O(n).
    """
    if error < _SURE:
        return sigma * (1.0 - 3.0 * error)
    squares = np.empty(filters.LANES)
    filters.innovation_squares(y, starts, gain, 1.0, squares)
    gains = np.linspace(gain, 1.0, filters.LANES)
    fall = 0.5 * (y.size - starts.size + 1) * np.log(np.maximum(squares, 1e-300) / max(float(squares[0]), 1e-300))
    beyond = np.flatnonzero(fall > _WORSE)
    if not beyond.size:
        return 0.0
    k = max(int(beyond[0]), 1)
    share = min(max((_WORSE - fall[k - 1]) / max(fall[k] - fall[k - 1], 1e-12), 0.0), 1.0)
    at = gains[k - 1] + share * (gains[k] - gains[k - 1])
    return float(np.sqrt(max(np.interp(at, gains, squares) * (1.0 - at), 0.0)))


def extrapolated(ladder: list[Vector], gains: tuple[float, ...]) -> float:
    """Least noise by the details of levels 1 and 2, each the noise and a walk of those gains: what is left of level 1 without the walk.

    A signal smoother than a walk takes less from level 1 than this assumes. By medians, which jumps hardly touch, and by squares, which
    know more; one and a half standard errors are taken off, 2.2 in a short series. O(n).
    """
    share = gains[0] / (gains[1] - gains[0])
    errors = _ERRORS if 2 * ladder[0].size > SHORT + 16 else _ERRORS_SHORT
    found = 0.0
    for error, size in ((_MEDIAN, _median_square), (_SQUARE, _mean_square)):
        one, two = size(ladder[0]), size(ladder[1])
        spread = np.hypot((1.0 + share) * one / np.sqrt(ladder[0].size), share * two / np.sqrt(ladder[1].size))
        found = max(found, one - share * (two - one) - errors * error * float(spread))
    return float(np.sqrt(found))


def _median_square(d: Vector) -> float:
    return (float(median_size(d)) / QUARTILE) ** 2


def _mean_square(d: Vector) -> float:
    return float(np.dot(d, d)) / d.size


def core(y: Vector, starts: Times, sigma: float) -> float:
    """Least noise of a short series y (n,) by its small steps; sigma itself when they agree with it or tell nothing.

    A level that jumps to and fro every few samples looks like noise to likelihood and wavelets, but between its jumps the steps are those
    of the noise alone. Noise of two values has steps of 0: there the smallest of the others are two deviations. O(n log n).
    """
    if y.size > SHORT:
        return sigma
    steps = np.diff(y) if starts.size == 2 else np.concatenate([np.diff(y[a:b]) for a, b in pairwise(starts)])
    squares = (steps - steps.mean()) ** 2
    square = float(squares.mean())
    if square <= 0.0 or _mean_square(squares) <= _PEAKED * square * square:
        return sigma
    sizes = np.sort(np.abs(steps))
    zeros = int(np.searchsorted(sizes, 0.0, "right"))
    small = float(sizes[int(_CORE * sizes.size)]) / (_CORE_SIZE * float(np.sqrt(2.0)))
    small = max(small, 0.5 * float(sizes[zeros + int(_CORE * (sizes.size - zeros))]))
    return _OF_CORE * small if small < _FAR_BELOW * sigma else sigma
