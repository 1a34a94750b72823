"""Where EM begins: bars ranked by volatility, trend or return and cut into as many groups as there are states."""

from collections.abc import Iterator

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from rpsd.kernels.hmm import Prior

Moments = tuple[Vector, Matrix, Vector, Vector]
"""startprob (k,), transmat (k, k), means (k,), variances (k,) of one Gaussian column."""

_RANKINGS = (("volatility", 21), ("trend", 21), ("return", 1), ("volatility", 63), ("trend", 63), ("volatility", 5))
"""What bars are ranked by, over how many bars; the first starts take these in turn, with groups of equal size."""

_LEAST_SHARE = 0.05
"""A group keeps at least this share of the bars: one of at least 20 k bars is then never empty."""


def beginnings(x: Vector, k: int, count: int, prior: Prior, rng: np.random.Generator) -> Iterator[Moments]:
    """Yield `count` models to start EM from on x (n,); each obeys the prior."""
    for number in range(count):
        ranking, window = _RANKINGS[number % len(_RANKINGS)]
        shares = np.full(k, 1 / k)
        if number >= len(_RANKINGS):  # groups of random size find the rare states that equal groups miss
            shares = _LEAST_SHARE + (1 - k * _LEAST_SHARE) * rng.dirichlet(np.ones(k))
        yield _model(x, _grouped(_score(x, ranking, min(window, x.size // 2)), shares), k, prior)


def _score(x: Vector, ranking: str, window: int) -> Vector:
    """What each bar is ranked by: a centred moving average of the distance from the median, or of the value itself."""
    base = np.abs(x - np.median(x)) if ranking == "volatility" else x
    before, after = window // 2, window - 1 - window // 2
    padded = np.concatenate([base[before:0:-1], base, base[-2 : -after - 2 : -1]])  # mirrored at both ends
    total = np.concatenate([[0.0], np.cumsum(padded)])
    mean: Vector = (total[window:] - total[:-window]) / window
    return mean


def _grouped(score: Vector, shares: Vector) -> Labels:
    """Group of each bar (n,) by its rank, the groups holding the given shares of the bars in rising order."""
    n = score.size
    cuts = np.floor(np.cumsum(shares)[:-1] * n + 0.5).astype(np.int64)
    group = np.zeros(n, np.int64)
    for least in np.partition(score, cuts)[cuts].tolist() if cuts.size else ():
        group += score >= least
    if np.bincount(group, minlength=shares.size).min() < 0.5 * _LEAST_SHARE * n:  # many bars alike: only their order tells them apart
        group[np.argsort(score, kind="stable")] = np.searchsorted(cuts, np.arange(n), "right")
    return group


def _model(x: Vector, group: Labels, k: int, prior: Prior) -> Moments:
    """The moments of each group and the moves between groups as a model."""
    counts, floor = prior
    size = np.bincount(group, minlength=k)
    means = np.bincount(group, x, k) / size
    variances = np.maximum(np.bincount(group, (x - means[group]) ** 2, k) / size, floor)
    seen = np.bincount(k * group[:-1] + group[1:], minlength=k * k).reshape(k, k)
    moves = counts + seen + 1.0  # no move is impossible at the start, for EM could never revive it
    return np.full(k, 1 / k), moves / moves.sum(axis=1, keepdims=True), means, variances
