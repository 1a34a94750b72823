"""Expectation-maximisation of the Gaussian hidden Markov model under a Dirichlet prior on the transitions.

Source: Baum, Petrie, Soules, Weiss (1970), Ann. Math. Stat. 41, 164-171; with the prior: Dempster, Laird, Rubin (1977), JRSS B 39, 1-38.
"""

import math

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.hmm import Model, Pass, backward, filter_reference, forward, smoother_reference
from rpsd.kernels.jit import kernel

Moments = tuple[Vector, Matrix, Vector, Vector]
"""startprob (k,), transmat (k, k), means (k,), variances (k,) of one Gaussian column."""
Prior = tuple[Matrix, float]
"""counts (k, k), moves as if seen before the data: the mode under Dirichlet(counts + 1); and the least variance."""
Tallies = tuple[Matrix, Matrix, Vector]
"""Expected moves (k, k); moments (3, k): weight, sum and sum of squares about the present mean; p(s_1 | x) (k,)."""


@kernel
def gaussian(moments: Moments) -> Model:
    """The moments as the model of one column that the passes read."""
    startprob, transmat, means, variances = moments
    k = means.size
    constant = -0.5 * np.log(2.0 * math.pi * variances)
    return startprob, transmat, means.reshape((k, 1)), (1.0 / np.sqrt(variances)).reshape((k, 1, 1)), constant, np.full(k, np.inf)


def em_step_reference(x: Vector, model: Moments, prior: Prior) -> tuple[Moments, float]:
    """Reference: one EM step from model and the penalised log-likelihood in nats of the model it started from."""
    transmat, (counts, floor) = model[1], prior
    alpha, evidence = filter_reference(x[:, None], gaussian(model))
    gamma = smoother_reference(x[:, None], gaussian(model))
    with np.errstate(divide="ignore", invalid="ignore"):
        penalty = np.where(counts > 0, counts * np.log(transmat), 0.0).sum()
    moves = np.zeros_like(transmat)
    for t in range(x.size - 1):  # p(s_t = i, s_{t+1} = j | x): what gamma says of t + 1, split over the ways to get there
        ahead = alpha[t] @ transmat
        moves += alpha[t][:, None] * transmat * (gamma[t + 1] / ahead)[None, :]
    moves = moves + counts
    weights = gamma.sum(axis=0)
    new_means = gamma.T @ x / weights
    new_variances = np.maximum((gamma * (x[:, None] - new_means) ** 2).sum(axis=0) / weights, floor)
    return (gamma[0], moves / moves.sum(axis=1, keepdims=True), new_means, new_variances), float(evidence.sum() + penalty)


@kernel
def penalty(transmat: Matrix, counts: Matrix) -> float:
    """Log prior of transmat in nats, up to a constant: sum of counts times log probabilities."""
    k = transmat.shape[0]
    total = 0.0
    for i in range(k):
        for j in range(k):
            if counts[i, j] > 0.0:
                total += counts[i, j] * math.log(transmat[i, j])
    return total


@kernel
def expect(x: Vector, model: Moments, done: Pass, tallies: Tallies) -> None:
    """Fill the tallies from x (n,) and the forward pass over it."""
    _, transmat, means, _ = model
    alpha = done[1]
    moves, moments, start = tallies
    n, k = alpha.shape
    beta, carried = np.ones(k), np.empty(k)
    moves[:] = 0.0
    moments[:] = 0.0
    for t in range(n - 1, -1, -1):
        if t < n - 1:
            backward(t, transmat, done, beta, carried)
            for i in range(k):
                for j in range(k):
                    moves[i, j] += alpha[t, i] * carried[j]
        for j in range(k):
            share = alpha[t, j] * beta[j] if alpha[t, j] > 0.0 else 0.0
            away = x[t] - means[j]
            moments[0, j] += share
            moments[1, j] += share * away
            moments[2, j] += share * away * away
            start[j] = share
    moves *= transmat


@kernel
def maximise(model: Moments, tallies: Tallies, prior: Prior) -> None:
    """Replace the model by the maximiser of the expected penalised likelihood; a state without weight keeps its parameters."""
    startprob, transmat, means, variances = model
    moves, moments, start = tallies
    counts, floor = prior
    k = means.size
    from_start = start.sum()
    for i in range(k):
        startprob[i] = start[i] / from_start
        total = moves[i].sum() + counts[i].sum()
        if total > 0.0:
            for j in range(k):
                transmat[i, j] = (moves[i, j] + counts[i, j]) / total
        if moments[0, i] > 0.0:
            shift = moments[1, i] / moments[0, i]
            variances[i] = max(moments[2, i] / moments[0, i] - shift * shift, floor)
            means[i] += shift


@kernel
def em(x: Vector, model: Moments, prior: Prior, tolerance: float, trace: Vector) -> tuple[int, bool]:
    """Run EM on x (n,) in place on the model from its present values, for at most trace.size evaluations.

    trace receives the penalised log-likelihood of each, in nats; it never falls but for rounding. Stops when a step gains less than
    tolerance nats per bar; the model left behind is the one evaluated last. Returns evaluations and whether it converged. O(n k^2) each.
    """
    n, k = x.size, model[2].size
    done = (np.empty((n, k)), np.empty((n, k)), np.empty(n))
    tallies = (np.empty((k, k)), np.empty((3, k)), np.empty(k))
    for step in range(trace.size):
        trace[step] = forward(x.reshape((n, 1)), gaussian(model), done) + penalty(model[1], prior[0])
        if step > 0 and trace[step] - trace[step - 1] < tolerance * n:
            return step + 1, True
        if step < trace.size - 1:
            expect(x, model, done, tallies)
            maximise(model, tallies, prior)
    return trace.size, False


def warm() -> None:
    """Compile, or load from the cache, the kernel of this file that Python calls, in the one signature that is used."""
    model = (np.array([0.5, 0.5]), np.full((2, 2), 0.5), np.array([0.0, 1.0]), np.ones(2))
    em(np.array([0.0, 1.0, 2.0]), model, (np.ones((2, 2)), 0.1), 1e-6, np.empty(2))
