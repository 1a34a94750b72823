"""What a view may make of a feature: an earlier value, a change, a distance from its own mean, a ratio of two."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.feature import LONGEST_WINDOW
from rpsd.core.market import Vector
from rpsd.feature.momentum import earlier
from rpsd.kernels import moving


@dataclass(frozen=True, slots=True)
class Transform:
    """A step on one value or two of each bar. `run(sources, window)` maps vectors (n,), NaN where missing, to one (n,).

    `reach(window)` is the number of bars before a bar that its value needs; `window` None stands for a transform without one.
    """

    name: str
    sources: int
    run: Callable[[tuple[Vector, ...], int], Vector]
    reach: Callable[[int], int]
    formula: str
    summary: str
    window: int | None
    bounds: tuple[int, int] = (1, LONGEST_WINDOW)
    version: int = 1


def lag(sources: tuple[Vector, ...], window: int) -> Vector:
    """x of `window` bars before (n,). Causal. O(n). Source: the lag operator, Box and Jenkins (1970), 1.2."""
    return earlier(sources[0], window)


def difference(sources: tuple[Vector, ...], window: int) -> Vector:
    """x less x of `window` bars before (n,). Causal. O(n). Source: Box and Jenkins (1970), 1.2."""
    return sources[0] - earlier(sources[0], window)


def zscore(sources: tuple[Vector, ...], window: int) -> Vector:
    """(x - mean) / standard deviation over the last `window` bars (n,), divided by n; 0 where they are equal. Causal. O(n window).

    Source: Kreyszig (1979), Advanced Engineering Mathematics, 24.6 (the standardised variable), taken over a trailing window.
    """
    (x,) = sources
    mean, deviation, out = (np.empty(x.size) for _ in range(3))
    moving.mean(x, window, mean)
    moving.deviation(x, window, deviation)
    moving.quotient(x - mean, deviation, out)
    return np.where(deviation == 0.0, 0.0, out)


def ratio(sources: tuple[Vector, ...], window: int) -> Vector:
    """x / y (n,), NaN where y is zero. Causal. O(n). Source: the quotient of two reals."""
    del window
    out = np.empty(sources[0].size)
    moving.quotient(*sources, out)
    return out


TRANSFORMS: Final[tuple[Transform, ...]] = (
    Transform("lag", 1, lag, lambda window: window, "x[t-k]", "The value of k bars before.", 1),
    Transform("difference", 1, difference, lambda window: window, "x[t] - x[t-k]", "The change over k bars.", 1),
    Transform(
        "zscore",
        1,
        zscore,
        lambda window: window - 1,
        "(x[t] - m) / s; m, s: mean and deviation (divided by n) of the last n values",
        "Distance from the mean of the last n values, in their standard deviations; 0 where they are equal.",
        20,
        (2, LONGEST_WINDOW),
    ),
    Transform("ratio", 2, ratio, lambda _: 0, "x[t] / y[t]", "One value by another, missing where that is zero.", None),
)
