"""Windows without any drift, of the kinds that markets and models make, and changes to plant into them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.feature import CORE_VIEWS
from rpsd.feature.graph import Graph, resolve
from rpsd.feature.quality import comparable
from rpsd.feature.run import compute

FEATURES: Final = 20
REFERENCE: Final = 500
WINDOWS: Final = (50, 100, 250)
"""Values of the window of today."""
_WARM: Final = 300
"""Bars before the reference, so that windows and volatility have settled."""

Draw = Callable[[np.random.Generator, int], Matrix]


def autoregressive(rho: float) -> Draw:
    """AR(1) of unit variance."""

    def draw(rng: np.random.Generator, n: int) -> Matrix:
        shocks = rng.normal(size=(n, FEATURES))
        x = np.empty_like(shocks)
        x[0] = shocks[0]
        for t in range(1, n):
            x[t] = rho * x[t - 1] + np.sqrt(1.0 - rho**2) * shocks[t]
        return x

    return draw


def zero_inflated(rho: float) -> Draw:
    """Zero nine times in ten, else a rounded exponential; what is not zero comes in clusters when rho > 0."""

    def draw(rng: np.random.Generator, n: int) -> Matrix:
        held = autoregressive(rho)(rng, n) > 1.2816  # the upper decile of a normal
        return np.where(held, np.round(1.0 + rng.exponential(size=held.shape), 1), 0.0)

    return draw


def garch(rng: np.random.Generator, n: int, series: int) -> Matrix:
    """Returns (n, series) of one per cent a day: GARCH(1,1) of .08 and .90 with Student noise of six degrees of freedom."""
    noise = rng.standard_t(6, size=(n, series)) * np.sqrt(4.0 / 6.0)
    x, variance = np.empty_like(noise), np.ones(series)
    for t in range(n):
        x[t] = np.sqrt(variance) * noise[t]
        variance = 0.02 + 0.08 * x[t] ** 2 + 0.90 * variance
    return x / 100.0


def moods(rng: np.random.Generator, n: int) -> Matrix:
    """Values (n, FEATURES) of two deviations, .7 and 2, each feature changing its own at random every 67 or 33 values."""
    x, wild = rng.normal(size=(n, FEATURES)), np.zeros(FEATURES, np.bool_)
    for t in range(n):
        wild ^= rng.random(FEATURES) > np.where(wild, 0.97, 0.985)
        x[t] *= np.where(wild, 2.0, 0.7)
    return x


def one_storm(rng: np.random.Generator, n: int) -> Matrix:
    """Independent values (n, FEATURES) under one deviation that all features share; its logarithm is AR(1) .99 of deviation .6."""
    slow = autoregressive(0.99)(rng, n)[:, :1]
    return np.asarray(np.exp(0.6 * slow) * rng.normal(size=(n, FEATURES)))


@lru_cache(maxsize=1)
def view() -> Graph:
    """core_technical, version 2."""
    return resolve("core_technical", CORE_VIEWS[2], {})


def prices_view(rng: np.random.Generator, n: int) -> Matrix:
    """The default view (n, 21) of bars whose close is a GARCH walk; its levels are ratios to the price, as a scan takes them."""
    returns = garch(rng, n + _WARM, 1)[:, 0]
    close = 100.0 * np.exp(np.cumsum(returns))
    spread = np.abs(returns) + 0.004
    volume = np.exp(12.0 + 0.3 * rng.normal(size=close.size) + 20.0 * np.abs(returns))
    high, low = close * np.exp(spread * rng.random(close.size)), close * np.exp(-spread * rng.random(close.size))
    columns: dict[str, Vector] = {"open": close * np.exp(-returns), "high": high, "low": low, "close": close, "volume": volume}
    columns = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    return np.asarray(comparable(view(), compute(view(), columns), close)[_WARM:])


CASES: Final[dict[str, Draw]] = {
    "independent, normal": lambda rng, n: rng.normal(size=(n, FEATURES)),
    "independent, Student of 3": lambda rng, n: rng.standard_t(3, size=(n, FEATURES)),
    "independent, counts": lambda rng, n: rng.poisson(1.5, size=(n, FEATURES)).astype(np.float64),
    "zero nine times in ten": zero_inflated(0.0),
    "zero nine times in ten, clustered": zero_inflated(0.9),
    "AR(1) .5": autoregressive(0.5),
    "AR(1) .9": autoregressive(0.9),
    "AR(1) .95": autoregressive(0.95),
    "AR(1) .98": lambda rng, n: autoregressive(0.98)(rng, n + _WARM)[_WARM:],
    "random walk": lambda rng, n: np.cumsum(rng.normal(size=(n, FEATURES)), axis=0),
    "GARCH returns": lambda rng, n: garch(rng, n + _WARM, FEATURES)[_WARM:],
    "two moods": lambda rng, n: moods(rng, n + _WARM)[_WARM:],
    "one volatility that all share": lambda rng, n: one_storm(rng, n + _WARM)[_WARM:],
    "default view of GARCH prices": prices_view,
}
"""What never drifts."""

EFFECTS: Final = (0.25, 0.5, 1.0, 2.0)
CHANGES: Final[dict[str, Callable[[Matrix, float, np.random.Generator], Matrix]]] = {
    "mean + e": lambda x, e, _: x + e,
    "deviation x (1 + e)": lambda x, e, _: x * (1.0 + e),
    "skewed, a share e/2 of it": lambda x, e, rng: np.where(rng.random(x.shape) < e / 2.0, rng.exponential(size=x.shape) - 1.0, x),
    "one in ten e x 3 away": lambda x, e, rng: np.where(rng.random(x.shape) < 0.1, x + 3.0 * e * np.sign(x), x),
}
"""What is planted into windows of independent normal values; mean and deviation stay as they were where it is skewed."""

TESTED: Final = ("mean + e", "deviation x (1 + e)")
"""Changes for which the textbooks have the best test of independent normal values."""
