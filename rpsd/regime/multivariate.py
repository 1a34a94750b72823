"""Hidden Markov model of several columns at once, Gaussian or Student t with a full dispersion matrix in each state.

EM runs on columns of mean zero and variance one, so that the variance floor and the tolerance mean the same for every choice of columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Cube, Labels, Matrix
from rpsd.kernels import hmm as kernels
from rpsd.kernels.hmm import Prior
from rpsd.regime.observe import checked_rows
from rpsd.regime.state import GAUSSIAN_DF, Fitted, Parameters, described, model_of, parameters, penalty, prior_of

_START_DF: Final = 8.0
_DF_BOUNDS: Final = (2.1, 1000.0)
_SHORT_RUN: Final = 15
_WINDOWS: Final = (21, 5, 63)
_LEAST_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """EM under way on standard columns: the parameters, the penalised log-likelihood of each iteration, whether it has converged."""

    parameters: Parameters
    trace: Vector
    converged: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """Location and scale (d,) of the columns: standard ones are (z - middle) / scale."""

    middle: Vector
    scale: Vector

    @classmethod
    def of(cls, z: Matrix) -> "Columns":
        """Those of z (n, d)."""
        return cls(z.mean(axis=0), z.std(axis=0))

    def standard(self, z: Matrix) -> Matrix:
        """z (n, d) with mean zero and variance one."""
        return np.ascontiguousarray((z - self.middle) / self.scale)

    def inward(self, p: Parameters) -> Parameters:
        """Parameters of z as those of the standard columns."""
        dispersion = p.dispersion / (self.scale[:, None] * self.scale)
        return replace(p, location=(p.location - self.middle) / self.scale, dispersion=dispersion)

    def outward(self, p: Parameters) -> Parameters:
        """Parameters of the standard columns as those of z."""
        dispersion = p.dispersion * (self.scale[:, None] * self.scale)
        return replace(p, location=p.location * self.scale + self.middle, dispersion=dispersion)


def fit_rows(x: Vector, z: Matrix, params: HmmParameters, *, seed: int, warm: Packet | None = None) -> Packet:
    """The model state of z (n, d), whose first column is x (n,), log returns in percent, by EM from several starts.

    EM never lowers the likelihood penalised by a sticky Dirichlet prior on the moves. No direction of a state's dispersion falls below
    `variance_floor` in units of the columns' variances. The states share their degrees of freedom, estimated; above GAUSSIAN_DF all
    are made Gaussian. With `warm`, EM goes on from there. Hindsight: parameters see all of z. Raises TooShort, NotFinite, ConstantSeries.
    Cost O(n (k^2 + k d^2)) an iteration. Source: Peel, McLachlan (2000), Statistics and Computing 10, 339-348 (the t, by ECM); Rabiner
    (1989), Proc. IEEE 77(2), section IV.
    """
    z = checked_rows(x, z, params.k)
    counts, _ = prior_of(x, params)
    columns = Columns.of(z)
    u, prior = columns.standard(z), (counts, max(params.variance_floor, float(np.finfo(np.float64).tiny)))
    heavy = params.emission != "gaussian"
    if warm is not None:
        p = columns.inward(parameters(warm))
        run = Run(replace(p, df=np.full(params.k, min(float(p.df[0]), GAUSSIAN_DF) if heavy else np.inf)), np.empty(0))
    else:
        groups = groupings(u, params.k, params.starts, np.random.default_rng(seed))
        run = _best([Run(beginning(u, group, prior, heavy=heavy), np.empty(0)) for group in groups], u, params, prior)
    run = continued(run, params.max_iterations, u, params, prior)
    if params.emission == "auto" and GAUSSIAN_DF < run.parameters.df[0] < np.inf:
        settled = replace(run.parameters, df=np.full(params.k, np.inf))
        run = continued(Run(settled, np.empty(0)), params.max_iterations, u, params, prior)
    of_z = run.trace - z.shape[0] * np.log(columns.scale).sum()
    narrowest = np.linalg.eigvalsh(run.parameters.dispersion)[:, 0]
    collapsed = tuple(np.flatnonzero(narrowest <= prior[1] * (1 + 1e-9)).tolist())
    started = "cold" if warm is None else "warm"
    p = columns.outward(run.parameters)
    return described(z, Fitted(p, of_z, run.converged, "numba", started, collapsed=collapsed), prior)


def groupings(u: Matrix, k: int, count: int, rng: np.random.Generator) -> Iterator[Labels]:
    """Yield `count` ways to cut the rows of u (n, d) into k groups, each by rank of one column's moving size or moving mean.

    The columns and the windows take turns; groups are of equal size at first and of random size, none small, later on.
    """
    n, d = u.shape
    rankings = [(place, window, size) for window in _WINDOWS for place in range(d) for size in (True, False)]
    for number in range(count):
        place, window, size = rankings[number % len(rankings)]
        base = np.abs(u[:, place]) if size else u[:, place]
        window = min(window, n // 2)
        total = np.cumsum(np.pad(base, (window // 2 + 1, window - 1 - window // 2), mode="reflect"))
        shares = np.full(k, 1 / k)
        if number >= min(len(rankings), 6):
            shares = _LEAST_SHARE + (1 - k * _LEAST_SHARE) * rng.dirichlet(np.ones(k))
        group = np.empty(n, np.int64)
        order = np.argsort(total[window:] - total[:-window], kind="stable")
        group[order] = np.searchsorted(np.cumsum(shares)[:-1], (np.arange(n) + 0.5) / n)
        yield group


def beginning(u: Matrix, group: Labels, prior: Prior, *, heavy: bool) -> Parameters:
    """The moments of each group of u (n, d) and the moves between groups as parameters."""
    counts, floor = prior
    k, d = counts.shape[0], u.shape[1]
    location, dispersion = np.empty((k, d)), np.empty((k, d, d))
    for j in range(k):
        rows = u[group == j]
        location[j] = rows.mean(axis=0)
        dispersion[j] = _floored((rows - location[j]).T @ (rows - location[j]) / len(rows), floor)
    moves = counts + 1.0  # no move is impossible at the start, for EM could never revive it
    np.add.at(moves, (group[:-1], group[1:]), 1.0)
    df = np.full(k, _START_DF if heavy else np.inf)
    return Parameters(np.full(k, 1 / k), moves / moves.sum(axis=1, keepdims=True), location, dispersion, df)


def _best(field: list[Run], u: Matrix, params: HmmParameters, prior: Prior) -> Run:
    """The winner of rounds that halve the field and double the runs. Source: Jamieson, Talwalkar (2016), AISTATS 51, 240-248."""
    length = _SHORT_RUN
    while len(field) > 1:
        field = [continued(run, length, u, params, prior) for run in field]
        field.sort(key=lambda run: float(run.trace[-1]), reverse=True)
        field, length = field[: (len(field) + 1) // 2], 2 * length
    return field[0]


def continued(run: Run, evaluations: int, u: Matrix, params: HmmParameters, prior: Prior) -> Run:
    """The run after at most so many further evaluations of EM on u (n, d); the parameters left are those evaluated last."""
    if run.converged:
        return run
    p, trace = run.parameters, run.trace[:-1].tolist()  # the first evaluation is of the parameters that ended the run so far
    for evaluation in range(evaluations):
        following, penalised = em_step(u, p, prior)
        trace.append(penalised)
        if evaluation and trace[-1] - trace[-2] < params.tolerance * u.shape[0]:
            return Run(p, np.array(trace), True)
        if evaluation < evaluations - 1:
            p = following
    return Run(p, np.array(trace))


def em_step(u: Matrix, p: Parameters, prior: Prior) -> tuple[Parameters, float]:
    """The parameters after one step of EM on u (n, d), and the penalised log-likelihood in nats of those before it.

    The states share one df, as those of p do; if it is infinite they stay Gaussian. Source: Peel, McLachlan (2000), equations 12-18; the
    floor: a scatter matrix with its eigenvalues raised to the floor is the maximiser among matrices that obey it.
    """
    counts, floor = prior
    model, n, k = model_of(p), u.shape[0], p.df.size
    done, gamma = (np.empty((n, k)), np.empty((n, k)), np.empty(n)), np.empty((n, k))
    penalised = kernels.forward(u, p.startprob, model, done, np.empty(n)) + penalty(p.transmat, counts)
    kernels.smooth(p.transmat, done, gamma)
    moves = expected_moves(p.transmat, done[1], gamma) + counts
    total = moves.sum(axis=1, keepdims=True)
    transmat = np.divide(moves, total, out=p.transmat.copy(), where=total > 0)
    location, dispersion, spread = p.location.copy(), p.dispersion.copy(), 0.0
    for j in np.flatnonzero(gamma.sum(axis=0) > 0).tolist():
        pull = _pull(u, j, model)
        heavy = gamma[:, j] * pull
        location[j] = heavy @ u / heavy.sum()
        rest = u - location[j]
        dispersion[j] = _floored((heavy[:, None] * rest).T @ rest / gamma[:, j].sum(), floor)
        spread += float(gamma[:, j] @ (np.log(pull) - pull)) / n
    df = next_df(float(p.df[0]), u.shape[1], spread) if np.isfinite(p.df[0]) else np.inf
    return Parameters(gamma[0] / gamma[0].sum(), transmat, location, dispersion, np.full(k, df)), penalised


def expected_moves(transmat: Matrix, alpha: Matrix, gamma: Matrix) -> Matrix:
    """Expected number of moves (k, k) given everything, from the filter and the smoother (n, k): gamma of t + 1 split over its origins."""
    ahead = alpha[:-1] @ transmat
    share = np.divide(gamma[1:], ahead, out=np.zeros_like(ahead), where=ahead > 0)
    return np.asarray(transmat * (alpha[:-1].T @ share))


def _pull(u: Matrix, j: int, model: kernels.Model) -> Vector:
    """How much each row (n,) counts in state j: 1 for a Gaussian, less the farther out for a Student t."""
    _, _, location, factor, _, df = model
    if np.isinf(df[j]):
        return np.ones(u.shape[0])
    squared = (((u - location[j]) @ factor[j].T) ** 2).sum(axis=1)
    return np.asarray((df[j] + u.shape[1]) / (df[j] + squared))


def next_df(df: float, d: int, spread: float) -> float:
    """The degrees of freedom that maximise the expected likelihood, spread being the weighted mean of log pull - pull.

    Bisection over [2.1, 1000], on which the equation's left side falls. Source: Peel, McLachlan (2000), equation 17.
    """
    from scipy.special import digamma  # only who fits a Student t pays for the import

    known = 1 + spread + digamma((df + d) / 2) - np.log((df + d) / 2)
    low, high = _DF_BOUNDS
    while high / low > 1 + 1e-9:
        middle = (low * high) ** 0.5
        if np.log(middle / 2) - digamma(middle / 2) + known > 0:
            low = middle
        else:
            high = middle
    return float((low * high) ** 0.5)


def _floored(dispersion: Cube, floor: float) -> Cube:
    """The dispersion (d, d) with no eigenvalue below the floor."""
    values, vectors = np.linalg.eigh(dispersion)
    if values[0] > floor:
        return np.asarray((dispersion + dispersion.T) / 2)
    return np.asarray((vectors * np.maximum(values, floor)) @ vectors.T)
