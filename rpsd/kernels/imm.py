"""Interacting local levels over a grid of signal and noise scales, and the average of filters by what they foretold.

Each model j is a local level with noise variance g_j s^2 and state variance q_j g_j s^2; a Markov chain moves between them, and the base
s^2 follows the noise that the models see. Each readable form (`reference_*`, numpy) stands above its kernel.
Source: Blom and Bar-Shalom (1988), IEEE Trans. Automat. Control 33, 780-783.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels.jit import kernel

NOISES: Final[Vector] = np.array([0.25, 0.5, 1.0, 3.0, 12.0])
"""Variances of the noise that are tried, in units of the base; wider above, so that an outlier need not pass for a jump."""
FARTHEST: Final = 1e300
"""Most log density that one sample costs: infinity for all models would leave them no weights."""
_MEMORY: Final = 64.0  # samples over which the base is averaged
_HALF_LOG: Final = float(np.log(2.0 * np.pi) / 2.0)
_LEAST: Final = 1e-280  # squared moves below it underflow: nothing has moved
_FLOOR: Final = 1e-8  # least base as a share of its highest

# places in the state; the models' means (from the estimate), variances and weights follow
_SEEN: Final = 0
_X: Final = 1
_BASE: Final = 2
_HIGHEST: Final = 3
_STEPS: Final = 4  # samples since the first move
_SPREAD: Final = 5  # variance of the mixture
_HEAD: Final = 8


RATIOS: Final = 6
"""Signal-to-noise ratios that are tried, each with each of the noises."""
MODELS: Final = RATIOS * NOISES.size
LANES: Final = 32
"""Models side by side in the kernel: MODELS and the rest of a whole number of vectors."""

# places of the rows of LANES numbers in the kernel's one array: their distances are known, so the compiler need not fear that they overlap
_Q: Final = 0
_G: Final = LANES
_D: Final = 2 * LANES  # means, from the estimate
_P: Final = 3 * LANES  # variances
_W: Final = 4 * LANES  # weights
_PART: Final = 5 * LANES
_DISTANCE: Final = 6 * LANES
_SCALE: Final = 7 * LANES
_ABSENT: Final = 8 * LANES
_SUM: Final = 9 * LANES


@lru_cache(maxsize=8)
def lanes(lowest: float, highest: float) -> Matrix:
    """Rows q and g (2, MODELS) of the models, the ratios spread evenly on the logarithm from lowest to highest."""
    ratios = np.geomspace(lowest, highest, RATIOS)
    return np.array([np.repeat(ratios, NOISES.size), np.tile(NOISES, ratios.size)])


def start(models: int = MODELS) -> Vector:
    """State (8 + 3 models,) of `imm` before the first sample."""
    state = np.zeros(_HEAD + 3 * models)
    state[_HEAD + 2 * models :] = 1.0 / models
    return state


def reference_imm(y: Vector, grid: Matrix, stay: float) -> tuple[Vector, Vector, Vector]:
    """x̂ (n,), its error variance (n,) and the log density (n,) of each sample before it came; NaN until the first move. Causal. O(n).

    grid (2, m) holds q and g of the models. Each turn: mixing with the chain that stays with probability `stay` and else draws any model,
    one step of every filter, weights by the density of the sample, base s^2 times 1 + (mean g - 1) / 64.
    """
    (q, g), m, known = grid, grid.shape[1], False
    out, variances, scores = y.copy(), np.full(y.size, np.nan), np.full(y.size, np.nan)
    w, base, highest, steps = np.full(m, 1.0 / m), 0.0, 0.0, 0
    means, p = np.full(m, y[0]), np.zeros(m)
    for t in range(1, y.size):
        if not known:
            if (y[t] - y[0]) ** 2 < _LEAST:
                continue
            base, known = 0.5 * (y[t] - y[0]) ** 2, True
            highest, p = base, g * base
        moves = stay * np.eye(m) + (1.0 - stay) / m
        c = w @ moves
        share = w[:, None] * moves / c
        centres = w @ (moves * means[:, None]) / c
        prior = (share * (p[:, None] + (means[:, None] - centres) ** 2)).sum(axis=0) + q * g * base
        f = prior + g * base
        distance = np.minimum(0.5 * (y[t] - centres) ** 2 / f, FARTHEST)
        density = np.log(c) - distance - 0.5 * np.log(2.0 * np.pi * f)
        scores[t] = np.log(np.exp(density - density.max()).sum()) + density.max()
        w = np.exp(density - scores[t])
        means, p = centres + prior / f * (y[t] - centres), prior / f * g * base
        out[t] = w @ means
        variances[t] = w @ (p + (means - out[t]) ** 2)
        steps += 1
        base *= 1.0 + (w @ g - 1.0) / min(steps + 1, _MEMORY)
        highest = max(highest, base)
        base = max(base, _FLOOR * highest)
    return out, variances, scores


@kernel
def _exp(at, ints, work):  # type: ignore[no-untyped-def]
    """exp of the LANES numbers from work[at] on, in place, to two units in the last place; ints is work seen as integers.

    Numbers below -700 count as -700. exp(x) = 2^k exp(x - k ln 2): adding 1.5 * 2^52 leaves k in the last bits of the sum, and a series
    gives the rest. The compiler vectorises this, but not its own exp. Source: Muller (2016), Elementary Functions, 11.4.
    """
    for j in range(LANES):
        x = max(work[at + j], -700.0)
        shifted = x * 1.4426950408889634 + 6755399441055744.0
        k = shifted - 6755399441055744.0
        r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
        work[_SCALE + j] = shifted
        low = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r / 720)))))
        high = 1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r / 479001600))))
        square = r * r
        work[at + j] = low + square * square * square * r * high
    for j in range(LANES):
        ints[_SCALE + j] = (ints[_SCALE + j] + 1023) << 52
    for j in range(LANES):
        work[at + j] *= work[_SCALE + j]


@kernel
def _nearest(work):  # type: ignore[no-untyped-def]
    """Least of the distances, halves against halves: a plain minimum would be one long chain."""
    for j in range(16):
        work[_SUM + j] = min(work[_DISTANCE + j], work[_DISTANCE + 16 + j])
    for j in range(8):
        work[_SUM + j] = min(work[_SUM + j], work[_SUM + 8 + j])
    for j in range(4):
        work[_SUM + j] = min(work[_SUM + j], work[_SUM + 4 + j])
    return min(work[_SUM], work[_SUM + 1], work[_SUM + 2], work[_SUM + 3])


@kernel
def _sum(at, work):  # type: ignore[no-untyped-def]
    """Sum of the LANES numbers from work[at] on, halves on halves; they are lost."""
    for j in range(16):
        work[at + j] += work[at + 16 + j]
    for j in range(8):
        work[at + j] += work[at + 8 + j]
    for j in range(4):
        work[at + j] += work[at + 4 + j]
    return (work[at] + work[at + 1]) + (work[at + 2] + work[at + 3])


@kernel
def _combine(work, ints):  # type: ignore[no-untyped-def]
    """Weights of the models after a sample, their means from the new estimate; log density, step, variance, mean g of the mixture."""
    nearest = _nearest(work)
    for j in range(LANES):
        work[_DISTANCE + j] = nearest - work[_DISTANCE + j]
    _exp(_DISTANCE, ints, work)
    for j in range(LANES):
        part, off = work[_PART + j] * work[_DISTANCE + j], work[_D + j]
        work[_W + j] = part
        work[_PART + j] = part
        work[_SUM + j] = part * off
        work[_DISTANCE + j] = part * (work[_P + j] + off * off)
        work[_SCALE + j] = part * work[_G + j]
    share = 1.0 / _sum(_PART, work)
    mean = _sum(_SUM, work) * share
    for j in range(LANES):
        work[_W + j] *= share
        work[_D + j] -= mean
    density = -np.log(share) - nearest - _HALF_LOG
    return density, mean, max(_sum(_DISTANCE, work) * share - mean * mean, 0.0), _sum(_SCALE, work) * share


@kernel
def _step(v, stay, base, spread, work):  # type: ignore[no-untyped-def]
    """Mix the models and take in a sample that lies v from the estimate: means, variances, densities still without their exponential."""
    fresh = (1.0 - stay) / MODELS
    for j in range(LANES):
        c = stay * work[_W + j] + fresh
        mixed = fresh / c
        centre = (1.0 - mixed) * work[_D + j]  # the mean of all is 0: distances are from the estimate
        off = work[_D + j] - centre
        noise = work[_G + j] * base
        prior = (1.0 - mixed) * (work[_P + j] + off * off) + mixed * (spread + centre * centre) + work[_Q + j] * noise
        f = 1.0 / (prior + noise)
        k = prior * f
        innovation = v - centre
        work[_D + j] = centre + k * innovation
        work[_P + j] = k * noise
        work[_DISTANCE + j] = min(0.5 * innovation * innovation * f, FARTHEST) + work[_ABSENT + j]
        work[_PART + j] = c * np.sqrt(f)


@kernel
def _unpack(grid, state, work):  # type: ignore[no-untyped-def]
    """The models of grid and state in the lanes of work; a lane without a model repeats the last one, infinitely far away."""
    for j in range(LANES):
        i = min(j, MODELS - 1)
        work[_Q + j], work[_G + j] = grid[0, i], grid[1, i]
        work[_D + j], work[_P + j] = state[_HEAD + i], state[_HEAD + MODELS + i]
        work[_W + j] = state[_HEAD + 2 * MODELS + j] if j < MODELS else 0.0
        work[_ABSENT + j] = 0.0 if j < MODELS else np.inf


@kernel
def imm(y, grid, stay, state, out, variances, scores):  # type: ignore[no-untyped-def]
    """`reference_imm` of MODELS models into out, variances and scores (n,), on from state."""
    work = np.empty(10 * LANES)
    ints = work.view(np.int64)
    _unpack(grid, state, work)
    x, base, highest, steps, spread = state[_X], state[_BASE], state[_HIGHEST], state[_STEPS], state[_SPREAD]
    if state[_SEEN] == 0.0 and y.size > 0:
        x = y[0]
    for i in range(y.size):
        v = y[i] - x
        if steps == 0.0:
            if v * v < _LEAST:
                out[i], variances[i], scores[i] = y[i], np.nan, np.nan
                continue
            base = 0.5 * v * v
            highest, spread = base, base * np.mean(grid[1])
            for j in range(LANES):
                work[_D + j], work[_P + j] = 0.0, work[_G + j] * base
        _step(v, stay, base, spread, work)
        scores[i], mean, spread, scale = _combine(work, ints)
        x += mean
        out[i], variances[i] = x, spread
        steps += 1.0
        base *= 1.0 + (scale - 1.0) / min(steps + 1.0, _MEMORY)
        highest = max(highest, base)
        base = max(base, _FLOOR * highest)
    state[_SEEN] += y.size
    state[_X], state[_BASE], state[_HIGHEST], state[_STEPS], state[_SPREAD] = x, base, highest, steps, spread
    for row, at in ((0, _D), (1, _P), (2, _W)):
        for j in range(MODELS):
            state[_HEAD + row * MODELS + j] = work[at + j]


def reference_average(values: Matrix, variances: Matrix, scores: Matrix, forgetting: float) -> tuple[Vector, Vector]:
    """Weighted mean (n,) of values (k, n) and its error variance (n,), weights w_k ~ w_k^forgetting exp(score_k), equal at first. Causal.

    Where a member has no variance it has no part, and where one has no score the weights rest; NaN where no member has a variance.
    O(n k). Source: Raftery, Karny and Ettler (2010), Technometrics 52, 52-66, equations 10 to 14.
    """
    k, n = values.shape
    w, out, spread = np.full(k, 1.0 / k), np.full(n, np.nan), np.full(n, np.nan)
    for t in range(n):
        if np.isfinite(scores[:, t]).all():
            w = w**forgetting * np.exp(scores[:, t] - scores[:, t].max())
            w /= w.sum()
        part = np.where(np.isnan(variances[:, t]), 0.0, np.maximum(w, 1e-12))
        if part.sum() > 0.0:
            part /= part.sum()
            out[t] = part @ values[:, t]
            spread[t] = part @ (np.nan_to_num(variances[:, t]) + (values[:, t] - out[t]) ** 2)
    return out, spread


def start_average(members: int) -> Vector:
    """State (2 + 3 members,) of `average`: samples scored, log score of the mixture; log weights, samples led, log scores."""
    return np.zeros(2 + 3 * members)


@kernel
def average(values, variances, scores, forgetting, state, out, spread):  # type: ignore[no-untyped-def]
    """`reference_average` into out and spread (n,), on from state, which also keeps the account of who led."""
    k, part = values.shape[0], np.empty(values.shape[0])
    logs, led, sums = state[2 : 2 + k], state[2 + k : 2 + 2 * k], state[2 + 2 * k : 2 + 3 * k]
    for t in range(out.size):
        scored = True
        for j in range(k):
            scored = scored and np.isfinite(scores[j, t])
        if scored:
            before = _total(logs, forgetting, part)
            for j in range(k):
                logs[j] = forgetting * logs[j] + scores[j, t]
                sums[j] += scores[j, t]
            after = _total(logs, 1.0, part)
            state[0] += 1.0
            state[1] += after - before
            led[np.argmax(logs)] += 1.0
            logs -= after
        else:
            part[:] = np.exp(logs)
        total, mean, square = 0.0, 0.0, 0.0
        for j in range(k):
            part[j] = 0.0 if np.isnan(variances[j, t]) else max(part[j], 1e-12)
            total += part[j]
        origin = values[0, t]
        for j in range(k):
            if part[j] > 0.0:
                off = values[j, t] - origin
                mean += part[j] / total * off
                square += part[j] / total * (variances[j, t] + off * off)
        out[t], spread[t] = (origin + mean, max(square - mean * mean, 0.0)) if total > 0.0 else (np.nan, np.nan)


@kernel
def _total(logs, power, part):  # type: ignore[no-untyped-def]
    """Logarithm of the sum of exp(power logs), and the share of each term in part."""
    highest, total = np.max(logs), 0.0
    for j in range(logs.size):
        part[j] = 1.0 if logs[j] == highest else np.exp(power * (logs[j] - highest))
        total += part[j]
    for j in range(logs.size):
        part[j] /= total
    return power * highest + np.log(total)


def warm() -> None:
    """Compile or load every kernel of this file."""
    y, rows = np.arange(80.0) % 3.0, np.zeros((3, 80))
    imm(y, lanes(0.1, 1.0), 0.99, start(), *rows)
    average(np.zeros((2, 80)), rows[:2], rows[1:], 0.99, start_average(2), y.copy(), y.copy())
