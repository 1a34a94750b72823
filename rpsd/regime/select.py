"""How many regimes: one against more by BIC, then how many by AIC, on Student t fits, with the whole table and its reasons."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm
from rpsd.regime.observe import BARS_PER_STATE

LEAST_OCCUPANCY: Final = 0.03
"""A state that holds no more than this share of the bars is an episode, not a regime."""

LEAST_DURATION: Final = 5.0
"""A state that is left sooner, in expected bars, is noise, not a regime."""

_JUDGED: Final = HmmParameters(emission="t", sticky=0.0, spread=0.0)
"""Fits that are compared: heavy tails must not count as states, and a criterion knows no prior."""

_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """The number of states, and one row for each number that was tried."""

    k: int
    table: tuple[dict[str, Any], ...]


def choose(x: Vector, seed: int) -> Choice:
    """The number of states, 1 to 5, of x (n,), returns in percent; how they are fitted afterwards is the caller's.

    First one state against the larger numbers that pass the guards of occupancy and duration, by BIC, which counts slowly; then among
    these the lowest score, which finds the rare states that BIC leaves out: AIC without the start distribution, for that is known from one
    bar however many there are. Row: n_states, log_likelihood, aic, bic, icl, score, converged, guards (all held), broken (their names),
    chosen, reason. Hindsight. Cost: five fits. Raises as `hmm.fit`.
    Source: BIC: Schwarz (1978), Ann. Statist. 6, 461-464; AIC: Akaike (1974), IEEE Trans. Autom. Control 19, 716-723; ICL, for information:
    Biernacki, Celeux, Govaert (2000), IEEE Trans. PAMI 22, 719-725.
    """
    tried = [k for k in range(1, _MOST + 1) if k == 1 or x.size >= BARS_PER_STATE * k]
    fits = {k: hmm.fit(x, replace(_JUDGED, k=k), seed=seed) for k in tried}
    broken = {k: _broken(state) for k, state in fits.items()}
    allowed = [k for k in tried if k > 1 and not broken[k]]
    bic = {k: float(state.head["bic"]) for k, state in fits.items()}
    score = {k: float(state.head["aic"]) - 2 * (k - 1) for k, state in fits.items()}
    several = bool(allowed) and min(bic[k] for k in allowed) < bic[1]
    chosen = min(allowed, key=lambda k: score[k]) if several else 1
    table = tuple(
        {
            "n_states": k,
            **{name: state.head[name] for name in ("log_likelihood", "aic", "bic", "icl", "converged")},
            "score": score[k],
            "guards": not broken[k],
            "broken": broken[k],
            "chosen": k == chosen,
            "reason": _reason(k, chosen, broken[k], score, bic),
        }
        for k, state in fits.items()
    )
    return Choice(chosen, table)


def _reason(k: int, chosen: int, broken: list[str], score: dict[int, float], bic: dict[int, float]) -> str:
    """Why this number was chosen or not, in words."""
    if k == chosen:
        return "no larger number has a lower BIC within the guards" if k == 1 else "lowest score; several states have a lower BIC than one"
    if broken:
        return f"breaks {' and '.join(broken)}"
    if k == 1:
        return "several states have a lower BIC"
    if chosen == 1:
        return f"BIC higher by {bic[k] - bic[1]:.1f} than of one state"
    return f"score higher by {score[k] - score[chosen]:.1f}"


def _broken(state: Packet) -> list[str]:
    """The guards that the model breaks; a single state has none to break."""
    if state.head["k"] == 1:
        return []
    stay = np.diag(state.arrays["transmat"])
    broken = ["variance_floor"] if state.head["collapsed"] else []
    broken += ["occupancy"] if state.arrays["weights"].min() <= LEAST_OCCUPANCY * state.head["n"] else []
    broken += ["duration"] if stay.min() <= 1 - 1 / LEAST_DURATION else []
    return broken
