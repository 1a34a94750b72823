"""The state of a hidden Markov model as a packet: what every engine returns and every filter reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.kernels import hmm as kernels
from rpsd.kernels.hmm import Model
from rpsd.kernels.hmm_em import Prior, penalty

SCALE: Final = 100.0
"""Observations are log returns times this: on raw daily returns, of variance 1e-4, every prior and floor would be misjudged."""

_PER_STATE: Final = ("startprob", "means", "variances", "weights")


def prior_of(x: Vector, params: HmmParameters) -> Prior:
    """The sticky Dirichlet prior as moves seen before the data, none for one state, and the least variance of a state, for x (n,)."""
    k = params.k
    counts = np.zeros((1, 1)) if k == 1 else np.full((k, k), params.spread) + np.eye(k) * (params.sticky - params.spread)
    return counts, max(params.variance_floor * float(x.var()), float(np.finfo(np.float64).tiny))


def opened(state: Packet) -> Model:
    """Fresh, writable startprob (k,), transmat (k, k), means (k,) and variances (k,): kernels have one signature, packets are sealed."""
    startprob, transmat, means, variances = (
        np.array(state.arrays[name], np.float64) for name in ("startprob", "transmat", "means", "variances")
    )
    return startprob, transmat, means, variances


def free_parameters(k: int) -> int:
    """Start distribution, moves, means and variances.

    >>> free_parameters(3)
    14
    """
    return (k - 1) + k * (k - 1) + 2 * k


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a fit ended: the model, the penalised log-likelihood (nats) of each iteration, convergence, who fitted, from cold or warm."""

    model: Model
    trace: Vector
    converged: bool
    engine: str
    started: str


def described(x: Vector, fitted: Fitted, prior: Prior) -> Packet:
    """The packet of a model fitted to x (n,), states in rising order of variance.

    Head: k, n, engine, log_likelihood, penalised (nats), aic, bic, iterations, converged, collapsed (states at the variance floor),
    scale. Arrays: the model, `weights` (k,) expected bars in each state, `trace` the penalised log-likelihood of each iteration.
    """
    model, trace = fitted.model, fitted.trace
    startprob, transmat, means, variances = model
    n, k = x.size, means.size
    done, gamma = (np.empty((n, k)), np.empty((n, k)), np.empty(n)), np.empty((n, k))
    log_likelihood = kernels.forward(x, model, done)
    kernels.smooth(transmat, done, gamma)
    free = free_parameters(k)
    head = {
        "kind": "hmm",
        "engine": fitted.engine,
        "k": k,
        "n": n,
        "scale": SCALE,
        "log_likelihood": log_likelihood,
        "penalised": log_likelihood + penalty(transmat, prior[0]),
        "aic": 2 * free - 2 * log_likelihood,
        "bic": free * float(np.log(n)) - 2 * log_likelihood,
        "iterations": int(trace.size),
        "converged": fitted.converged,
        "collapsed": np.flatnonzero(variances <= prior[1] * (1 + 1e-9)).tolist(),  # rounding apart, at the floor
        "started": fitted.started,
    }
    arrays = {
        "startprob": startprob,
        "transmat": transmat,
        "means": means,
        "variances": variances,
        "weights": gamma.sum(axis=0),
        "trace": trace,
    }
    return permuted(Packet(head, arrays), np.argsort(variances, kind="stable").tolist())


def permuted(state: Packet, order: Sequence[int]) -> Packet:
    """The same model with its states in another order: the new state i is the old order[i]."""
    index = np.asarray(order)
    arrays = dict(state.arrays)
    arrays |= {name: state.arrays[name][index] for name in _PER_STATE}
    arrays["transmat"] = state.arrays["transmat"][np.ix_(index, index)]
    collapsed = [i for i, old in enumerate(order) if old in state.head["collapsed"]]
    return Packet({**state.head, "collapsed": collapsed}, arrays)
