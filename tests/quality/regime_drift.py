"""How often models cry drift where there is none, and how soon where there is one: the table of the chapter on decisions.

Run: python -m tests.quality.regime_drift [t|gaussian] [models]
"""

import sys
from collections.abc import Callable
from typing import Final

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import drift, hmm
from rpsd.regime.residual import predictive_probabilities

WINDOW: Final = 500
AFTER: Final = (60, 120, 250)
CHANGES: Final[dict[str, Callable[[Vector, np.random.Generator], Vector]]] = {
    "none": lambda x, _: x,
    "volatility x 1.5": lambda x, _: 1.5 * x,
    "volatility x 2": lambda x, _: 2.0 * x,
    "volatility x 0.5": lambda x, _: 0.5 * x,
    "mean lower by half a deviation": lambda x, _: x - 0.5 * x.std(),
    "skewed": lambda x, rng: -(rng.exponential(1.0, x.size) - 1.0) * x.std(),
}


def simulated(rng: np.random.Generator, n: int, df: float | None) -> Vector:
    """Returns (n,) in percent of a calm and a wild regime, Student t with df degrees of freedom of unit variance, or Gaussian."""
    stay, means, deviations = (0.98, 0.97), np.array([0.06, -0.05]), np.array([0.7, 1.8])
    states = np.zeros(n, np.int64)
    for i, draw in enumerate(rng.random(n - 1), 1):
        states[i] = states[i - 1] if draw < stay[states[i - 1]] else 1 - states[i - 1]
    noise = rng.standard_normal(n) if df is None else rng.standard_t(df, n) * np.sqrt((df - 2) / df)
    return np.asarray(means[states] + deviations[states] * noise)


def record(state: Packet, before: Vector, after: Vector) -> Vector:
    """What a model that is never refitted foretold of the returns after (m,) those it was fitted on (n,)."""
    prior = hmm.ahead(state, hmm.filtered(state, before)[-1])
    return predictive_probabilities(state, prior, np.ascontiguousarray(after))[0].clip(0.0, 1.0)


def alarmed(probabilities: Vector, n: int) -> bool:
    """Whether the scan after n bars raises an alarm, given the one five bars before it."""
    tolerance = Tolerance()
    first = drift.judged(probabilities[: n - 5], WINDOW, None, tolerance)
    return drift.judged(probabilities[:n], WINDOW, first.as_facts(), tolerance).severity != "NONE"


def main() -> None:
    """Print the share of alarms for each change."""
    emission, models = (sys.argv[1:2] or ["t"])[0], int((sys.argv[2:3] or ["300"])[0])
    params = HmmParameters(k=2, emission=emission if emission == "gaussian" else "auto")
    returns = [simulated(np.random.default_rng([i, 7]), WINDOW + AFTER[-1], None if emission == "gaussian" else 5.0) for i in range(models)]
    states = [hmm.fit(x[:WINDOW], params, seed=0) for x in returns]
    for name, change in CHANGES.items():
        shares = np.zeros(len(AFTER))
        for i, (x, state) in enumerate(zip(returns, states, strict=True)):
            told = record(state, x[:WINDOW], change(x[WINDOW:], np.random.default_rng([i, 9])))
            shares += [alarmed(told, n) for n in AFTER]
        print(f"{name:32}", "  ".join(f"{n} bars {share / models:6.1%}" for n, share in zip(AFTER, shares, strict=True)), flush=True)


if __name__ == "__main__":
    main()
