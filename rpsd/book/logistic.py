"""The logistic predictor: no constant, odd features alone, so that the mirrored book gets the mirrored probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.book.features import FEATURES
from rpsd.core.book import Grid, Integers
from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector

ODD: Final = ("qi1", "micro_t", "ofi_f", "ofi_m", "mom_f", "lastdir")
"""Features of the direction."""
EVEN: Final = ("spread_t", "vol_s", "rate", "since")
"""Features of the threshold between flat and a move; none for a label without flat."""
_WEAKEST: Final = 1e-9  # of the penalty: two features may say the same
_SLIGHT: Final = 1e-3  # penalty on the threshold's own features
_CONSTANT: Final = 1e-6
"""An even column whose standard deviation is a smaller part of its largest value counts as constant."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """Columns `odd` (k,) and `even` (m,) of the features; `weights` (k,) and `threshold` (m + 1,) of their signed logarithms."""

    odd: Integers
    even: Integers
    weights: Vector
    threshold: Vector


def columns(names: Sequence[str]) -> Integers:
    """Where the named features stand."""
    places = {feature.name: i for i, feature in enumerate(FEATURES)}
    return np.array([places[name] for name in names], np.int64)


def fit(x: Grid, y: Integers, l2: float, names: Sequence[str] = ODD) -> Logistic:
    """Penalised maximum likelihood on features x (n, 27) with labels y (n,) of -1, 0, 1.

    s = Σ w sign(x) log1p|x| over the odd features; without a zero among y P(up) = sigma(s), else P(up) = sigma(s - h) and P(down) =
    sigma(-s - h) with h = log(1 + exp(u)), u linear in the signed logarithms of the even features. `l2` weighs half the squared weights,
    in units of 1 / root mean square of their column, against the mean log loss. Hindsight over x. O(n k) an iteration. Raises
    DegenerateFit when the maximum is not found. Source: McCullagh (1980), JRSS B 42, 109-142; Hosmer, Lemeshow (2000), section 2.
    """
    odd, even = columns(names), columns(EVEN)
    a, b = signed_log(x[:, odd]), signed_log(x[:, even])
    scale, spread = np.sqrt((a**2).mean(axis=0)), b.std(axis=0)
    varies = spread > _CONSTANT * np.abs(b).max(axis=0)  # the rate of a feed that ticks like a clock differs by rounding alone
    scale, spread, b = np.where(scale > 0, scale, 1.0), np.where(varies, spread, 1.0), np.where(varies, b, 0.0)
    if (y != 0).all():
        found = _minimised(a / scale, None, y, l2)
        return Logistic(odd, np.empty(0, np.int64), found / scale, np.empty(0))
    centre = b.mean(axis=0)
    found = _minimised(a / scale, np.column_stack([np.ones(len(x)), (b - centre) / spread]), y, l2)
    slopes = found[odd.size + 1 :] / spread
    threshold = np.concatenate([[found[odd.size] - slopes @ centre], slopes])
    return Logistic(odd, even, found[: odd.size] / scale, threshold)


def scores(x: Grid, model: Logistic) -> Grid:
    """Log-odds (n, 2) of up against down and of a move against none (infinite without flat) for x (n, 27)."""
    s = signed_log(x[:, model.odd]) @ model.weights
    if not model.threshold.size:
        return np.column_stack([s, np.full(len(x), np.inf)])
    h = np.logaddexp(0.0, model.threshold[0] + signed_log(x[:, model.even]) @ model.threshold[1:])
    moves = _sigma(s - h) + _sigma(-s - h)
    return np.column_stack([np.logaddexp(0.0, s + h) - np.logaddexp(0.0, h - s), np.log(moves / (1 - moves))])


def signed_log(x: Grid) -> Grid:
    """sign(x) log1p(|x|): an odd function that tames long tails."""
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


def _minimised(a: Grid, b: Grid | None, y: Integers, l2: float) -> Vector:
    from scipy.optimize import minimize  # only fits need it

    k = a.shape[1]
    start = np.zeros(k + (0 if b is None else b.shape[1]))
    groups = [np.flatnonzero(y == one) for one in (-1, 0, 1)]
    ridge = np.full(start.size, max(l2, _WEAKEST))
    if b is not None:
        ridge[k], ridge[k + 1 :] = _WEAKEST, _SLIGHT

    def loss(w: Vector) -> tuple[float, Vector]:
        s = a @ w[:k]
        u = np.zeros(0) if b is None else b @ w[k:]
        value, by_s, by_u = _two_way(s, y) if b is None else _three_way(s, u, groups)
        slopes = [by_s @ a] if b is None else [by_s @ a, by_u @ b]
        return value / len(y) + 0.5 * float(ridge @ w**2), np.concatenate(slopes) / len(y) + ridge * w

    done = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7})
    if not np.isfinite(done.x).all() or not np.isfinite(done.fun):
        raise DegenerateFit("the logistic fit found no maximum")
    return np.asarray(done.x, np.float64)


def _two_way(s: Vector, y: Integers) -> tuple[float, Vector, Vector]:
    """Summed log loss, and its slopes by s."""
    signed = y * s
    return float(np.logaddexp(0.0, -signed).sum()), -y * _sigma(-signed), np.empty(0)


def _three_way(s: Vector, u: Vector, groups: list[Integers]) -> tuple[float, Vector, Vector]:
    """Summed log loss, and its slopes by s and by u, where h = log(1 + exp(u)); groups: the events down, flat, up."""
    h, value = np.logaddexp(0.0, u), 0.0
    by_s, by_h = np.empty(s.size), np.empty(s.size)
    for sign, group in ((-1, groups[0]), (1, groups[2])):
        inside = sign * s[group] - h[group]
        value += float(np.logaddexp(0.0, -inside).sum())
        by_h[group] = _sigma(-inside)
        by_s[group] = -sign * by_h[group]
    flat = groups[1]
    upper, lower = _sigma(s[flat] + h[flat]), _sigma(s[flat] - h[flat])
    between = np.maximum(upper - lower, np.finfo(np.float64).tiny)
    value -= float(np.log(between).sum())
    by_s[flat] = upper + lower - 1
    by_h[flat] = -(upper * (1 - upper) + lower * (1 - lower)) / between
    return value, by_s, by_h * _sigma(u)


def _sigma(value: Vector) -> Vector:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * value)))
