"""What regimes seem to earn on returns that nobody can foretell: a test of who sees the future."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.errors import RpsdError
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.result import Matrix
from rpsd.regime.hmm import filtered, smoothed
from rpsd.regime.labels import named
from rpsd.regime.walk import walk_forward
from tests.quality.measure import pool
from tests.quality.regime_contestants import REFIT_EVERY, engines
from tests.quality.scenarios import generator

BARS: Final = 1250
YEAR: Final = 252
K: Final = 3
SURE: Final = 3.0
"""Standard errors beyond which earnings are no accident."""


@dataclass(frozen=True, slots=True)
class Earned:
    """Annual Sharpe ratio, mean over the series, and its standard error."""

    sharpe: float
    error: float

    @property
    def leaks(self) -> bool:
        """Whether it earns what nobody can earn."""
        return self.sharpe > SURE * self.error


def position(probabilities: Matrix) -> Vector:
    """p(Bull) - p(Bear) of a labelled model of three states (n,): what a trader of regimes would hold over the next bar."""
    return np.asarray(probabilities[:, 2] - probabilities[:, 0])


def sharpe(held: Vector, x: Vector) -> float:
    """Annual Sharpe ratio of holding position t over bar t + 1; 0 when nothing was held."""
    earned = held[:-1] * x[1:]
    deviation = float(earned.std())
    return float(earned.mean()) / deviation * float(np.sqrt(YEAR)) if deviation > 0.0 else 0.0


def series(block: int, number: int) -> Vector:
    """Independent normal returns without drift (BARS,), in percent: there are no regimes and nothing to foretell."""
    return generator(block, "leak", number).normal(size=BARS)


def ways(block: int, number: int) -> dict[str, float]:
    """Sharpe ratio of each mode on one series, over the bars that walk-forward serves as well; a refused fit holds nothing."""
    x, engine = series(block, number), engines()[0]
    params, half = engine.params(K), BARS // 2

    def fitted(part: Vector) -> Packet:
        return named(engine.model.fit(part.copy(), params, seed=0))

    try:
        state, early = fitted(x), fitted(x[:half])
        walk = walk_forward(x.copy(), params, engine.model.fit, seed=0, refit_every=REFIT_EVERY)
    except RpsdError:
        return dict.fromkeys(WAYS, 0.0)
    start = walk.first  # later than the burn-in where that had no sound fit
    rows = (
        sharpe(position(walk.probabilities), x[start:]),
        sharpe(position(filtered(early, x))[half:], x[half:]),
        sharpe(position(filtered(state, x))[start:], x[start:]),
        sharpe(position(smoothed(state, x))[start:], x[start:]),
    )
    return dict(zip(WAYS, rows, strict=True))


WAYS: Final = (
    "`walk_forward`",
    "`filtered`, after `causal_from`",
    "`filtered`, bars that the parameters have seen",
    "`smoothed`",
)
CLAIMS: Final = dict(zip(WAYS, ("causal", "causal", "looks ahead", "looks ahead"), strict=True))


def _task(task: tuple[int, int]) -> dict[str, float]:
    return ways(*task)


def earned(block: int, count: int, workers: int) -> dict[str, Earned]:
    """What every mode earns over so many series."""
    with pool(workers) as executor:
        rows = list(executor.map(_task, [(block, number) for number in range(count)], chunksize=8))
    found = {}
    for way in WAYS:
        values = np.array([row[way] for row in rows])
        found[way] = Earned(float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)))
    return found
