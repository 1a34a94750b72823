"""The 95 % band around a denoised series, where its method has a model of its own error."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.market import Times, Vector
from rpsd.denoise import scale

COVERAGE: Final = 1.959963984540054  # deviations: the normal quantile of 97.5 %


@dataclass(frozen=True, slots=True)
class Band:
    """Lower and upper bound and the standard deviation (n,), unit of the input, NaN where the method says nothing about its error."""

    lower: Vector
    upper: Vector
    deviation: Vector


def deviations(method: Method, y: Vector, starts: Times, params: Any) -> Vector | None:
    """Standard deviation of the error of x̂ (m,) on the working scale, session by session; None when the method has no model of it."""
    if method.deviation is None and method.stream is None:
        return None
    found = np.concatenate([_of_session(method, y[a:b], params) for a, b in pairwise(starts)])
    return None if np.isnan(found).all() else found


def _of_session(method: Method, y: Vector, params: Any) -> Vector:
    if method.deviation is not None:
        return method.deviation(y, params)
    assert method.stream is not None  # deviations() asked
    state = method.stream.start(params)
    _, spread = method.stream.advance(state, y, params)
    if method.stream.flush is None or method.delay is None:
        return spread
    return np.concatenate([spread[method.delay(params) :], method.stream.flush(state, params)[1]])


def around(x: Vector, spread: Vector, work: scale.Working, unknown: npt.NDArray[np.bool_]) -> Band:
    """The band of x̂ (m,) with deviations (m,) on the price or log scale, without one at the unknown (n,) and in short sessions.

    On the log scale its bounds are exp of those of the logarithm, so that it is wider above than below; the deviation is to first order.
    """
    half = COVERAGE * spread
    bounds = [work.restore(x - half), work.restore(x + half)]
    deviation = spread if work.scale == "price" else spread * work.take(work.restore(x))
    known = np.isfinite(work.place(spread)) & np.isfinite(bounds[0]) & np.isfinite(bounds[1]) & ~unknown
    lower, upper, placed = (np.where(known, v, np.nan) for v in (*bounds, work.place(deviation)))
    return Band(lower, upper, placed)
