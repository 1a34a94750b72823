"""The state of a regime model as a packet: what every engine returns and every filter reads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Cube, Matrix
from rpsd.kernels import hmm as kernels
from rpsd.kernels.hmm import Model, Prior

SCALE: Final = 100.0
"""Observations are log returns times this: on raw daily returns, of variance 1e-4, every prior and floor would be misjudged."""

GAUSSIAN_DF: Final = 50.0
"""With emission auto a Student t of more degrees of freedom is made Gaussian."""

WORTH_NATS: Final = 2.0
"""What a fresh fit must gain on the one that went on from the predecessor: less than this is no evidence for another model."""

_PER_STATE: Final = ("startprob", "location", "dispersion", "df", "means", "variances", "weights")


def prior_of(x: Vector, params: HmmParameters) -> Prior:
    """The sticky Dirichlet prior as moves seen before the data, none for one state, and the least variance of a state, for x (n,)."""
    k = params.k
    counts = np.zeros((1, 1)) if k == 1 else np.full((k, k), params.spread) + np.eye(k) * (params.sticky - params.spread)
    return counts, max(params.variance_floor * float(x.var()), float(np.finfo(np.float64).tiny))


def penalty(transmat: Matrix, counts: Matrix) -> float:
    """Log of the prior of transmat (k, k) in nats, but for a constant: the counts times the logarithms, a count of zero adding none.

    Source: Dempster, Laird, Rubin (1977), JRSS B 39, 1-38, section 1.
    """
    seen = counts > 0
    return float((counts[seen] * np.log(transmat[seen])).sum())


@dataclass(frozen=True, slots=True)
class Parameters:
    """startprob (k,), transmat (k, k), location (k, d), dispersion (k, d, d) and df (k,), infinite for Gaussian states.

    dispersion is the covariance of a Gaussian state and the scale matrix of a Student t, whose covariance is df / (df - 2) times it.
    """

    startprob: Vector
    transmat: Matrix
    location: Matrix
    dispersion: Cube
    df: Vector

    @property
    def variances(self) -> Vector:
        """Variance (k,) of the first column; of df up to 2, where there is none, the one of df 2.1."""
        df = np.maximum(self.df, 2.1)
        with np.errstate(invalid="ignore"):
            inflation = np.where(np.isinf(df), 1.0, df / (df - 2))
        return np.asarray(self.dispersion[:, 0, 0] * inflation)


def parameters(state: Packet) -> Parameters:
    """Fresh, writable copies: kernels have one signature, packets are sealed."""
    return Parameters(*(np.array(state.arrays[name], np.float64) for name in ("startprob", "transmat", "location", "dispersion", "df")))


def model_of(p: Parameters) -> Model:
    """The parameters as the kernels read them."""
    d = p.location.shape[1]
    factor = np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(p.dispersion)))
    heights = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1) + [_log_peak(df, d) for df in p.df.tolist()]
    return p.startprob, p.transmat, p.location, factor, heights, p.df


def opened(state: Packet) -> Model:
    """A model state as the kernels read it, in fresh arrays."""
    return model_of(parameters(state))


def _log_peak(df: float, d: int) -> float:
    """Log density in nats of d standard columns at their centre."""
    if math.isinf(df):
        return -0.5 * d * math.log(2 * math.pi)
    return math.lgamma((df + d) / 2) - math.lgamma(df / 2) - 0.5 * d * math.log(df * math.pi)


def free_parameters(k: int, d: int = 1, emission: str = "gaussian") -> int:
    """Start distribution, moves, locations, dispersions, and the degrees of freedom that Student t states share.

    >>> free_parameters(3)
    14
    """
    return (k - 1) + k * (k - 1) + k * (d + d * (d + 1) // 2) + (1 if emission == "t" else 0)


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a fit ended: the parameters, the penalised log-likelihood (nats) of each iteration, convergence, who fitted, cold or warm.

    `collapsed` names the states at the variance floor; None: those whose variance of the return is at it.
    """

    parameters: Parameters
    trace: Vector
    converged: bool
    engine: str
    started: str
    kind: str = "hmm"
    columns: tuple[str, ...] = ("return",)
    collapsed: tuple[int, ...] | None = None


def described(z: Matrix, fitted: Fitted, prior: Prior) -> Packet:
    """The packet of a model fitted to z (n, d), whose first column are the returns, states in rising order of their variance.

    Head: kind, engine, emission, k, d, n, columns, scale, log_likelihood, penalised (nats), aic, bic, icl, iterations, converged, collapsed
    (states at the variance floor), started. Arrays: startprob, transmat, location, dispersion, df; of the returns means (k,) and variances
    (k,); weights (k,) expected bars in each state, trace the penalised log-likelihood of each iteration.
    """
    p, trace = fitted.parameters, fitted.trace
    model = model_of(p)
    (n, d), k = z.shape, p.startprob.size
    done, gamma = (np.empty((n, k)), np.empty((n, k)), np.empty(n)), np.empty((n, k))
    log_likelihood = kernels.forward(z, p.startprob, model, done, np.empty(n))
    kernels.smooth(p.transmat, done, gamma)
    emission = "gaussian" if np.isinf(p.df).all() else "t"
    free = free_parameters(k, d, emission)
    bic = free * float(np.log(n)) - 2 * log_likelihood
    sure = gamma[gamma > 0]
    collapsed = fitted.collapsed
    if collapsed is None:
        collapsed = tuple(np.flatnonzero(p.variances <= prior[1] * (1 + 1e-9)).tolist())  # rounding apart, at the floor
    head = {
        "kind": fitted.kind,
        "engine": fitted.engine,
        "emission": emission,
        "k": k,
        "d": d,
        "n": n,
        "columns": list(fitted.columns) if len(fitted.columns) == d else ["return", *(f"column {i}" for i in range(1, d))],
        "scale": SCALE,
        "log_likelihood": log_likelihood,
        "penalised": log_likelihood + penalty(p.transmat, prior[0]),
        "aic": 2 * free - 2 * log_likelihood,
        "bic": bic,
        "icl": bic - 2 * float((sure * np.log(sure)).sum()),
        "iterations": int(trace.size),
        "converged": fitted.converged,
        "collapsed": list(collapsed),
        "started": fitted.started,
    }
    arrays = {
        "startprob": p.startprob,
        "transmat": p.transmat,
        "location": p.location,
        "dispersion": p.dispersion,
        "df": p.df,
        "means": p.location[:, 0].copy(),
        "variances": p.variances,
        "weights": gamma.sum(axis=0),
        "trace": trace,
    }
    return permuted(Packet(head, arrays), np.argsort(arrays["variances"], kind="stable").tolist())


def permuted(state: Packet, order: Sequence[int]) -> Packet:
    """The same model with its states in another order: the new state i is the old order[i]."""
    index = np.asarray(order)
    arrays = dict(state.arrays)
    arrays |= {name: state.arrays[name][index] for name in _PER_STATE}
    arrays["transmat"] = state.arrays["transmat"][np.ix_(index, index)]
    collapsed = [i for i, old in enumerate(order) if old in state.head["collapsed"]]
    return Packet({**state.head, "collapsed": collapsed}, arrays)
