"""From scores to probabilities that come true as often as they say, learnt on events that the fit had not seen."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.book import logistic
from rpsd.core.book import Grid, Integers
from rpsd.core.market import Vector

ISOTONIC_MOVES: Final = 5000
"""Moves from which `auto` trusts the freer isotonic line."""
_BINS: Final = 50  # of equal mass, pooled until they rise
_LEAST_SLOPE: Final = 1e-3  # a score that misled keeps its order, but says next to nothing


@dataclass(frozen=True, slots=True)
class Line:
    """Log-odds as a line through knots (a, 2) of score and log-odds, going on with the slope beyond them."""

    knots: Grid
    slope: float


def method_of(wanted: str, moves: int) -> str:
    """What `auto` is with so many distinct moves: isotonic needs many, Platt's single slope does with few.

    Below 1,300 moves the isotonic line had the larger log loss on later blocks of both captures, within their training parts.

    Source: Niculescu-Mizil, Caruana (2005), Proc. ICML 22, 625-632, section 5.
    """
    if wanted != "auto":
        return wanted
    return "isotonic" if moves >= ISOTONIC_MOVES else "platt"


def odd(score: Vector, y: Integers, method: str) -> Line:
    """The line of |score| for log-odds of up, y (n,) being -1 or 1: as an odd function it keeps the symmetry of the book.

    platt: one slope without a constant. isotonic: shares of right directions over bins of |score|, made rising and at least a half.
    Source: Platt (1999), Advances in Large Margin Classifiers, 61-74; Zadrozny, Elkan (2002), Proc. KDD 8, 694-699.
    """
    if method == "platt":
        return Line(np.zeros((1, 2)), max(_newton(score[:, None], y > 0)[0], _LEAST_SLOPE))
    is_right = np.where(score >= 0, y > 0, y < 0)
    knots = _isotonic(np.abs(score), is_right)
    knots[:, 1] = np.maximum(knots[:, 1], 0.0)
    return Line(np.vstack([np.zeros((1, 2)), knots[knots[:, 0] > 0]]), 0.0)


def levelled(scores: Grid, y: Integers) -> Grid:
    """Scores (n, 2) moved by Platt's lines to where outcomes y (n,) of -1, 0, 1 bear them out, so that predictors of any scale compare."""
    moved = y != 0
    direction = scores[:, 0] * odd(scores[moved, 0], y[moved], "platt").slope
    if np.isinf(scores[:, 1]).all():
        return np.column_stack([direction, scores[:, 1]])
    line = plain(scores[:, 1], moved, "platt")
    return np.column_stack([direction, line.knots[0, 1] + line.slope * scores[:, 1]])


def plain(score: Vector, came: npt.NDArray[np.bool_], method: str) -> Line:
    """The line of score (n,) for log-odds of what came (n,): platt with slope and constant, isotonic rising."""
    if method == "platt":
        constant, slope = _newton(np.column_stack([np.ones(score.size), score]), came)
        return Line(np.array([[0.0, constant]]), max(slope, _LEAST_SLOPE))
    return Line(_isotonic(score, came), 0.0)


def _newton(a: Grid, came: npt.NDArray[np.bool_]) -> list[float]:
    """Weights of a logistic regression of what came (n,) on a (n, k), with about half an event of each outcome added: they are finite."""
    ridge = 1.0 / max(float((a**2).sum(axis=0).max()), 1.0)
    return [float(one) for one in logistic.newton(a, came, np.ones(len(a)), np.full(a.shape[1], ridge))]


def _isotonic(score: Vector, came: npt.NDArray[np.bool_]) -> Grid:
    """Knots (a, 2) in rising order: mean score and log-odds of pooled bins, each with one event of either outcome added.

    Source: Ayer, Brunk, Ewing, Reid, Silverman (1955), Ann. Math. Stat. 26, 641-647 (pool adjacent violators).
    """
    pooled: list[list[float]] = []
    for part in np.array_split(np.argsort(score, kind="stable"), min(_BINS, score.size)):
        pooled.append([float(part.size), float(score[part].sum()), float(came[part].sum())])
        while len(pooled) > 1 and pooled[-2][2] * pooled[-1][0] >= pooled[-1][2] * pooled[-2][0]:
            last = pooled.pop()
            pooled[-1] = [x + y for x, y in zip(pooled[-1], last, strict=True)]
    n, sums, hits = np.array(pooled).T
    knots = np.column_stack([sums / n, np.log((hits + 1) / (n - hits + 1))])
    rising = np.concatenate([[True], np.diff(knots[:, 0]) > 0])
    knots[:, 1] = np.maximum.accumulate(knots[:, 1])
    return np.asarray(knots[rising])
