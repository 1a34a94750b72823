"""Simulated returns whose regimes are known: the eight scenarios of the regime chapter, and controls that have none.

Returns in percent. A scenario is a hidden Markov model; a control is one regime (independent draws) or a variance that moves without
regimes (GARCH). Names: S1 to S8, `iid gaussian`, `iid t4`, `garch`.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix

TRAIN: Final = 1250
"""Bars to fit on, five years of days."""

TEST: Final = 500
"""Unseen bars after them, two years of days."""

LEAST_TRAIN: Final = 25
LEAST_TEST: Final = 8
"""A draw in which a state has fewer bars in either part is drawn again: what did not happen can be neither learnt nor judged."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A hidden Markov model: mean, deviation (percent a bar) and stay probability of each state (k,); other moves are equally likely.

    `df` are the degrees of freedom of the noise, which is scaled to unit variance: inf is Gaussian.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    stay: tuple[float, ...]
    df: float = float("inf")

    @property
    def k(self) -> int:
        """Number of states."""
        return len(self.means)

    @property
    def transmat(self) -> Matrix:
        """Transition matrix (k, k), rows from."""
        moves = (1.0 - np.array(self.stay))[:, None] / (self.k - 1) * np.ones((self.k, self.k))
        np.fill_diagonal(moves, self.stay)
        return moves

    @property
    def stationary(self) -> Vector:
        """Long-run share of each state (k,); the first bar is drawn from it."""
        equations = np.vstack([self.transmat.T - np.eye(self.k), np.ones((1, self.k))])
        shares: Vector = np.linalg.lstsq(equations, np.append(np.zeros(self.k), 1.0), rcond=None)[0]
        return shares


_THREE: Final = ((-0.15, 0.0, 0.10), (2.0, 1.0, 0.6))
_TWO: Final = ((-0.088, 0.069), (1.81, 0.685), (0.9775, 0.988))

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "S1": Scenario(*_THREE, (0.98, 0.98, 0.985)),
    "S2": Scenario(*_THREE, (0.90, 0.90, 0.90)),
    "S3": Scenario(*_THREE, (0.98, 0.98, 0.985), df=4.0),
    "S4": Scenario((0.0, 0.0, 0.0), (2.2, 1.1, 0.6), (0.98, 0.98, 0.98)),
    "S5": Scenario((-0.5, 0.0, 0.5), (1.0, 1.0, 1.0), (0.98, 0.98, 0.98)),
    "S6": Scenario(*_TWO),
    "S7": Scenario(*_TWO, df=4.0),
    "S8": Scenario((-0.27, -0.07, 0.014, 0.095), (3.46, 1.54, 0.97, 0.52), (0.965, 0.977, 0.956, 0.97)),
}
"""S1 is the plain one; S2 changes often; S3 has heavy tails; S4 differs in variance alone and S5 in mean alone; S6 to S8 were fitted to
stock indices, S7 with heavy tails."""

IDENTIFIABLE: Final = ("S1", "S3", "S4", "S6", "S7", "S8")
"""Scenarios whose number of regimes 1,250 bars can tell."""

HEAVY: Final = ("S3", "S7")
"""Scenarios with t4 noise."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Returns x (n,) in percent and the true states s (n,), the first `train` bars to fit on."""

    x: Vector
    s: Labels
    train: int = TRAIN

    @property
    def seen(self) -> Vector:
        """The returns to fit on (train,)."""
        return self.x[: self.train]

    @property
    def seen_states(self) -> Labels:
        """Their true states (train,)."""
        return self.s[: self.train]

    @property
    def unseen(self) -> Vector:
        """The returns to judge on (n - train,)."""
        return self.x[self.train :]

    @property
    def unseen_states(self) -> Labels:
        """Their true states (n - train,)."""
        return self.s[self.train :]


def generator(block: int, case: str, number: int) -> np.random.Generator:
    """The draw's own generator: a case keeps its draws when others are added."""
    return np.random.default_rng((block, zlib.crc32(case.encode()), number))


def path(scenario: Scenario, n: int, rng: np.random.Generator) -> Labels:
    """Hidden states (n,), the first from the stationary distribution."""
    moves = np.cumsum(scenario.transmat, axis=1)
    uniform = rng.random(n)
    s = np.empty(n, np.int64)
    s[0] = min(int(np.searchsorted(np.cumsum(scenario.stationary), uniform[0], "right")), scenario.k - 1)
    for t in range(1, n):
        s[t] = min(int(np.searchsorted(moves[s[t - 1]], uniform[t], "right")), scenario.k - 1)
    return s


def noise(df: float, n: int, rng: np.random.Generator) -> Vector:
    """Independent noise (n,) of unit variance: Student's t with df > 2, Gaussian when df is inf."""
    if np.isinf(df):
        return rng.normal(size=n)
    return rng.standard_t(df, size=n) / np.sqrt(df / (df - 2.0))


def draw(scenario: Scenario, rng: np.random.Generator, train: int = TRAIN, test: int = TEST) -> Draw:
    """Returns and states, drawn again until every state has its least bars in both parts."""
    while True:
        s = path(scenario, train + test, rng)
        seen, unseen = (np.bincount(part, minlength=scenario.k).min() for part in (s[:train], s[train:]))
        if seen >= LEAST_TRAIN and unseen >= LEAST_TEST:
            e = noise(scenario.df, train + test, rng)
            return Draw(np.array(scenario.means)[s] + np.array(scenario.deviations)[s] * e, s, train)


def garch(n: int, rng: np.random.Generator, alpha: float = 0.09, beta: float = 0.89) -> Vector:
    """A Gaussian GARCH(1, 1) path (n,) of unit variance in the long run: the variance moves all the time, and there are no regimes.

    The parameters are those usual for daily indices. Source: Bollerslev (1986), J. Econometrics 31(3), 307-327.
    """
    burn = 500  # bars before the first returned one: the variance has then forgotten where it began
    e, x, variance = rng.normal(size=n + burn), np.empty(n + burn), 1.0
    for t in range(n + burn):
        x[t] = np.sqrt(variance) * e[t]
        variance = (1.0 - alpha - beta) + alpha * x[t] ** 2 + beta * variance
    return x[burn:]


CONTROLS: Final[Mapping[str, Callable[[int, np.random.Generator], Vector]]] = {
    "iid gaussian": lambda n, rng: 0.03 + noise(float("inf"), n, rng),
    "iid t4": lambda n, rng: 0.03 + noise(4.0, n, rng),
    "garch": garch,
}
"""Name -> draw(n, rng) -> returns (n,): one regime, and none."""
