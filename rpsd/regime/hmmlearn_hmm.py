"""The same model fitted by hmmlearn: the independent engine to compare with. hmmlearn is imported when a fit is asked for, never before."""

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.kernels.hmm_em import Moments, penalty
from rpsd.regime.hmm import from_moments, moments
from rpsd.regime.observe import checked
from rpsd.regime.starts import beginnings
from rpsd.regime.state import Fitted, described, prior_of

_SHORT_RUN = 15
"""EM iterations of each start before the best goes on."""


def fit(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None) -> Packet:
    """The model state of x (n,), log returns in percent, by hmmlearn's EM; same arguments, packet and refusals as `hmm.fit`.

    hmmlearn has no variance floor, so the floor only names collapsed states afterwards; it holds the GIL: use it in the worker.
    Source: hmmlearn 0.3, GaussianHMM, implementation "scaling".
    """
    x = checked(x, params.k)
    prior = prior_of(x, params)
    if warm is not None:
        start = moments(warm)
    else:
        starts = beginnings(x, params.k, params.starts, prior, np.random.default_rng(seed))
        short = [_run(x, model, prior[0], _SHORT_RUN, params.tolerance) for model in starts]
        start = max(short, key=lambda run: run[1][-1])[0]
    model, trace, converged = _run(x, start, prior[0], params.max_iterations, params.tolerance)
    return described(x[:, None], Fitted(from_moments(model), trace, converged, "hmmlearn", "cold" if warm is None else "warm"), prior)


def _run(x: Vector, start: Moments, counts: Matrix, iterations: int, tolerance: float) -> tuple[Moments, Vector, bool]:
    """The model after EM from start, the penalised log-likelihood of each iteration, and whether it converged."""
    from hmmlearn.hmm import GaussianHMM  # brings scikit-learn, two seconds: only who asks for this engine pays

    class Penalised(GaussianHMM):  # type: ignore[misc]
        """Judges convergence by what EM raises; hmmlearn's own monitor leaves the prior out and would stop early."""

        def _compute_lower_bound(self, log_prob: float) -> float:
            return float(log_prob + penalty(np.array(self.transmat_), counts))

    learner = Penalised(
        n_components=start[2].size,
        covariance_type="diag",
        transmat_prior=counts + 1,  # hmmlearn counts a flat prior as one
        covars_prior=0.0,
        covars_weight=1.0,
        n_iter=iterations,
        tol=tolerance * x.size,
        init_params="",
        implementation="scaling",
    )
    learner.startprob_, learner.transmat_ = start[0], start[1]
    learner.means_, learner.covars_ = start[2].reshape(-1, 1), start[3].reshape(-1, 1)
    learner.fit(x.reshape(-1, 1))
    trace = np.array(learner.monitor_.history, np.float64)
    model = (learner.startprob_, learner.transmat_, learner.means_.ravel(), learner.covars_.reshape(start[2].size, -1)[:, 0])
    startprob, transmat, means, variances = (np.array(part, np.float64) for part in model)
    return (startprob, transmat, means, variances), trace, bool(learner.monitor_.converged)
