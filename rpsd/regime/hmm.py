"""Hidden Markov model on the appliance's own kernels: fit, filter, smooth, decode and forecast."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from rpsd.core.errors import RpsdError
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels, Matrix
from rpsd.kernels import hmm as kernels
from rpsd.kernels.hmm import Model
from rpsd.regime.multivariate import fit_rows
from rpsd.regime.observe import checked
from rpsd.regime.race import Race
from rpsd.regime.state import Fitted, described, opened, prior_of

HASTE: Final = 10.0
"""A fit that goes on from a model stops at so many times the tolerance: what it would still gain moves labels and says nothing."""


def fit(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
    """The model state of x (n,), log returns in percent, by EM from several starts; states in rising order of variance.

    EM raises the likelihood penalised by a sticky Dirichlet prior on the moves and never lowers it. States are Gaussian or Student t of
    shared degrees of freedom, which are estimated; with emission auto, Gaussian where these pass 50. With `warm`, a model state of as
    many states, EM goes on from there alone and stops at HASTE times the tolerance. Hindsight: parameters see all of x. `converged` in
    the head is reported, never assumed. With z (n, d), whose first column is x, the model is one of all columns: `multivariate.fit_rows`.
    Raises TooShort, NotFinite, ConstantSeries. Cost O(n k^2) an iteration.
    Source: Rabiner (1989), Proc. IEEE 77(2), sections III-C and V; sticky prior: Fox and others (2011), Ann. Appl. Stat. 5(2A), 1020-1056;
    Student t: Peel, McLachlan (2000), Statistics and Computing 10, 339-348.
    """
    if z is not None:
        return fit_rows(x, z, params, seed=seed, warm=warm)
    return _fitted([checked(x, params.k)], params, seed, [warm])[0]


def fit_many(
    xs: Sequence[Vector], params: HmmParameters, *, seed: int, warms: Sequence[Packet | None] | None = None
) -> list[Packet | RpsdError]:
    """The model states of many series, each as by `fit`, eight side by side; one that is refused leaves its error and stops no other."""
    done: list[Packet | RpsdError | None] = [None] * len(xs)
    seen: dict[int, Vector] = {}
    for i, x in enumerate(xs):
        try:
            seen[i] = checked(x, params.k)
        except RpsdError as error:
            done[i] = error
    if seen:
        fits = _fitted(list(seen.values()), params, seed, [None if warms is None else warms[i] for i in seen])
        for i, state in zip(seen, fits, strict=True):
            done[i] = state
    return [one for one in done if one is not None]


def _fitted(xs: Sequence[Vector], params: HmmParameters, seed: int, warms: Sequence[Packet | None]) -> list[Packet]:
    """The model states of series that have been checked, those that go on from a model apart from those that begin afresh."""
    done: dict[int, Packet] = {}
    for goes_on, tolerance in ((False, params.tolerance), (True, HASTE * params.tolerance)):
        index = [i for i, warm in enumerate(warms) if (warm is not None) == goes_on]
        if index:
            states = _raced([xs[i] for i in index], replace(params, tolerance=tolerance), seed, [warms[i] for i in index])
            done |= zip(index, states, strict=True)
    return [done[i] for i in range(len(xs))]


def _raced(xs: Sequence[Vector], params: HmmParameters, seed: int, warms: Sequence[Packet | None]) -> list[Packet]:
    """The model states of series, all with a model to go on from or all without."""
    runs, states = Race(xs, params).fitted(warms, seed), list[Packet]()
    for i, (x, warm) in enumerate(zip(xs, warms, strict=True)):
        prior, p = prior_of(x, params), runs.parameters(i)
        low = tuple(np.flatnonzero(p.dispersion[:, 0, 0] <= prior[1] * (1 + 1e-9)).tolist())  # rounding apart, at the floor
        told = Fitted(p, runs.traces[i], bool(runs.converged[i]), "numba", "cold" if warm is None else "warm", collapsed=low)
        states.append(described(x[:, None], told, prior))
    return states


def filter_from(state: Packet, prior: Vector, z: Vector | Matrix, model: Model | None = None) -> tuple[Matrix, Vector]:
    """p(s_t | prior, z_1..z_t) (n, k) and log p(z_t | prior, past) (n,) in nats, prior (k,) being that of the first bar. Causal in z.

    Who moves one state often gives its `opened` as the model: that takes longer than a bar.
    """
    rows = _rows(z)
    (n, k), evidence = (rows.shape[0], prior.size), np.empty(rows.shape[0])
    done = (np.empty((n, k)), np.empty((n, k)), np.empty(n))
    kernels.forward(rows, np.array(prior, np.float64), opened(state) if model is None else model, done, evidence)
    return done[1], evidence


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
    kernels.forward(rows, model[0], model, done, np.empty(n))
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
