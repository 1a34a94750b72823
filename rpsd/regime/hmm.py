"""Gaussian hidden Markov model on the appliance's own kernels: fit, filter, smooth, decode and forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.errors import RpsdError
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels, Matrix
from rpsd.kernels import hmm as kernels
from rpsd.kernels import hmm_em
from rpsd.regime.multivariate import fit_rows
from rpsd.regime.observe import checked
from rpsd.regime.starts import beginnings
from rpsd.regime.state import Fitted, Parameters, described, opened, parameters, prior_of

SHORT_RUN: Final = 15
"""EM evaluations of the first round of starts: enough to leave the beginning, few enough to afford many."""


@dataclass(frozen=True, slots=True)
class _Run:
    """EM under way: the model as it stands, its trace, and whether it has converged."""

    model: hmm_em.Moments
    trace: Vector
    converged: bool = False


def fit(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
    """The model state of x (n,), log returns in percent, by EM from several starts; states in rising order of variance.

    EM raises the likelihood penalised by a sticky Dirichlet prior on the moves and never lowers it. With `warm`, a model state of as
    many states, EM goes on from there alone. Hindsight: parameters see all of x. `converged` in the head is reported, never assumed.
    With z (n, d), whose first column is x, the model is one of all its columns: `multivariate.fit_rows`.
    Raises TooShort, NotFinite, ConstantSeries. Cost O(n k^2) an iteration.
    Source: Rabiner (1989), Proc. IEEE 77(2), sections III-C and V; sticky prior: Fox and others (2011), Ann. Appl. Stat. 5(2A), 1020-1056.
    """
    if z is not None:
        return fit_rows(x, z, params, seed=seed, warm=warm)
    x = checked(x, params.k)
    prior = prior_of(x, params)
    if warm is not None:
        run = _Run(moments(warm), np.empty(0))
    else:
        starts = beginnings(x, params.k, params.starts, prior, np.random.default_rng(seed))
        run = _best([_Run(model, np.empty(0)) for model in starts], x, params, prior)
    run = _continued(run, params.max_iterations, x, params, prior)
    started = "cold" if warm is None else "warm"
    return described(x[:, None], Fitted(from_moments(run.model), run.trace, run.converged, "numba", started), prior)


def fit_many(xs: Sequence[Vector], params: HmmParameters, *, seed: int, warms: Sequence[Packet] | None = None) -> list[Packet | RpsdError]:
    """The model states of many series, each as by `fit`; one that is refused leaves its error and does not stop the rest."""
    done: list[Packet | RpsdError] = []
    for i, x in enumerate(xs):
        try:
            done.append(fit(x, params, seed=seed, warm=None if warms is None else warms[i]))
        except RpsdError as error:
            done.append(error)
    return done


def moments(state: Packet) -> hmm_em.Moments:
    """startprob, transmat, means and variances of a model of one Gaussian column, in fresh arrays."""
    p = parameters(state)
    return p.startprob, p.transmat, p.location[:, 0].copy(), p.dispersion[:, 0, 0].copy()


def from_moments(model: hmm_em.Moments) -> Parameters:
    """The same as parameters of a model state."""
    startprob, transmat, means, variances = model
    return Parameters(startprob, transmat, means[:, None], variances[:, None, None], np.full(means.size, np.inf))


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


def filter_from(state: Packet, prior: Vector, z: Vector | Matrix) -> tuple[Matrix, Vector]:
    """p(s_t | prior, z_1..z_t) (n, k) and log p(z_t | prior, past) (n,) in nats, prior (k,) being that of the first bar. Causal in z."""
    rows = _rows(z)
    alpha, evidence = np.empty((rows.shape[0], prior.size)), np.empty(rows.shape[0])
    kernels.filter_on(rows, np.array(prior, np.float64), opened(state), alpha, evidence)
    return alpha, evidence


def filtered(state: Packet, z: Vector | Matrix) -> Matrix:
    """p(s_t | z_1..z_t) (n, k) for z (n, d), or returns (n,) in percent. Causal in z, given the parameters.

    Source: Hamilton (1989), Econometrica 57(2), equation 4.5.
    """
    return filter_from(state, state.arrays["startprob"], z)[0]


def ahead(state: Packet, p: Vector) -> Vector:
    """p(s_{t+1} | z_1..z_t) (k,) from p = p(s_t | z_1..z_t), with the very arithmetic of the filter."""
    prior = np.empty(p.size)
    kernels.predict(0, np.array(p, np.float64).reshape(1, -1), np.array(state.arrays["transmat"], np.float64), prior)
    return prior


def step(state: Packet, p: Vector, z_new: float | Vector) -> Vector:
    """The filter moved on by one bar: p(s_{t+1} | z_1..z_{t+1}) (k,) from p (k,) of bar t and z_new (d,), or a return in percent.

    Equals the last row of `filtered` over all bars bit for bit. Causal. Cost O(k^2).
    """
    alpha, _ = filter_from(state, ahead(state, p), np.reshape(z_new, (1, -1)))
    row: Vector = alpha[0]
    return row


def smoothed(state: Packet, z: Vector | Matrix) -> Matrix:
    """p(s_t | z_1..z_n) (n, k). Hindsight: every row sees all of z. Source: Rabiner (1989), equation 27."""
    rows, model = _rows(z), opened(state)
    n, k = rows.shape[0], model[0].size
    done, gamma = (np.empty((n, k)), np.empty((n, k)), np.empty(n)), np.empty((n, k))
    kernels.forward(rows, model, done)
    kernels.smooth(model[1], done, gamma)
    return gamma


def viterbi(state: Packet, z: Vector | Matrix) -> Labels:
    """The jointly most likely states (n,). Hindsight. Source: Rabiner (1989), section III-B."""
    rows = _rows(z)
    path = np.empty(rows.shape[0], np.int64)
    kernels.viterbi(rows, opened(state), path)
    return path


def _rows(z: Vector | Matrix) -> Matrix:
    """A fresh contiguous (n, d): kernels have one signature."""
    return np.array(z.reshape(z.shape[0], -1), np.float64, order="C")


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
