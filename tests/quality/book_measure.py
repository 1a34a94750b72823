"""Scores of probabilities of a rise, their spread by whole moves, and the regression on order flow; written for the chapter alone."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Grid, Integers
from rpsd.core.market import Times, Vector

Mask = npt.NDArray[np.bool_]
BINS: Final = 10
SCORES: Final = ("AUC", "MCC", "Brier", "log loss", "ECE", "ECE of up")
RESAMPLES: Final = 200
_SECOND: Final = 1_000_000_000


def auc(up: Mask, p: Vector, weight: Vector | None = None) -> float:
    """Share of pairs of a rise and a fall in the right order, ties half; NaN with one class alone."""
    w = np.ones(p.size) if weight is None else weight
    order = np.argsort(p, kind="stable")
    ties = np.flatnonzero(np.r_[True, np.diff(p[order]) != 0.0])
    ups, downs = (np.add.reduceat((w * side)[order], ties) for side in (up, ~up))
    pairs = ups.sum() * downs.sum()
    return float(ups @ (np.cumsum(downs) - 0.5 * downs) / pairs) if pairs else float("nan")


def mcc(up: Mask, p: Vector, weight: Vector | None = None) -> float:
    """Correlation of what happened with what was called, a rise where p is above a half; 0 when all calls are alike."""
    (tn, fn), (fp, tp) = np.bincount(2 * (p > 0.5) + up, weight, 4).reshape(2, 2).astype(float)
    below = float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return float((tp * tn - fp * fn) / below**0.5) if below else 0.0


def brier(up: Mask, p: Vector, weight: Vector | None = None) -> float:
    """Mean squared error."""
    return float(np.average((p - up) ** 2, weights=weight))


def log_loss(up: Mask, p: Vector, weight: Vector | None = None) -> float:
    """Nats; a probability within 1e-12 of certainty is taken for that."""
    return float(np.average(-np.log(np.clip(np.where(up, p, 1.0 - p), 1e-12, 1.0)), weights=weight))


def calibration_error(up: Mask, p: Vector, weight: Vector | None = None) -> float:
    """Mean distance between said and happened over BINS of equal width, by their counts."""
    w = np.ones(p.size) if weight is None else weight
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(place, w * p, BINS) - np.bincount(place, w * up, BINS)).sum() / w.sum())


def word_error(up: Mask, p: Vector, weight: Vector | None = None) -> float:
    """calibration_error of the word that was said, up or down, and its probability. Source: Guo and others (2017), ICML, section 2."""
    return calibration_error(up == (p >= 0.5), np.maximum(p, 1.0 - p), weight)


def scores(up: Mask, p: Vector, weight: Vector | None = None) -> Vector:
    """All SCORES, each event counting so many times."""
    return np.array([score(up, p, weight) for score in (auc, mcc, brier, log_loss, word_error, calibration_error)])


@dataclass(frozen=True, slots=True)
class Scored:
    """SCORES of one contestant with the ends of their 95 % intervals, each (6,)."""

    values: Vector
    low: Vector
    high: Vector


def scored(up: Mask, p: Vector, move: Integers, rng: np.random.Generator) -> Scored:
    """Scores of events (n,), with intervals by drawing whole moves: `move` (n,) says which next move an event waits for.

    Source: Cameron, Gelbach, Miller (2008), Rev. Econ. Stat. 90, the pairs cluster bootstrap.
    """
    order = np.argsort(p, kind="stable")  # once: sorting what is sorted is quick
    up, p, move = up[order], p[order], move[order]
    number = np.unique(move, return_inverse=True)[1]
    clusters = int(number.max()) + 1
    drawn = np.empty((RESAMPLES, len(SCORES)))
    for i in range(RESAMPLES):
        times = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters)
        drawn[i] = scores(up, p, times[number].astype(float))
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0)
    return Scored(scores(up, p), low, high)


def order_flow(tops: Grid) -> Vector:
    """e_n of best quotes (n, 4), the first being zero. Source: Cont, Kukanov, Stoikov (2014), section 2.1."""
    bid, q, ask, r = tops.T
    e = np.zeros(len(tops))
    e[1:] = (bid[1:] >= bid[:-1]) * q[1:] - (bid[1:] <= bid[:-1]) * q[:-1]
    e[1:] += (ask[1:] >= ask[:-1]) * r[:-1] - (ask[1:] <= ask[:-1]) * r[1:]
    return e


@dataclass(frozen=True, slots=True)
class Impact:
    """R² of the mid's move on order flow over its depth: of the same window, and of the next one; over so many windows."""

    windows: int
    same: float
    error: float
    following: float
    raw: float


def impact(t: Times, tops: Grid, seconds: float, tick: float) -> Impact:
    """Regress moves of the mid in ticks on order flow in units of the window's mean depth; windows without two events are left out.

    The error of R² is that of a bootstrap over windows. Source: Cont, Kukanov, Stoikov (2014), equations 2 and 10.
    """
    window = ((t - t[0]) // int(seconds * _SECOND)).astype(np.int64)
    e, mid, depth = order_flow(tops), (tops[:, 0] + tops[:, 2]) / (2.0 * tick), (tops[:, 1] + tops[:, 3]) / 2.0
    flow, moves, raw = [], [], []
    for i in range(int(window[-1])):  # the last window is not whole
        first, end = np.searchsorted(window, (i, i + 1))
        if end - first < 2:
            continue
        flow.append(e[first:end].sum() / depth[first:end].mean())
        raw.append(e[first:end].sum())
        moves.append(mid[end - 1] - mid[max(first - 1, 0)])
    return replace(regressed(np.array(flow), np.array(moves)), raw=_r2(np.array(raw), np.array(moves)))


def regressed(flow: Vector, moves: Vector) -> Impact:
    """Both regressions on windows (n,); raw is NaN."""
    drawn = [_r2(flow[rows], moves[rows]) for rows in np.random.default_rng(0).integers(0, flow.size, (RESAMPLES, flow.size))]
    return Impact(flow.size, _r2(flow, moves), float(np.std(drawn)), _r2(flow[:-1], moves[1:]), float("nan"))


def _r2(x: Vector, y: Vector) -> float:
    return float(np.corrcoef(x, y)[0, 1] ** 2)
