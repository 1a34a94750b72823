"""Planted regimes: prices drawn from a known hidden Markov model, with the truth beside them."""

from dataclasses import dataclass

import numpy as np
import pytest

from rpsd.core.market import DAY_NS, Times, Vector
from rpsd.core.result import Labels

START_NS = 1_577_836_800_000_000_000  # 2020-01-01


@dataclass(frozen=True)
class Planted:
    """Prices (n + 1,) on weekdays t (n + 1,), their returns x (n,) in percent and the true states (n,)."""

    prices: Vector
    t: Times
    x: Vector
    states: Labels


def weekdays(n: int) -> Times:
    days = np.arange(3 * n) + START_NS // DAY_NS
    return days[(days + 3) % 7 < 5][:n] * DAY_NS


def plant(n: int, means: tuple[float, ...], deviations: tuple[float, ...], stay: float, seed: int) -> Planted:
    rng, k = np.random.default_rng(seed), len(means)
    states = np.zeros(n, np.int64)
    for i in range(1, n):
        states[i] = states[i - 1] if rng.random() < stay else (states[i - 1] + rng.integers(1, max(k, 2))) % k
    x = np.array(means)[states] + np.array(deviations)[states] * rng.normal(size=n)
    return Planted(100 * np.exp(np.concatenate([[0.0], np.cumsum(x)]) / 100), weekdays(n + 1), x, states)


@pytest.fixture(scope="session")
def two() -> Planted:
    """Two regimes that no method could confuse."""
    return plant(800, (-0.4, 0.25), (2.0, 0.5), 0.98, seed=5)


@pytest.fixture(scope="session")
def three() -> Planted:
    """Scenario S1 of the methods document: bear, sideways, bull."""
    return plant(1250, (-0.15, 0.0, 0.10), (2.0, 1.0, 0.6), 0.98, seed=7)


@pytest.fixture(scope="session")
def one() -> Planted:
    """No regimes at all."""
    return plant(1000, (0.02,), (1.0,), 1.0, seed=9)


@pytest.fixture(scope="session")
def garch() -> Vector:
    """1,250 returns whose variance moves all the time and has no states: GARCH(1, 1), Bollerslev (1986), as fitted to daily indices."""
    rng, variance, x = np.random.default_rng(17), 1.0, np.empty(1750)
    for i in range(x.size):
        x[i] = np.sqrt(variance) * rng.normal()
        variance = 0.02 + 0.09 * x[i] ** 2 + 0.89 * variance
    return x[500:]
