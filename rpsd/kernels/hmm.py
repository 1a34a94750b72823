"""Gaussian hidden Markov model: filter, smoother and most likely path, each reference above the kernel that must equal it.

Shapes everywhere: x (n,) observations, startprob (k,), transmat (k, k) with rows that sum to one, means and variances (k,). Densities are
scaled per bar by that of the likeliest state, so nothing underflows however far an observation lies from every state.
Source: Rabiner (1989), Proc. IEEE 77(2), 257-286, sections III and V-A (scaling).
"""

import math

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from rpsd.kernels.jit import kernel

Model = tuple[Vector, Matrix, Vector, Vector]
"""startprob (k,), transmat (k, k), means (k,), variances (k,)."""
Pass = tuple[Matrix, Matrix, Vector]
"""What the forward pass fills: density (n, k) scaled by its row's peak, alpha (n, k) the filter, scale (n,) its normaliser."""

NEGLIGIBLE = 1e-200
"""A probability below this is zero: its reciprocal must stay finite in the backward pass."""


def log_densities(x: Vector, means: Vector, variances: Vector) -> Matrix:
    """Reference: log N(x_t; mean_j, variance_j), (n, k), in nats."""
    standardised = (x[:, None] - means) ** 2 / variances
    densities: Matrix = -0.5 * (np.log(2 * np.pi * variances) + standardised)
    return densities


def filter_reference(x: Vector, model: Model) -> tuple[Matrix, Vector]:
    """Reference: p(s_t | x_1..x_t) (n, k) and log p(x_t | x_1..x_{t-1}) (n,). Causal."""
    prior, transmat, means, variances = model
    logs = log_densities(x, means, variances)
    alpha, evidence = np.empty_like(logs), np.empty(x.size)
    for t, row in enumerate(logs):
        joint = prior * np.exp(row - row.max())
        evidence[t] = row.max() + np.log(joint.sum())
        alpha[t] = joint / joint.sum()
        prior = alpha[t] @ transmat
    return alpha, evidence


@kernel
def gaussian_shape(variances: Vector) -> Matrix:
    """(2, k): the log of the density's peak in nats, and what a squared distance of one costs in nats."""
    shape = np.empty((2, variances.size))
    shape[0] = -0.5 * np.log(2.0 * math.pi * variances)
    shape[1] = 0.5 / variances
    return shape


@kernel
def absorb(t: int, prior: Vector, x: float, emission: tuple[Vector, Matrix], done: Pass) -> float:
    """Fill row t: density scaled by its peak, alpha = prior times density normalised by scale[t]; returns log p(x | past) in nats.

    emission is the means (k,) and the `gaussian_shape` (2, k).
    """
    means, shape = emission
    density, alpha, scale = done
    k = means.size
    peak = -np.inf
    for j in range(k):
        away = x - means[j]
        density[t, j] = shape[0, j] - shape[1, j] * away * away
        if prior[j] > 0.0 and density[t, j] > peak:
            peak = density[t, j]
    total = 0.0
    for j in range(k):
        # an impossible state may have any density; as zero it cannot overflow and changes nothing
        density[t, j] = math.exp(density[t, j] - peak) if prior[j] > 0.0 else 0.0
        alpha[t, j] = prior[j] * density[t, j]
        total += alpha[t, j]
    weight = 1.0 / total
    for j in range(k):
        share = alpha[t, j] * weight
        alpha[t, j] = share if share > NEGLIGIBLE else 0.0
    scale[t] = total
    return peak + math.log(total)


@kernel
def predict(t: int, alpha: Matrix, transmat: Matrix, prior: Vector) -> None:
    """Fill prior (k,) with p(s_{t+1} | x_1..x_t) from row t of alpha (n, k)."""
    k = prior.size
    for j in range(k):
        total = 0.0
        for i in range(k):
            total += alpha[t, i] * transmat[i, j]
        prior[j] = total


@kernel
def forward(x: Vector, model: Model, done: Pass) -> float:
    """Fill the pass over x (n,); returns the log-likelihood in nats. Causal: row t depends on x[: t + 1] alone."""
    startprob, transmat, means, variances = model
    prior, emission = startprob.copy(), (means, gaussian_shape(variances))
    log_likelihood = 0.0
    for t in range(x.size):
        log_likelihood += absorb(t, prior, x[t], emission, done)
        predict(t, done[1], transmat, prior)
    return log_likelihood


@kernel
def filter_on(x: Vector, prior: Vector, model: Model, alpha: Matrix, evidence: Vector) -> None:
    """Fill alpha (n, k) and evidence log p(x_t | past) (n,), starting from prior = p(s_0), with the steps that `forward` takes. Causal."""
    n, k = alpha.shape
    _, transmat, means, variances = model
    ahead, emission = prior.copy(), (means, gaussian_shape(variances))
    done = (np.empty((n, k)), alpha, np.empty(n))
    for t in range(n):
        evidence[t] = absorb(t, ahead, x[t], emission, done)
        predict(t, alpha, transmat, ahead)


