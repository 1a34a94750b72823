"""How many regimes: the Bayesian information criterion over one to five states, with the whole table."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import Fit
from rpsd.regime.observe import BARS_PER_STATE

LEAST_OCCUPANCY: Final = 0.03
"""A state that holds no more than this share of the bars is an episode, not a regime."""

LEAST_DURATION: Final = 5.0
"""A state that is left sooner, in expected bars, is noise, not a regime."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen model state, and one row for each number of states that was tried."""

    state: Packet
    table: tuple[dict[str, Any], ...]


def choose(x: Vector, params: HmmParameters, fit: Fit, seed: int) -> Choice:
    """The model of x (n,), returns in percent, with the lowest BIC among those whose states all pass the guards of occupancy and duration.

    Gaussian emissions: under heavy tails the criterion counts too many. Hindsight. Cost: five fits. Raises as `fit`.
    Source: Schwarz (1978), Annals of Statistics 6(2), 461-464.
    """
    counted = [k for k in range(1, 6) if k == 1 or x.size >= BARS_PER_STATE * k]
    fits = [fit(x, replace(params, k=k), seed=seed) for k in counted]
    guards = [_guarded(state) for state in fits]
    table = tuple(
        {
            "n_states": k,
            **{name: state.head[name] for name in ("log_likelihood", "aic", "bic", "converged")},
            "guards": not broken,
            "broken": broken,
        }
        for k, state, broken in zip(counted, fits, guards, strict=True)
    )
    allowed = [state for state, broken in zip(fits, guards, strict=True) if not broken]
    return Choice(min(allowed, key=lambda state: float(state.head["bic"])), table)


def _guarded(state: Packet) -> list[str]:
    """The guards that the model breaks; a single state has none to break."""
    if state.head["k"] == 1:
        return []
    stay = np.diag(state.arrays["transmat"])
    broken = ["variance_floor"] if state.head["collapsed"] else []
    broken += ["occupancy"] if state.arrays["weights"].min() <= LEAST_OCCUPANCY * state.head["n"] else []
    broken += ["duration"] if stay.min() <= 1 - 1 / LEAST_DURATION else []
    return broken
