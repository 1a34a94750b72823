"""Where EM begins: bars ranked by volatility, trend or return and cut into as many groups as there are states."""

from collections.abc import Iterator

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from rpsd.kernels import groups
from rpsd.kernels.hmm import Prior

Moments = tuple[Vector, Matrix, Vector, Vector]
"""startprob (k,), transmat (k, k), means (k,), variances (k,) of one Gaussian column."""

_RANKINGS = (("volatility", 21), ("trend", 21), ("return", 1), ("volatility", 63), ("trend", 63), ("volatility", 5))
"""What bars are ranked by, over how many bars; the first starts take these in turn, with groups of equal size."""

_LEAST_SHARE = 0.05
"""A group keeps at least this share of the bars: one of at least 20 k bars is then never empty."""


def beginnings(x: Vector, k: int, count: int, prior: Prior, rng: np.random.Generator) -> Iterator[Moments]:
    """Yield `count` models to start EM from on x (n,); each obeys the prior."""
    bases = {"volatility": np.abs(x - np.median(x)), "trend": x, "return": x}
    scores: dict[int, Vector] = {}
    centre = float(x.mean())
    away = x - centre
    for number in range(count):
        place = number % len(_RANKINGS)
        ranking, window = _RANKINGS[place]
        if place not in scores:
            scores[place] = _score(bases[ranking], min(window, x.size // 2))
        shares = np.full(k, 1 / k)
        if number >= len(_RANKINGS):  # groups of random size find the rare states that equal groups miss
            shares = _LEAST_SHARE + (1 - k * _LEAST_SHARE) * rng.dirichlet(np.ones(k))
        yield _model(away, centre, _grouped(scores[place], shares), prior)


def _score(base: Vector, window: int) -> Vector:
    """What each bar is ranked by: a centred moving average of the base."""
    before, after = window // 2, window - 1 - window // 2
    total = np.zeros(base.size + window)
    np.cumsum(np.concatenate([base[before:0:-1], base, base[-2 : -after - 2 : -1]]), out=total[1:])  # mirrored at both ends
    mean: Vector = (total[window:] - total[:-window]) / window
    return mean


def _grouped(score: Vector, shares: Vector) -> tuple[Labels, Labels]:
    """Group of each bar (n,) by its rank, the groups holding the given shares of the bars in rising order, and how many each holds (k,)."""
    n = score.size
    cuts = np.floor(np.cumsum(shares)[:-1] * n + 0.5).astype(np.int64)
    group, size = np.empty(n, np.int64), np.empty(shares.size, np.int64)
    groups.divide(score, np.partition(score, cuts)[cuts] if cuts.size else np.empty(0), group, size)
    if size.min() < 0.5 * _LEAST_SHARE * n:  # many bars alike: only their order tells them apart
        group[np.argsort(score, kind="stable")] = np.searchsorted(cuts, np.arange(n), "right")
        size = np.bincount(group, minlength=shares.size)
    return group, size


def _model(x: Vector, centre: float, divided: tuple[Labels, Labels], prior: Prior) -> Moments:
    """The moments of each group and the moves between groups as a model; x (n,) are distances from the centre."""
    (group, size), (counts, floor) = divided, prior
    k = size.size
    sums, seen = np.empty((2, k)), np.empty((k, k))
    groups.moments(x, group, sums, seen)
    shift, square = sums / size
    moves = counts + seen + 1.0  # no move is impossible at the start, for EM could never revive it
    return np.full(k, 1 / k), moves / moves.sum(axis=1, keepdims=True), centre + shift, np.maximum(square - shift * shift, floor)