def smoother_reference(x: Vector, model: Model) -> Matrix:
    """Reference: p(s_t | x_1..x_n) (n, k), by the filter run forward and Kim's recursion backward. Hindsight.

    Source: Kim (1994), Journal of Econometrics 60, 1-22, equation 2.20.
    """
    transmat = model[1]
    alpha, _ = filter_reference(x, model)
    gamma = alpha.copy()
    for t in range(x.size - 2, -1, -1):
        ahead = alpha[t] @ transmat
        gamma[t] = alpha[t] * (transmat @ (gamma[t + 1] / ahead))
    return gamma


@kernel
def backward(t: int, transmat: Matrix, done: Pass, beta: Vector, carried: Vector) -> None:
    """Replace beta (k,) of bar t + 1 by that of bar t; carried (k,) receives density x beta / scale of bar t + 1."""
    k = beta.size
    density, _, scale = done
    weight = 1.0 / scale[t + 1]
    for j in range(k):
        carried[j] = density[t + 1, j] * beta[j] * weight
    for i in range(k):
        total = 0.0
        for j in range(k):
            total += transmat[i, j] * carried[j]
        beta[i] = total


@kernel
def smooth(transmat: Matrix, done: Pass, gamma: Matrix) -> None:
    """Fill gamma (n, k) with p(s_t | x_1..x_n) from what `forward` filled. Hindsight."""
    alpha = done[1]
    n, k = alpha.shape
    beta, carried = np.ones(k), np.empty(k)
    for t in range(n - 1, -1, -1):
        if t < n - 1:
            backward(t, transmat, done, beta, carried)
        total = 0.0
        for j in range(k):
            gamma[t, j] = alpha[t, j] * beta[j] if alpha[t, j] > 0.0 else 0.0
            total += gamma[t, j]
        for j in range(k):
            gamma[t, j] /= total


def viterbi_reference(x: Vector, model: Model) -> Labels:
    """Reference: the jointly most likely path (n,); of equals the lowest state. Hindsight. Source: Rabiner (1989), equations 32-35."""
    startprob, transmat, means, variances = model
    with np.errstate(divide="ignore"):
        log_start, log_transmat = np.log(startprob), np.log(transmat)
    logs = log_densities(x, means, variances)
    best = log_start + logs[0]
    pointers = np.zeros(logs.shape, np.int64)
    for t in range(1, x.size):
        reached = best[:, None] + log_transmat
        pointers[t] = reached.argmax(axis=0)
        best = reached.max(axis=0) + logs[t]
    path = np.empty(x.size, np.int64)
    path[-1] = best.argmax()
    for t in range(x.size - 1, 0, -1):
        path[t - 1] = pointers[t, path[t]]
    return path


@kernel
def likeliest_origin(j: int, best: Vector, log_transmat: Matrix) -> int:
    """The state from which the best path (k,) comes to state j; of equals the lowest."""
    origin = 0
    for i in range(1, best.size):
        if best[i] + log_transmat[i, j] > best[origin] + log_transmat[origin, j]:
            origin = i
    return origin


@kernel
def viterbi(x: Vector, model: Model, path: Labels) -> None:
    """Fill path (n,) with the jointly most likely states. Hindsight."""
    startprob, transmat, means, variances = model
    n, k = x.size, means.size
    log_transmat = np.log(transmat)
    pointers = np.zeros((n, k), np.int64)
    best, reached, shape = np.log(startprob), np.empty(k), gaussian_shape(variances)
    for t in range(n):
        for j in range(k):
            reached[j] = best[j]
            if t > 0:
                i = likeliest_origin(j, best, log_transmat)
                pointers[t, j] = i
                reached[j] = best[i] + log_transmat[i, j]
        for j in range(k):
            away = x[t] - means[j]
            best[j] = reached[j] + shape[0, j] - shape[1, j] * away * away
    path[n - 1] = np.argmax(best)
    for t in range(n - 1, 0, -1):
        path[t - 1] = pointers[t, path[t]]


def warm() -> None:
    """Compile, or load from the cache, every kernel of this file that Python calls, in the one signature that is used."""
    x, gamma = np.array([0.0, 1.0]), np.empty((2, 2))
    model = (np.array([0.5, 0.5]), np.full((2, 2), 0.5), np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    done = (np.empty((2, 2)), np.empty((2, 2)), np.empty(2))
    forward(x, model, done)
    smooth(model[1], done, gamma)
    filter_on(x, model[0], model, gamma, np.empty(2))
    predict(0, gamma, model[1], np.empty(2))
    viterbi(x, model, np.empty(2, np.int64))
