"""Whether a fitted model may be used at all, and what about it is doubtful."""

from typing import Final

import numpy as np

from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.result import Warned
from rpsd.regime.labels import NAMES, confidence, doubtful
from rpsd.regime.select import LEAST_OCCUPANCY
from rpsd.regime.state import free_parameters

LEAST_BARS: Final = 5.0
"""A state with fewer expected bars is fitted to points, not to a regime."""


def sound(state: Packet) -> Packet:
    """The model itself. Raises DegenerateFit for a state at the variance floor, or on fewer than five expected bars."""
    if state.head["collapsed"]:
        raise DegenerateFit(f"{len(state.head['collapsed'])} of {state.head['k']} states collapsed to the variance floor")
    if (fewest := float(state.arrays["weights"].min())) < LEAST_BARS:
        raise DegenerateFit(f"a state rests on {fewest:.1f} expected bars; {LEAST_BARS:g} are the least")
    return state


def doubts(state: Packet, x: Vector) -> list[Warned]:
    """What is doubtful about a labelled model of x (n,): convergence, rare states, names, and whether there are regimes at all."""
    k, weights = state.head["k"], state.arrays["weights"]
    names, found = NAMES[k], []
    if not state.head["converged"]:
        found.append(Warned("not_converged", f"EM stopped after {state.head['iterations']} iterations before it settled"))
    rare = [name for name, weight in zip(names, weights, strict=True) if weight < LEAST_OCCUPANCY * x.size]
    if rare:
        found.append(Warned("state_rarely_visited", f"{', '.join(rare)}: less than {LEAST_OCCUPANCY:.0%} of the bars"))
    if k > 1 and state.head["bic"] > one_state_bic(x):
        found.append(Warned("regimes_doubtful", f"one regime has a lower BIC than {k}: the data do not ask for regimes"))
    if low := doubtful(names, confidence(state)):
        found.append(Warned("label_confidence_low", f"means are not clearly apart: {', '.join(low)}; the aliases rank volatility instead"))
    return found


def one_state_bic(x: Vector) -> float:
    """BIC of one Gaussian at its maximum likelihood for x (n,)."""
    log_likelihood = -0.5 * x.size * (np.log(2 * np.pi * x.var()) + 1)
    return float(free_parameters(1) * np.log(x.size) - 2 * log_likelihood)
