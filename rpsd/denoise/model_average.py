"""`model_average`: the causal `auto`, kalman and imm weighted by how well each foretold the samples so far. Causal."""

from typing import Any, Final

import numpy as np

from rpsd.core.catalogue import Method, Stream
from rpsd.core.market import Vector
from rpsd.core.parameters import ImmParameters, KalmanParameters, ModelAverageParameters
from rpsd.denoise import imm, kalman
from rpsd.kernels import imm as kernels

MEMBERS: Final = ("kalman", "imm")
"""Who is averaged, in the order of the state."""
_TAIL: Final = kernels.start_average(len(MEMBERS)).size


def _members(params: ModelAverageParameters) -> tuple[KalmanParameters, ImmParameters]:
    """The parameters of kalman and imm."""
    return KalmanParameters(window=params.window, refit_every=params.refit_every), ImmParameters(stay=params.stay)


def start(params: ModelAverageParameters) -> Vector:
    """State before the first sample: kalman's, imm's, then weights and account."""
    own, other = _members(params)
    return np.concatenate([kalman.start(own), imm.start(other), kernels.start_average(len(MEMBERS))])


def advance(state: Vector, y: Vector, params: ModelAverageParameters) -> tuple[Vector, Vector]:
    """x̂ (n,) of the next samples y (n,) and the standard deviation of its error (n,), NaN before the first move. Causal. O(n)."""
    own, other = _members(params)
    split = kalman.start(own).size
    rows = np.array([kalman.foretell(state[:split], y, own), imm.foretell(state[split:-_TAIL], y, other)])
    x, variances = np.empty(y.size), np.empty(y.size)
    values, spreads, scores = (np.ascontiguousarray(rows[:, i]) for i in range(3))
    kernels.average(values, spreads, scores, params.forgetting, state[-_TAIL:], x, variances)
    return imm.weaken(y, np.where(np.isnan(x), y, x), variances, params.strength)


def run(y: Vector, params: ModelAverageParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit. Causal: x̂_t uses y_0..y_t, bit for bit. O(n).

    The weight of each member is its old one to the power `forgetting`, times the density that it gave the sample before it came.
    Source: Raftery, Karny and Ettler (2010), Technometrics 52, 52-66.
    """
    return advance(start(params), y, params)[0]


def evidence(state: Vector) -> dict[str, Any]:
    """What decided, up to the last sample of state: final weights, share of samples in which each led, mean log density foretold.

    The log densities are in nats a sample, of each member and of the average; None before any sample was scored. O(1).
    """
    k, tail = len(MEMBERS), state[-_TAIL:]
    count = float(tail[0])
    weights = np.exp(tail[2 : 2 + k] - tail[2 : 2 + k].max())
    scores = dict(zip((*MEMBERS, "average"), (*tail[2 + 2 * k :], tail[1]), strict=True))
    return {
        "scored": int(count),
        "weights": {name: float(w / weights.sum()) for name, w in zip(MEMBERS, weights, strict=True)},
        "led": {name: float(led) / count if count else None for name, led in zip(MEMBERS, tail[2 + k : 2 + 2 * k], strict=True)},
        "log_score": {name: float(total) / count if count else None for name, total in scores.items()},
    }


METHOD = Method(
    name="model_average",
    causal=True,
    params=ModelAverageParameters,
    run=run,
    source="Raftery, Karny and Ettler (2010), Technometrics 52, 52-66",
    cost="O(n)",
    summary="Average of kalman and imm, weighted by how well each foretold the samples so far; uses the past only.",
    stream=Stream(start, advance),
)
