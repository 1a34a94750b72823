"""Whether a fitted model may be used at all, and what about it is doubtful."""

from typing import Final

import numpy as np

from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.result import Warned
from rpsd.regime.labels import NAMES, confidence, doubtful
from rpsd.regime.rival import garch_aic, one_state_bic
from rpsd.regime.select import LEAST_OCCUPANCY

LEAST_BARS: Final = 5.0
"""A state with fewer expected bars is fitted to points, not to a regime."""

_PARAMETERS: Final = ("startprob", "transmat", "location", "dispersion", "means", "variances", "weights")


def sound(state: Packet) -> Packet:
    """The model itself. Raises DegenerateFit for a number that is not finite, a state at the variance floor or on fewer than LEAST_BARS."""
    if not all(np.isfinite(state.arrays[name]).all() for name in _PARAMETERS):
        raise DegenerateFit("the fit ended in numbers that are not finite")
    if state.head["collapsed"]:
        raise DegenerateFit(f"{len(state.head['collapsed'])} of {state.head['k']} states collapsed to the variance floor")
    if (fewest := float(state.arrays["weights"].min())) < LEAST_BARS:
        raise DegenerateFit(f"a state rests on {fewest:.1f} expected bars; {LEAST_BARS:g} are the least")
    return state


def doubts(state: Packet, x: Vector) -> list[Warned]:
    """What is doubtful about a labelled model of x (n,): convergence, rare states, names, and whether there are regimes at all."""
    names, weights, found = NAMES[state.head["k"]], state.arrays["weights"], []
    if not state.head["converged"]:
        found.append(Warned("not_converged", f"EM stopped after {state.head['iterations']} iterations before it settled"))
    rare = [name for name, weight in zip(names, weights, strict=True) if weight < LEAST_OCCUPANCY * x.size]
    if rare:
        found.append(Warned("state_rarely_visited", f"{', '.join(rare)}: less than {LEAST_OCCUPANCY:.0%} of the bars"))
    if rivals := _better_without_regimes(state, x):
        found.append(Warned("regimes_doubtful", "; ".join(rivals)))
    if low := doubtful(names, confidence(state)):
        found.append(Warned("label_confidence_low", f"means are not clearly apart: {', '.join(low)}; the aliases rank volatility instead"))
    return found


def _better_without_regimes(state: Packet, x: Vector) -> list[str]:
    """The rivals that explain x (n,) better than the model; likelihoods of other columns than the return cannot be compared."""
    if state.head["k"] == 1 or state.head["kind"] != "hmm" or state.head["columns"] != ["return"]:
        return []
    found = []
    if (less := state.head["bic"] - one_state_bic(x)) > 0:
        found.append(f"one regime has a BIC lower by {less:.1f}: the data do not ask for {state.head['k']}")
    if (less := state.head["aic"] - garch_aic(x)) > 0:
        found.append(f"a GARCH volatility without regimes has an AIC lower by {less:.1f}: they may only sum up how it moves")
    return found
