"""Hidden Markov model of Gaussian or Student-t emissions: filter, smoother and most likely path, each reference above its kernel.

Shapes everywhere: z (n, d) observations, startprob (k,), transmat (k, k) with rows that sum to one. Densities are scaled per bar by that of
the likeliest state, so nothing underflows however far an observation lies from every state.
Source: Rabiner (1989), Proc. IEEE 77(2), 257-286, sections III and V-A (scaling).
"""

import math

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Cube, Labels, Matrix
from rpsd.kernels.jit import kernel
from rpsd.kernels.vector import LANES, exp, fill, load, log, store, where_above

Model = tuple[Vector, Matrix, Matrix, Cube, Vector, Vector]
"""startprob (k,), transmat (k, k), location (k, d), factor (k, d, d), constant (k,), df (k,).

With r = factor (z - location), factor lower triangular, the log density in nats is constant - |r|²/2 where df is infinite, else
constant - (df + d)/2 log(1 + |r|²/df), the multivariate Student t.
"""
Pass = tuple[Matrix, Matrix, Vector]
"""What the forward pass fills: density (n, k) scaled by its row's peak, alpha (n, k) the filter, scale (n,) its normaliser."""

Prior = tuple[Matrix, float]
"""counts (k, k), moves as if seen before the data: the mode under Dirichlet(counts + 1); and the least variance of a state."""

NEGLIGIBLE = 1e-200
"""A probability below this is zero: its reciprocal must stay finite in the backward pass."""

LEAST_SCALE = 1e-30
"""A bar whose likely states are impossible is weighed again by those that are possible: below this its own digits would be lost."""


def log_densities(z: Matrix, model: Model) -> Matrix:
    """Reference: log p(z_t | state j), (n, k), in nats.

    Source: Peel, McLachlan (2000), Statistics and Computing 10, 339-348, equation 1 (the t density).
    """
    _, _, location, factor, constant, df = model
    rest = np.einsum("jab,tjb->tja", factor, z[:, None, :] - location[None, :, :])
    squared, d = (rest**2).sum(axis=2), z.shape[1]
    with np.errstate(invalid="ignore"):
        heavy = 0.5 * (df + d) * np.log1p(squared / df)
    densities: Matrix = constant - np.where(np.isinf(df), 0.5 * squared, heavy)
    return densities


def filter_reference(z: Matrix, model: Model) -> tuple[Matrix, Vector]:
    """Reference: p(s_t | z_1..z_t) (n, k) and log p(z_t | z_1..z_{t-1}) (n,). Causal."""
    prior, transmat = model[:2]
    logs = log_densities(z, model)
    alpha, evidence = np.empty_like(logs), np.empty(logs.shape[0])
    for t, row in enumerate(logs):
        joint = prior * np.exp(row - row.max())
        evidence[t] = row.max() + np.log(joint.sum())
        alpha[t] = joint / joint.sum()
        prior = alpha[t] @ transmat
    return alpha, evidence


@kernel
def log_density(t: int, j: int, z: Matrix, model: Model) -> float:
    """Log density in nats of row t of z (n, d) in state j."""
    _, _, location, factor, constant, df = model
    d = location.shape[1]
    squared = 0.0
    for a in range(d):
        rest = 0.0
        for b in range(a + 1):
            rest += factor[j, a, b] * (z[t, b] - location[j, b])
        squared += rest * rest
    height: float = constant[j] - 0.5 * squared
    if df[j] < np.inf:
        height = constant[j] - 0.5 * (df[j] + d) * math.log1p(squared / df[j])
    return height


@kernel
def absorb(t: int, prior: Vector, z: Matrix, model: Model, done: Pass) -> float:
    """Fill row t of density, scaled by its peak over the states that are possible, and alpha, not normalised yet; returns the peak."""
    density, alpha, scale = done
    k = prior.size
    peak = -np.inf
    for j in range(k):
        density[t, j] = log_density(t, j, z, model)
        if prior[j] > 0.0 and density[t, j] > peak:
            peak = density[t, j]
    total = 0.0
    for j in range(k):
        # an impossible state may have any density; as zero it cannot overflow and changes nothing
        density[t, j] = math.exp(density[t, j] - peak) if prior[j] > 0.0 else 0.0
        alpha[t, j] = prior[j] * density[t, j]
        total += alpha[t, j]
    scale[t] = total
    return float(peak)


@kernel
def predict(t: int, alpha: Matrix, transmat: Matrix, prior: Vector) -> None:
    """Fill prior (k,) with p(s_{t+1} | z_1..z_t) from row t of alpha (n, k)."""
    k = prior.size
    for j in range(k):
        total = 0.0
        for i in range(k):
            total += alpha[t, i] * transmat[i, j]
        prior[j] = total


