"""The logistic predictor: no constant, odd features alone, so that the mirrored book gets the mirrored probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.book.features import FEATURES
from rpsd.core.book import Grid, Integers
from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector

ODD: Final = ("qi1", "micro_t", "ofi_f", "ofi_m", "mom_f", "lastdir")
"""Features of the direction, the one that is not penalised first."""
EVEN: Final = ("spread_t", "vol_s", "rate", "since")
"""Features of the threshold between flat and a move; none for a label without flat."""
_WEAKEST: Final = 1e-9  # of the penalty: two features may say the same
_SLIGHT: Final = 1e-3  # penalty on the threshold's own features
_CONSTANT: Final = 1e-6
"""An even column whose standard deviation is a smaller part of its largest value counts as constant."""

_STEPS: Final = 50
_LONGEST: Final = 4.0  # change of a weight in one step
_SETTLED: Final = 1e-10


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


def fit(x: Grid, y: Integers, l2: float, names: Sequence[str] = ODD, weight: Vector | None = None) -> Logistic:
    """Penalised maximum likelihood on features x (n, 27) with labels y (n,) of -1, 0, 1, each of which counts weight (n,), by default 1.

    s = Σ w sign(x) log1p|x| over the odd features; without a zero among y P(up) = sigma(s), else P(up) = sigma(s - h) and P(down) =
    sigma(-s - h) with h = log(1 + exp(u)), u linear in the signed logarithms of the even features. `l2` weighs half the squared weights
    of all names but the first, in units of 1 / root mean square of their column, against the mean log loss: a strong penalty leaves the
    first feature alone. Hindsight over x. O(n k) an iteration. Raises DegenerateFit when the maximum is not found.
    Source: McCullagh (1980), JRSS B 42, 109-142; Hosmer, Lemeshow (2000), section 2.
    """
    odd, even = columns(names), columns(EVEN)
    a, b = signed_log(x[:, odd]), signed_log(x[:, even])
    share = np.full(len(x), 1.0 / len(x)) if weight is None else weight / weight.sum()
    scale, spread = np.sqrt(share @ a**2), b.std(axis=0)
    varies = spread > _CONSTANT * np.abs(b).max(axis=0)  # the rate of a feed that ticks like a clock differs by rounding alone
    scale, spread, b = np.where(scale > 0, scale, 1.0), np.where(varies, spread, 1.0), np.where(varies, b, 0.0)
    ridge = np.where(np.arange(odd.size) > 0, max(l2, _WEAKEST), _WEAKEST)
    if (y != 0).all():
        found = newton(a / scale, y > 0, share, ridge)
        return Logistic(odd, np.empty(0, np.int64), found / scale, np.empty(0))
    centre = b.mean(axis=0)
    found = _minimised(a / scale, np.column_stack([np.ones(len(x)), (b - centre) / spread]), y, share, ridge)
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


def newton(a: Grid, came: npt.NDArray[np.bool_], weight: Vector, ridge: Vector) -> Vector:
    """Weights (k,) of a logistic regression of what came (n,) on a (n, k), each event counting weight (n,), with half ridge (k,) w².

    O(n k²) a step. Raises DegenerateFit when nothing finite is found. Source: Hosmer, Lemeshow (2000), section 2, with shortened steps.
    """
    w = np.zeros(a.shape[1])
    for _ in range(_STEPS):
        p = _sigma(a @ w)
        slope = a.T @ (weight * (came - p)) - ridge * w
        bend = (a * (weight * p * (1 - p))[:, None]).T @ a + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        w = w + step * min(1.0, _LONGEST / max(float(np.abs(step).max()), 1e-300))
        if float(np.abs(step).max()) < _SETTLED:
            break
    if not np.isfinite(w).all():
        raise DegenerateFit("the logistic fit found no maximum")
    return np.asarray(w)


def _minimised(a: Grid, b: Grid, y: Integers, weight: Vector, direction_ridge: Vector) -> Vector:
    from scipy.optimize import minimize  # only fits need it

    k = a.shape[1]
    groups = [np.flatnonzero(y == one) for one in (-1, 0, 1)]
    ridge = np.concatenate([direction_ridge, [_WEAKEST], np.full(b.shape[1] - 1, _SLIGHT)])

    def loss(w: Vector) -> tuple[float, Vector]:
        value, by_s, by_u = _three_way(a @ w[:k], b @ w[k:], groups, weight)
        return value + 0.5 * float(ridge @ w**2), np.concatenate([by_s @ a, by_u @ b]) + ridge * w

    done = minimize(loss, np.zeros(ridge.size), jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7})
    if not np.isfinite(done.x).all() or not np.isfinite(done.fun):
        raise DegenerateFit("the logistic fit found no maximum")
    return np.asarray(done.x, np.float64)


def _three_way(s: Vector, u: Vector, groups: list[Integers], weight: Vector) -> tuple[float, Vector, Vector]:
    """Log loss summed by weight, and its slopes by s and by u, where h = log(1 + exp(u)); groups: the events down, flat, up."""
    h, value = np.logaddexp(0.0, u), 0.0
    by_s, by_h = np.empty(s.size), np.empty(s.size)
    for sign, group in ((-1, groups[0]), (1, groups[2])):
        inside = sign * s[group] - h[group]
        value += float(weight[group] @ np.logaddexp(0.0, -inside))
        by_h[group] = _sigma(-inside)
        by_s[group] = -sign * by_h[group]
    flat = groups[1]
    upper, lower = _sigma(s[flat] + h[flat]), _sigma(s[flat] - h[flat])
    between = np.maximum(upper - lower, np.finfo(np.float64).tiny)
    value -= float(weight[flat] @ np.log(between))
    by_s[flat] = upper + lower - 1
    by_h[flat] = -(upper * (1 - upper) + lower * (1 - lower)) / between
    return value, weight * by_s, weight * by_h * _sigma(u)


def _sigma(value: Vector) -> Vector:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * value)))
