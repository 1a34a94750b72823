"""The same model fitted by hmmlearn: the independent engine to compare with. hmmlearn is imported when a fit is asked for, never before."""

from dataclasses import replace
from typing import Final

import numpy as np

from rpsd.core.errors import BadParameter, DegenerateFit, Fault
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.regime.multivariate import Columns, Run, beginning, groupings
from rpsd.regime.observe import checked_rows
from rpsd.regime.state import Fitted, Parameters, described, parameters, penalty, prior_of

_SHORT_RUN: Final = 15
"""EM iterations of each start before the best goes on."""


def fit(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
    """The model state of x (n,) or z (n, d) by hmmlearn's EM, Gaussian; same arguments, packet and refusals as `hmm.fit`.

    hmmlearn has no variance floor, so the floor only names collapsed states afterwards; it holds the GIL: use it in the worker.
    Raises BadParameter for emission t and DegenerateFit when every start ends in a singular state.
    Source: hmmlearn 0.3, GaussianHMM, implementation "scaling".
    """
    if params.emission == "t":
        reason = "hmmlearn has no Student t: take auto or gaussian, or the engine numba"
        raise BadParameter(reason, errors=[Fault("/emission", reason)])
    z = checked_rows(x, z, params.k)
    columns, prior = Columns.of(z), (prior_of(x, params)[0], params.variance_floor)
    u = columns.standard(z)
    if warm is not None:
        starts = [replace(columns.inward(parameters(warm)), df=np.full(params.k, np.inf))]
    else:
        groups = groupings(u, params.k, params.starts, np.random.default_rng(seed))
        starts = [beginning(u, group, prior, heavy=False) for group in groups]
        starts = [max((_attempted(u, start, prior[0], _SHORT_RUN, params.tolerance) for start in starts), key=_height).parameters]
    run = _attempted(u, starts[0], prior[0], params.max_iterations, params.tolerance)
    if not run.trace.size:
        raise DegenerateFit("hmmlearn ended in a state whose covariance is singular")
    trace = run.trace - z.shape[0] * np.log(columns.scale).sum()
    narrow = tuple(np.flatnonzero(np.linalg.eigvalsh(run.parameters.dispersion)[:, 0] <= prior[1]).tolist())
    told = Fitted(columns.outward(run.parameters), trace, run.converged, "hmmlearn", "cold" if warm is None else "warm", collapsed=narrow)
    return described(z, told, prior)


def _height(run: Run) -> float:
    """The penalised log-likelihood reached; a run that broke off has reached nothing."""
    return float(run.trace[-1]) if run.trace.size else -np.inf


def _attempted(u: Matrix, start: Parameters, counts: Matrix, iterations: int, tolerance: float) -> Run:
    """The run of hmmlearn from start, of no iterations when a covariance has become singular on the way."""
    try:
        return _run(u, start, counts, iterations, tolerance)
    except (ValueError, np.linalg.LinAlgError):
        return Run(start, np.empty(0))


def _run(u: Matrix, start: Parameters, counts: Matrix, iterations: int, tolerance: float) -> Run:
    """The parameters after EM from start, the penalised log-likelihood of each iteration, and whether it converged."""
    from hmmlearn.hmm import GaussianHMM  # brings scikit-learn, two seconds: only who asks for this engine pays

    class Penalised(GaussianHMM):  # type: ignore[misc]
        """Judges convergence by what EM raises; hmmlearn's own monitor leaves the prior out and would stop early."""

        def _compute_lower_bound(self, log_prob: float) -> float:
            return float(log_prob + penalty(np.array(self.transmat_), counts))

    n, d = u.shape
    one = d == 1
    learner = Penalised(
        n_components=start.df.size,
        covariance_type="diag" if one else "full",
        transmat_prior=counts + 1,  # hmmlearn counts a flat prior as one
        covars_prior=0.0,
        covars_weight=1.0 if one else -1.0 - d,  # no prior on covariances, in hmmlearn's two ways to count
        n_iter=iterations,
        tol=tolerance * n,
        init_params="",
        implementation="scaling",
    )
    learner.startprob_, learner.transmat_, learner.means_ = start.startprob, start.transmat, start.location
    learner.covars_ = start.dispersion[:, :, 0] if one else start.dispersion
    learner.fit(u)
    # covars_ is (k, d, d) for both types of covariance
    found = (learner.startprob_, learner.transmat_, learner.means_, learner.covars_)
    startprob, transmat, location, dispersion = (np.array(part, np.float64) for part in found)
    trace = np.array(learner.monitor_.history, np.float64)
    return Run(Parameters(startprob, transmat, location, dispersion, start.df), trace, bool(learner.monitor_.converged))
