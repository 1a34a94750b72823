"""Names of a walk-forward path on scenarios whose truth is known: `python -m tests.quality.walk_names [draws]`.

Balanced accuracy by name, beside the best that any one renaming of the whole path would reach; the gap is what naming loses. The control
names by the means of the data alone.
"""

import sys
from collections.abc import Callable
from itertools import permutations
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels
from rpsd.regime import hmm, labels
from rpsd.regime.walk import walk_forward
from tests.quality.scenarios import SCENARIOS, draw, generator

BARS: Final = 1512
"""Six years of days, of which the first is the burn-in."""

REFIT_EVERY: Final = 63
CASES: Final = ("S1", "S2", "S3", "S5", "S6", "S7", "S8")
"""S4 has equal means: its states have no right names."""

BLOCK: Final = 404


def balanced(told: Labels, truth: Labels, k: int) -> float:
    """Mean over states of the share of their bars that are told rightly."""
    return float(np.mean([(told[truth == i] == i).mean() for i in range(k) if (truth == i).any()]))


def scores(case: str, number: int) -> tuple[float, float]:
    """By name, and under the best renaming of the whole path."""
    scenario = SCENARIOS[case]
    drawn = draw(scenario, generator(BLOCK, case, number), BARS, 500)
    walk = walk_forward(drawn.x[:BARS], HmmParameters(k=scenario.k), hmm.fit, seed=0, refit_every=REFIT_EVERY)
    told, truth = walk.probabilities.argmax(axis=1), drawn.s[walk.first : BARS]
    best = max(balanced(np.array(names)[told], truth, scenario.k) for names in permutations(range(scenario.k)))
    return balanced(told, truth, scenario.k), best


def table(draws: int, expected: Callable[..., Vector]) -> None:
    """Print a row a scenario, states named by these expected means."""
    kept, labels.expected_means = labels.expected_means, expected
    try:
        for case in CASES:
            by_name, best = np.mean([scores(case, number) for number in range(draws)], axis=0)
            print(f"{case}  by name {by_name:.3f}  best renaming {best:.3f}", flush=True)
    finally:
        labels.expected_means = kept


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{count} draws of {BARS} bars, names by expected means")
    table(count, labels.expected_means)
    print("control: names by the means of the data alone")
    table(count, lambda state: state.arrays["means"])
