"""Statistical jump model: bars cluster around the centres of states, and each change of state costs a fixed price.

With u the columns at mean zero and variance one, a fit minimises sum_t |u_t - centre(s_t)|²/2 + penalty × (number of changes) over
paths and centres. A Gaussian hidden Markov model of unit variance, whose moves away from a state are each exp(-penalty) times as likely as
staying, has minus this sum, but for a constant, as the log of p(path, u): its most likely path is the jump model's path, exactly, and the
filter of every other family serves this one. What the filter adds are probabilities; the jump model itself knows only the best path.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels, Matrix
from rpsd.kernels import hmm as kernels
from rpsd.regime.hmm import smoothed
from rpsd.regime.multivariate import Columns
from rpsd.regime.observe import checked_rows
from rpsd.regime.state import Fitted, Parameters, described, free_parameters, model_of, parameters, permuted


@dataclass(frozen=True, slots=True)
class Descent:
    """Where the descent ended: centres (k, d) and path (n,), the sum after each round, whether the path had come to rest."""

    centres: Matrix
    path: Labels
    sums: Vector
    converged: bool


def fit(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
    """The model state of z (n, d), or of the returns x (n,) alone, by descent from several starts; states in rising order of variance.

    Uses k, starts, jump_penalty and max_iterations of the parameters. A state that the path never visits is told in `collapsed`. The head
    has `jump_penalty`, `objective` (the sum) and `jumps` besides; trace is minus the sum of each round, which never falls; aic, bic and
    icl count the centres alone, for nothing else is estimated. Hindsight: parameters see all of z. Raises TooShort, NotFinite,
    ConstantSeries.
    Cost O(n k (k + d)) a round. Source: Nystrup, Lindström, Madsen (2020), Expert Systems with Applications 150, 113307, algorithm 1;
    Shu, Yu, Mulvey (2024), Journal of Asset Management 25, 493-507; the starts: Arthur, Vassilvitskii (2007), SODA, 1027-1035.
    """
    z = checked_rows(x, z, params.k)
    columns = Columns.of(z)
    u = columns.standard(z)
    if warm is not None:
        starts: Iterator[Matrix] = iter([columns.inward(parameters(warm)).location])
    else:
        rng = np.random.default_rng(seed)
        starts = (spread_out(u, params.k, rng) for _ in range(params.starts))
    best = min((descended(u, start, params) for start in starts), key=lambda end: float(end.sums[-1]))
    unvisited = tuple(np.flatnonzero(np.bincount(best.path, minlength=params.k) == 0).tolist())
    p = columns.outward(as_hidden_markov(best.centres, params.jump_penalty))
    started = "cold" if warm is None else "warm"
    told = Fitted(p, -best.sums, best.converged, "jump", started, kind="jump", collapsed=unvisited)
    state = described(z, told, (np.zeros((params.k, params.k)), 0.0))
    return _of_returns(state, z, best, params)


def as_hidden_markov(centres: Matrix, penalty: float) -> Parameters:
    """The Gaussian model of unit variance around centres (k, d) whose log p(path, u) is minus the sum, but for a constant."""
    k, d = centres.shape
    moves = np.full((k, k), math.exp(-penalty))
    np.fill_diagonal(moves, 1.0)
    dispersion = np.tile(np.eye(d), (k, 1, 1))
    return Parameters(np.full(k, 1 / k), moves / moves.sum(axis=1, keepdims=True), centres, dispersion, np.full(k, np.inf))


def descended(u: Matrix, centres: Matrix, params: HmmParameters) -> Descent:
    """From centres (k, d): the best path for the centres, then the best centres for the path, until the path rests."""
    path, before = np.empty(u.shape[0], np.int64), None
    sums: list[float] = []
    for _ in range(params.max_iterations):
        kernels.viterbi(u, model_of(as_hidden_markov(centres, params.jump_penalty)), path)
        sums.append(objective(u, centres, path, params.jump_penalty))
        if before is not None and np.array_equal(path, before):
            return Descent(centres, path, np.array(sums), True)
        before, centres = path.copy(), _centres(u, path, centres)
    return Descent(centres, path, np.array([*sums, objective(u, centres, path, params.jump_penalty)]), False)


def objective(u: Matrix, centres: Matrix, path: Labels, penalty: float) -> float:
    """sum_t |u_t - centre(s_t)|²/2 + penalty × (number of changes) of a path (n,) over u (n, d)."""
    return float(0.5 * ((u - centres[path]) ** 2).sum() + penalty * np.count_nonzero(np.diff(path)))


def spread_out(u: Matrix, k: int, rng: np.random.Generator) -> Matrix:
    """k rows of u (n, d), each drawn by its squared distance from those before it."""
    chosen = [u[rng.integers(u.shape[0])]]
    for _ in range(k - 1):
        distances = np.min([((u - centre) ** 2).sum(axis=1) for centre in chosen], axis=0)
        chosen.append(u[rng.choice(u.shape[0], p=distances / distances.sum())])
    return np.array(chosen)


def _centres(u: Matrix, path: Labels, centres: Matrix) -> Matrix:
    """The mean of each state's rows; a state without rows keeps its centre."""
    found = centres.copy()
    for j in range(centres.shape[0]):
        if (rows := u[path == j]).size:
            found[j] = rows.mean(axis=0)
    return found


def _of_returns(state: Packet, z: Matrix, best: Descent, params: HmmParameters) -> Packet:
    """The state with what a model of centres does not tell: means and variances of the returns in each state, and its own counts."""
    gamma = smoothed(state, z)
    x, weights = z[:, 0], np.maximum(gamma.sum(axis=0), np.finfo(np.float64).tiny)
    means = gamma.T @ x / weights
    variances = (gamma * (x[:, None] - means) ** 2).sum(axis=0) / weights
    n, d = z.shape
    too_many = free_parameters(params.k, d) - params.k * d
    head: dict[str, Any] = {**state.head, "aic": state.head["aic"] - 2 * too_many}
    head |= {name: state.head[name] - too_many * math.log(n) for name in ("bic", "icl")}
    head |= {"jump_penalty": params.jump_penalty, "objective": float(best.sums[-1]), "jumps": int(np.count_nonzero(np.diff(best.path)))}
    told = Packet(head, {**state.arrays, "means": means, "variances": variances})
    return permuted(told, np.argsort(variances, kind="stable").tolist())
