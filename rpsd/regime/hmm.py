"""Gaussian hidden Markov model on the appliance's own kernels: fit, filter, smooth, decode and forecast."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels, Matrix
from rpsd.kernels import hmm as kernels
from rpsd.kernels import hmm_em
from rpsd.regime.observe import checked
from rpsd.regime.starts import beginnings
from rpsd.regime.state import Fitted, described, opened, prior_of

SHORT_RUN: Final = 15
"""EM evaluations of the first round of starts: enough to leave the beginning, few enough to afford many."""


@dataclass(frozen=True, slots=True)
class _Run:
    """EM under way: the model as it stands, its trace, and whether it has converged."""

    model: kernels.Model
    trace: Vector
    converged: bool = False


def fit(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None) -> Packet:
    """The model state of x (n,), log returns in percent, by EM from several starts; states in rising order of variance.

    EM raises the likelihood penalised by a sticky Dirichlet prior on the moves and never lowers it. With `warm`, a model state of as
    many states, EM goes on from there alone. Hindsight: parameters see all of x. `converged` in the head is reported, never assumed.
    Raises TooShort, NotFinite, ConstantSeries. Cost O(n k^2) an iteration.
    Source: Rabiner (1989), Proc. IEEE 77(2), sections III-C and V; sticky prior: Fox and others (2011), Ann. Appl. Stat. 5(2A), 1020-1056.
    """
    x = checked(x, params.k)
    prior = prior_of(x, params)
    if warm is not None:
        run = _Run(opened(warm), np.empty(0))
    else:
        starts = beginnings(x, params.k, params.starts, prior, np.random.default_rng(seed))
        run = _best([_Run(model, np.empty(0)) for model in starts], x, params, prior)
    run = _continued(run, params.max_iterations, x, params, prior)
    started = "cold" if warm is None else "warm"
    return described(x, Fitted(run.model, run.trace, run.converged, "numba", started), prior)


def _best(field: list[_Run], x: Vector, params: HmmParameters, prior: hmm_em.Prior) -> _Run:
    """The winner of rounds that halve the field and double the length of the runs.

    A long plateau often precedes the highest maximum, so that one short round would choose the wrong start. Runs rank by penalised
    likelihood, those with a state at the variance floor last. Source: Jamieson, Talwalkar (2016), AISTATS 51, 240-248.
    """
    length = SHORT_RUN
    while len(field) > 1:
        field = [_continued(run, length, x, params, prior) for run in field]
        field.sort(key=lambda run: (bool((run.model[3] > prior[1]).all()), float(run.trace[-1])), reverse=True)
        field, length = field[: (len(field) + 1) // 2], 2 * length
    return field[0]


def _continued(run: _Run, evaluations: int, x: Vector, params: HmmParameters, prior: hmm_em.Prior) -> _Run:
    """The run after at most so many further evaluations of EM, its model changed in place."""
    if run.converged:
        return run
    further = np.empty(evaluations)
    steps, converged = hmm_em.em(x, run.model, prior, params.tolerance, further)
    # the first evaluation is of the model that ended the run so far
    return _Run(run.model, np.concatenate([run.trace[:-1], further[:steps]]), converged)


def filter_from(state: Packet, prior: Vector, x: Vector) -> tuple[Matrix, Vector]:
    """p(s_t | prior, x_1..x_t) (n, k) and log p(x_t | prior, past) (n,) in nats, prior (k,) being that of the first bar. Causal in x."""
    x = np.array(x, np.float64)
    alpha, evidence = np.empty((x.size, prior.size)), np.empty(x.size)
    kernels.filter_on(x, np.array(prior, np.float64), opened(state), alpha, evidence)
    return alpha, evidence


def filtered(state: Packet, x: Vector) -> Matrix:
    """p(s_t | x_1..x_t) (n, k) for x (n,) in percent. Causal in x, given the parameters.

    Source: Hamilton (1989), Econometrica 57(2), equation 4.5.
    """
    return filter_from(state, state.arrays["startprob"], x)[0]


def ahead(state: Packet, p: Vector) -> Vector:
    """p(s_{t+1} | x_1..x_t) (k,) from p = p(s_t | x_1..x_t), with the very arithmetic of the filter."""
    prior = np.empty(p.size)
    kernels.predict(0, np.array(p, np.float64).reshape(1, -1), opened(state)[1], prior)
    return prior


def step(state: Packet, p: Vector, x_new: float) -> Vector:
    """The filter moved on by one bar: p(s_{t+1} | x_1..x_{t+1}) (k,) from p (k,) of bar t and x_new in percent.

    Equals the last row of `filtered` over all bars bit for bit. Causal. Cost O(k^2).
    """
    alpha, _ = filter_from(state, ahead(state, p), np.array([x_new]))
    row: Vector = alpha[0]
    return row


def smoothed(state: Packet, x: Vector) -> Matrix:
    """p(s_t | x_1..x_n) (n, k). Hindsight: every row sees all of x. Source: Rabiner (1989), equation 27."""
    model = opened(state)
    n, k = x.size, model[2].size
    done, gamma = (np.empty((n, k)), np.empty((n, k)), np.empty(n)), np.empty((n, k))
    kernels.forward(np.array(x, np.float64), model, done)
    kernels.smooth(model[1], done, gamma)
    return gamma


def viterbi(state: Packet, x: Vector) -> Labels:
    """The jointly most likely states (n,). Hindsight. Source: Rabiner (1989), section III-B."""
    path = np.empty(x.size, np.int64)
    kernels.viterbi(np.array(x, np.float64), opened(state), path)
    return path


def forecast(state: Packet, p: Vector, steps: int) -> Matrix:
    """State probabilities (steps, k) of the 1 to `steps` bars after the one that p (k,) describes. Causal."""
    transmat = state.arrays["transmat"]
    rows = np.empty((steps, transmat.shape[0]))
    for h in range(steps):
        p = p @ transmat
        rows[h] = p
    return rows


def stationary(state: Packet) -> Vector:
    """The long-run share of each state (k,): the p of p = p A, of least norm when there are several."""
    transmat = state.arrays["transmat"]
    k = transmat.shape[0]
    equations = np.vstack([transmat.T - np.eye(k), np.ones((1, k))])
    solution = np.linalg.lstsq(equations, np.append(np.zeros(k), 1.0), rcond=None)[0].clip(0.0)
    shares: Vector = solution / solution.sum()
    return shares
