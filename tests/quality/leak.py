"""The leak test: what holding the sign of a denoiser's last step earns on random walks, where nothing can be earned.

A method that saw the future earns; one that did not has a Sharpe ratio within three standard errors of 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.denoise.run import denoise
from tests.quality.contestants import UNJUDGED

DAYS = 252  # a return a day
SURE = 3.0  # standard errors


@dataclass(frozen=True, slots=True)
class Earned:
    """Annual Sharpe ratio of the pooled daily profits and its standard error under no skill, sqrt(252 / days)."""

    sharpe: float
    error: float

    @property
    def leaks(self) -> bool:
        """Whether chance does not explain it."""
        return abs(self.sharpe) > SURE * self.error


def walks(count: int, n: int, seed: int) -> list[Vector]:
    """Random walks (n,) of unit steps from 1000: their steps have neither drift nor memory."""
    return [1000.0 + np.cumsum(np.random.default_rng((seed, number)).normal(size=n)) for number in range(count)]


def profits(y: Vector, x: Vector, delay: int = 0) -> Vector:
    """Daily profit of holding sign(x̂_t - x̂_{t-1}), known after sample t + delay, over the step that follows."""
    position = np.sign(np.diff(x))[: y.size - 2 - delay]
    return np.asarray(position * np.diff(y)[1 + delay :])


def earned(estimate: Callable[[Vector], Vector], series: list[Vector], delay: int = 0) -> Earned:
    """What an estimate earns over all the walks; an estimate that never moves earns 0."""
    pooled = np.concatenate([profits(y, estimate(y), delay) for y in series])
    spread = float(pooled.std())
    return Earned(float(np.sqrt(DAYS)) * float(pooled.mean()) / spread if spread > 0.0 else 0.0, float(np.sqrt(DAYS / pooled.size)))


def through_the_door(method: Method | None) -> Callable[[Vector], Vector]:
    """A method of the catalogue on the working scale, or without one what causal auto answers; neither is weakened by guardrails."""
    if method is None:
        return lambda y: denoise(y, causality="causal", guardrails=UNJUDGED).values
    return lambda y: denoise(y, method=method.name, scale="price", guardrails=UNJUDGED).values


def delay_of(method: Method) -> int:
    """Samples that the method waits, with its defaults."""
    return method.delay(method.params()) if method.delay else 0