@kernel
def heights(first: int, z: Matrix, model: Model, likely: Vector, peaks: Vector) -> None:
    """Densities of LANES bars of one column at once: likely (k LANES,) scaled by their peaks (LANES,) over all states."""
    _, _, location, factor, constant, df = model
    k = df.size
    for lane in range(LANES):
        peaks[lane] = z[min(first + lane, z.shape[0] - 1), 0]
    values, peak = load(peaks, 0), fill(-np.inf)
    for j in range(k):
        away = (values - location[j, 0]) * factor[j, 0, 0]
        squared = away * away
        fall = squared * 0.5
        if df[j] < np.inf:
            fall = log(squared * (1.0 / df[j]) + 1.0) * (0.5 * (df[j] + 1.0))
        height = constant[j] - fall
        store(likely, j * LANES, height)
        peak = where_above(height, peak, height, peak)
    for j in range(k):
        store(likely, j * LANES, exp(load(likely, j * LANES) - peak))
    store(peaks, 0, peak)


@kernel
def weigh(t: int, prior: Vector, likely: Vector, done: Pass) -> None:
    """What `absorb` does with row t, its densities being at hand; scale[t] tells whether the peak of all states served."""
    density, alpha, scale = done
    total, lane = 0.0, t % LANES
    for j in range(prior.size):
        share = likely[j * LANES + lane] if prior[j] > 0.0 else 0.0
        density[t, j] = share
        alpha[t, j] = prior[j] * share
        total += alpha[t, j]
    scale[t] = total


@kernel
def forward(z: Matrix, prior: Vector, model: Model, done: Pass, evidence: Vector) -> float:
    """Fill the pass over z (n, d) and evidence log p(z_t | past) (n,) in nats, from prior p(s_0) (k,); returns the log-likelihood.

    Causal: row t depends on z[: t + 1] alone, to the last bit. Of one column the densities of LANES bars are computed at once.
    """
    _, alpha, scale = done
    n, k, together = z.shape[0], prior.size, z.shape[1] == 1
    ahead, likely, peaks, log_likelihood = prior.copy(), np.empty(k * LANES), np.empty(LANES), 0.0
    for t in range(n):
        lane = t % LANES
        if together and lane == 0:
            heights(t, z, model, likely, peaks)
        if together:
            weigh(t, ahead, likely, done)
        if not together or not scale[t] > LEAST_SCALE:
            peaks[lane] = absorb(t, ahead, z, model, done)
        weight = 1.0 / scale[t]
        for j in range(k):
            share = alpha[t, j] * weight
            alpha[t, j] = share if share > NEGLIGIBLE else 0.0
        evidence[t] = peaks[lane] + math.log(scale[t])
        log_likelihood += evidence[t]
        predict(t, alpha, model[1], ahead)
    return log_likelihood


def smoother_reference(z: Matrix, model: Model) -> Matrix:
    """Reference: p(s_t | z_1..z_n) (n, k), by the filter run forward and Kim's recursion backward. Hindsight.

    Source: Kim (1994), Journal of Econometrics 60, 1-22, equation 2.20.
    """
    transmat = model[1]
    alpha, _ = filter_reference(z, model)
    gamma = alpha.copy()
    for t in range(gamma.shape[0] - 2, -1, -1):
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


def viterbi_reference(z: Matrix, model: Model) -> Labels:
    """Reference: the jointly most likely path (n,); of equals the lowest state. Hindsight. Source: Rabiner (1989), equations 32-35."""
    startprob, transmat = model[:2]
    with np.errstate(divide="ignore"):
        log_start, log_transmat = np.log(startprob), np.log(transmat)
    logs = log_densities(z, model)
    best = log_start + logs[0]
    pointers = np.zeros(logs.shape, np.int64)
    for t in range(1, logs.shape[0]):
        reached = best[:, None] + log_transmat
        pointers[t] = reached.argmax(axis=0)
        best = reached.max(axis=0) + logs[t]
    path = np.empty(logs.shape[0], np.int64)
    path[-1] = best.argmax()
    for t in range(path.size - 1, 0, -1):
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
def viterbi(z: Matrix, model: Model, path: Labels) -> None:
    """Fill path (n,) with the jointly most likely states. Hindsight."""
    n, k = z.shape[0], model[0].size
    log_transmat = np.log(model[1])
    pointers = np.zeros((n, k), np.int64)
    best, reached = np.log(model[0]), np.empty(k)
    for t in range(n):
        for j in range(k):
            reached[j] = best[j]
            if t > 0:
                i = likeliest_origin(j, best, log_transmat)
                pointers[t, j] = i
                reached[j] = best[i] + log_transmat[i, j]
        for j in range(k):
            best[j] = reached[j] + log_density(t, j, z, model)
    path[n - 1] = np.argmax(best)
    for t in range(n - 1, 0, -1):
        path[t - 1] = pointers[t, path[t]]


def warm() -> None:
    """Compile, or load from the cache, every kernel of this file that Python calls, in the one signature that is used."""
    z, gamma = np.array([[0.0], [1.0]]), np.empty((2, 2))
    ones = np.ones(2)
    model = (0.5 * ones, np.full((2, 2), 0.5), np.array([[0.0], [1.0]]), np.ones((2, 1, 1)), -ones, np.array([np.inf, 5.0]))
    done = (np.empty((2, 2)), np.empty((2, 2)), np.empty(2))
    forward(z, model[0], model, done, np.empty(2))
    smooth(model[1], done, gamma)
    predict(0, gamma, model[1], np.empty(2))
    viterbi(z, model, np.empty(2, np.int64))
