"""Expectation and maximisation of eight univariate hidden Markov models at once, Gaussian or Student t, one in each lane.

The models have the same number of states; their series may differ, in length too. Flat arrays hold LANES numbers for each place: model
(places, LANES) as `rows` says, series (n, LANES), passes (n, k, LANES).
Source: Baum, Petrie, Soules, Weiss (1970), Ann. Math. Stat. 41, 164-171; Student t: Peel, McLachlan (2000), Statistics and Computing 10,
339-348, with the scale of Kent, Tyler, Vardi (1994), Commun. Stat. Simul. 23, 441-453, which converges sooner.
"""

import math
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.hmm import NEGLIGIBLE, Prior, filter_reference, smoother_reference
from rpsd.kernels.jit import kernel
from rpsd.kernels.vector import LANES, exp, exponent, fill, load, log, mantissa, store, where_above

Series = tuple[Vector, Vector]
"""bars (LANES,), the length of each lane's series as a number; x (n LANES,), the series themselves, filled up with zeros."""
Passes = tuple[Vector, Vector, Vector, Vector]
"""density, alpha and tails (n k LANES,), the densities' logarithms of 1 + r²/df; inverse (n LANES,), one over the filter's normaliser."""
Beliefs = tuple[Vector, Vector]
"""counts (k k,), moves as if seen before the data, and floors (LANES,), least squared scales."""

LEAST_DF: Final = 2.1
MOST_DF: Final = 200.0
"""Degrees of freedom stay between these: at the first the variance still exists, at the last a Student t is Gaussian to two digits."""
_LOWEST: Final = -1e300


def rows(k: int) -> int:
    """Numbers of a model of k states: startprob (k), transmat (k k), locations (k), squared scales (k), degrees of freedom (1)."""
    return k * k + 3 * k + 1


def em_step_reference(x: Vector, model: Vector, prior: Prior) -> tuple[Vector, float]:
    """Reference: one step of EM on x (n,) from model (rows,), and the penalised log-likelihood in nats of the model it started from.

    Degrees of freedom of infinity are Gaussian and stay so; else one number, shared by the states, maximises with the rest.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma

    (counts, floor), k = prior, prior[0].shape[0]
    startprob, transmat, location, squared, df = np.split(model, np.cumsum([k, k * k, k, k]))
    transmat, wide = transmat.reshape(k, k), np.full(k, df[0])
    heights = np.zeros(k) if np.isinf(df[0]) else np.array([_log_constant(df[0])] * k)
    heights = heights - 0.5 * np.log(squared) - (0.5 * math.log(2 * math.pi) if np.isinf(df[0]) else 0.0)
    opened = (startprob, transmat, location[:, None], (squared**-0.5)[:, None, None], heights, wide)
    alpha, evidence = filter_reference(x[:, None], opened)
    gamma = smoother_reference(x[:, None], opened)
    with np.errstate(divide="ignore", invalid="ignore"):
        penalised = evidence.sum() + np.where(counts > 0, counts * np.log(transmat), 0.0).sum()
        pull = np.where(np.isinf(df), 1.0, (df + 1) / (df + (x[:, None] - location) ** 2 / squared))
    moves = transmat * (alpha[:-1].T @ (gamma[1:] / (alpha[:-1] @ transmat))) + counts
    weight, pulled = gamma.sum(axis=0), (gamma * pull).sum(axis=0)
    centre = (gamma * pull * x[:, None]).sum(axis=0) / pulled
    scatter = (gamma * pull * (x[:, None] - centre) ** 2).sum(axis=0)
    floored = scatter / pulled < floor
    expansion = np.where(floored, 1.0, pulled / weight)
    spread = np.where(floored, np.maximum(scatter / weight, floor), scatter / pulled)
    if np.isfinite(df[0]):
        gap = (digamma((df + 1) / 2) - np.log((df + 1) / 2))[0]
        told = 1 + gap + (gamma * (np.log(pull / expansion) - pull / expansion)).sum() / x.size
        grid = np.geomspace(LEAST_DF, MOST_DF, 2001)
        below, above = (grid[np.clip(np.searchsorted(digamma(grid / 2) - np.log(grid / 2), told) + i, 0, 2000)] for i in (-1, 0))
        df = np.array([below if below == above else brentq(lambda v: np.log(v / 2) - digamma(v / 2) + told, below, above, xtol=1e-12)])
    following = (gamma[0], (moves / moves.sum(axis=1, keepdims=True)).ravel(), centre, spread, df)
    return np.concatenate(following), float(penalised)


def _log_constant(df: float) -> float:
    """Log density in nats of the standard Student t at its centre."""
    return math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)


@kernel
def shapes(k: int, model: Vector, shape: Vector) -> bool:
    """Fill shape (3, k, LANES) with the height in nats, what squared distances are multiplied by, and the power of the tail.

    Returns whether the states are Student t: all lanes are, or none is.
    """
    at, row = (k * k + 2 * k) * LANES, k * LANES
    heavy = bool(model[at + row] < np.inf)
    for lane in range(LANES):
        df = model[at + row + lane]
        height = -0.5 * math.log(2.0 * math.pi)
        if heavy:
            height = math.lgamma(0.5 * (df + 1.0)) - math.lgamma(0.5 * df) - 0.5 * math.log(df * math.pi)
        for place in range(lane, row, LANES):
            squared = model[at + place]
            shape[place] = height - 0.5 * math.log(squared)
            shape[row + place] = 1.0 / (df * squared) if heavy else 0.5 / squared
            shape[2 * row + place] = 0.5 * (df + 1.0)
    return heavy


@kernel
def forward(k: int, n: int, model: Vector, series: Series, passes: Passes, score: Vector) -> None:
    """Fill the passes over n bars, and score (LANES,) with the log-likelihoods in nats."""
    (bars, x), (density, alpha, tails, inverse) = series, passes
    row, shape, prior = k * LANES, np.empty(3 * k * LANES), model[: k * LANES].copy()
    heavy = shapes(k, model, shape)
    moves, location = row, row * (k + 1)
    ends, nothing, least = load(bars, 0), fill(0.0), fill(NEGLIGIBLE)
    peaks, product, exponents = fill(0.0), fill(1.0), fill(0.0)
    for t in range(n):
        here, value, peak = t * row, load(x, t * LANES), fill(_LOWEST)
        for j in range(0, row, LANES):
            away = value - load(model, location + j)
            squared = away * away * load(shape, row + j)
            if heavy:
                squared = log(squared + 1.0)
                store(tails, here + j, squared)
                squared = squared * load(shape, 2 * row + j)
            height = load(shape, j) - squared
            store(density, here + j, height)
            highest = where_above(height, peak, height, peak)
            peak = where_above(load(prior, j), least, highest, peak)
        total = fill(0.0)
        for j in range(0, row, LANES):
            before = load(prior, j)
            # an impossible state may have any density; as zero it cannot overflow and changes nothing
            likely = where_above(before, least, exp(load(density, here + j) - peak), nothing)
            store(density, here + j, likely)
            likely = likely * before
            store(alpha, here + j, likely)
            total = total + likely
        weight = 1.0 / total
        store(inverse, t * LANES, weight)
        for j in range(0, row, LANES):
            reached = fill(0.0)
            for i in range(0, row, LANES):
                reached = reached + load(alpha, here + i) * load(model, moves + i * k + j)
            store(prior, j, reached * weight)
        for j in range(0, row, LANES):
            store(alpha, here + j, load(alpha, here + j) * weight)
        now = fill(float(t))
        peaks = peaks + where_above(ends, now, peak, nothing)
        product = product * where_above(ends, now, total, fill(1.0))
        exponents = exponents + exponent(product)
        product = mantissa(product)
    store(score, 0, peaks + log(product) + exponents * 0.6931471805599453)


@kernel
def backward(k: int, n: int, model: Vector, series: Series, passes: Passes, tallies: Vector) -> None:
    """Fill the tallies (k k + 5 k + 1, LANES) from what `forward` filled.

    Expected moves (k, k); by state: weight, pulled weight, pulled sum and pulled sum of squares about the location, p(s_1 | x); the
    weighted sum of tails. The pull of a bar is (df + 1) / (df + r²), for Gaussian states one.
    """
    (bars, x), (density, alpha, tails, inverse) = series, passes
    row = k * LANES
    location, states, degrees = row * (k + 1), row * k, row * (k + 3)
    heavy = model[degrees] < np.inf
    beta, carried, shape = np.ones(row), np.empty(row), np.empty(3 * row)
    shapes(k, model, shape)
    tallies[:] = 0.0
    ends, nothing, one, summed = load(bars, 0), fill(0.0), fill(1.0), fill(0.0)
    heaviest = 1.0 + 1.0 / load(model, degrees)
    for t in range(n - 1, -1, -1):
        here, value = t * row, load(x, t * LANES)
        if t < n - 1:
            now = fill(t + 1.0)
            weight = where_above(ends, now, load(inverse, (t + 1) * LANES), nothing)
            rest = where_above(ends, now, nothing, one)  # beyond the end of its series a lane carries ones
            for j in range(0, row, LANES):
                store(carried, j, load(density, here + row + j) * load(beta, j) * weight)
            for i in range(0, row, LANES):
                share, total = load(alpha, here + i), rest
                for j in range(0, row, LANES):
                    coming = load(carried, j)
                    total = total + load(model, row + i * k + j) * coming
                    store(tallies, i * k + j, load(tallies, i * k + j) + share * coming)
                store(beta, i, total)
        now = fill(float(t))
        for j in range(0, row, LANES):
            share = where_above(ends, now, load(alpha, here + j) * load(beta, j), nothing)
            away = value - load(model, location + j)
            store(tallies, states + j, load(tallies, states + j) + share)
            store(tallies, states + 4 * row + j, share)
            if heavy:
                summed = summed + share * load(tails, here + j)
                share = share * heaviest / (1.0 + away * away * load(shape, row + j))
                store(tallies, states + row + j, load(tallies, states + row + j) + share)
            share = share * away
            store(tallies, states + 2 * row + j, load(tallies, states + 2 * row + j) + share)
            store(tallies, states + 3 * row + j, load(tallies, states + 3 * row + j) + share * away)
    for j in range(0, row * k, LANES):
        store(tallies, j, load(tallies, j) * load(model, row + j))
    if not heavy:
        for j in range(0, row, LANES):
            store(tallies, states + row + j, load(tallies, states + j))
    store(tallies, states + 5 * row, summed)


@kernel
def maximise(k: int, model: Vector, tallies: Vector, beliefs: Beliefs, following: Vector) -> None:
    """Fill following (rows, LANES) with the maximiser of the expected penalised likelihood; a state without weight keeps its parameters."""
    counts, floors = beliefs
    row = k * LANES
    location, states = row * (k + 1), row * k
    floor, nothing, one = load(floors, 0), fill(0.0), fill(1.0)
    weights, told = fill(0.0), fill(0.0)
    begun = fill(0.0)
    for j in range(0, row, LANES):
        begun = begun + load(tallies, states + 4 * row + j)
    for i in range(0, row, LANES):
        store(following, i, load(tallies, states + 4 * row + i) / begun)
        total = fill(0.0)
        for j in range(k):
            total = total + (load(tallies, i * k + j * LANES) + counts[i // LANES * k + j])
        for j in range(k):
            at = row + i * k + j * LANES
            share = (load(tallies, i * k + j * LANES) + counts[i // LANES * k + j]) / total
            store(following, at, where_above(total, nothing, share, load(model, at)))
    for j in range(0, row, LANES):
        weight, pulled = load(tallies, states + j), load(tallies, states + row + j)
        before, squared = load(model, location + j), load(model, location + row + j)
        shift = load(tallies, states + 2 * row + j) / pulled
        scatter = load(tallies, states + 3 * row + j) - pulled * shift * shift
        spread, held = scatter / pulled, scatter / weight
        expansion = where_above(floor, spread, one, pulled / weight)
        spread = where_above(floor, spread, where_above(held, floor, held, floor), spread)
        store(following, location + j, where_above(weight, nothing, before + shift, before))
        store(following, location + row + j, where_above(weight, nothing, spread, squared))
        weights = weights + weight
        told = told - where_above(weight, nothing, weight * log(where_above(weight, nothing, expansion, one)) + pulled / expansion, nothing)
    last = row * (k + 3)
    store(following, last, load(model, last))
    if model[last] < np.inf:
        # the mean of log pull, less the expansion's share: what the equation of the degrees of freedom asks for
        degrees = load(model, last)
        told = log(1.0 + 1.0 / degrees) + (told - load(tallies, states + 5 * row)) / weights
        store(following, last, told)
        for lane in range(LANES):
            df = model[last + lane]
            following[last + lane] = degrees_of_freedom(digamma_gap(0.5 * (df + 1.0)) - 1.0 - following[last + lane])


@kernel
def digamma_gap(z: float) -> float:
    """log z - digamma(z) for z above one, by its recurrence up to ten and the asymptotic series from there.

    Source: Abramowitz, Stegun (1964), 6.3.5 and 6.3.18.
    """
    total, begun = 0.0, math.log(z)
    while z < 10.0:
        total += 1.0 / z
        z += 1.0
    inverse = 1.0 / (z * z)
    series = 0.5 / z + inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse * (1 / 132)))))
    return begun - math.log(z) + total + series


@kernel
def degrees_of_freedom(gap: float) -> float:
    """The v between LEAST_DF and MOST_DF whose log(v / 2) - digamma(v / 2) is the gap. Source: Peel, McLachlan (2000), equation 17."""
    if not gap > digamma_gap(0.5 * MOST_DF):
        return MOST_DF
    if gap >= digamma_gap(0.5 * LEAST_DF):
        return LEAST_DF
    low, high = LEAST_DF, MOST_DF
    z = 0.25 * (1.0 + math.sqrt(1.0 + 4.0 * gap / 3.0)) / gap  # of the first two terms of the series
    for _ in range(50):
        miss = digamma_gap(z) - gap
        low, high = (2.0 * z, high) if miss > 0.0 else (low, 2.0 * z)
        if abs(miss) < 1e-13 * gap or high - low < 1e-12 * high:
            break
        slope = 0.5 / (z * z) * (1.0 + 1.0 / (3.0 * z))
        z += miss / slope
        if not 0.5 * low < z < 0.5 * high:
            z = 0.25 * (low + high)
    return 2.0 * z


def warm() -> None:
    """Compile, or load from the cache, nothing: every kernel of this file is compiled with `climb`, which calls it."""
