"""The predictors of order books and three baselines on events that none of them has seen, scored by code of their own."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpsd.book import boosted, forecast, train
from rpsd.core.market import Vector
from rpsd.core.parameters import BookParameters, LabelParameters
from tests.captures import TICK
from tests.quality.book_measure import BINS, Scored, auc, scored
from tests.quality.book_streams import TRAIN, Next, Stream, next_moves

IMBALANCE = "queue imbalance"
FORCED = "`boosted`, by force"
DELAYS = (0.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
BLOCKS = 5
Contestant = Callable[[Stream, Next, int, int, float], Vector]
"""The probability of a rise at the events of the stream's `next` from event `start` to `end`, having seen what was settled before start."""


def ours(name: str) -> Contestant:
    """A predictor as a training fits, calibrates and serves it, on the tape up to `start` alone."""

    def run(s: Stream, found: Next, start: int, end: int, delay_ms: float) -> Vector:
        label = LabelParameters(delay_ms=delay_ms)
        params = BookParameters(model=name, test_share=0.05, bootstrap=20)  # what is judged here lies outside the tape that it is given
        packet = train.train([(s.before(start), TICK)], label, params, seed=0, report=lambda *_: None)
        rows = found.at[found.between(start, end)]
        return np.asarray(forecast.probabilities(s.features[rows], forecast.opened(packet))[:, 2])

    return run


def trees(s: Stream, found: Next, start: int, end: int, delay_ms: float) -> Vector:
    """The boosted predictor without its calibration, on fewer moves than a training would fit it to."""
    seen, unseen = found.between(0, start, purged=True), found.between(start, end)
    x, y = s.features[found.at], np.where(found.up, 1, -1)
    first = seen & (found.at < 0.75 * start)
    later = seen & ~first
    params = BookParameters()
    counts = boosted.best_counts(x[first], y[first], x[later], y[later], params, 0)
    scores = boosted.scores(x[unseen], boosted.fit(x[seen], y[seen], params, 0, counts))[:, 0]
    return np.asarray(1.0 / (1.0 + np.exp(-scores)))


def majority(s: Stream, found: Next, start: int, end: int, delay_ms: float) -> Vector:
    """The share of rises so far, whatever the book says."""
    return np.full(int(found.between(start, end).sum()), found.up[found.between(0, start, purged=True)].mean())


def last_direction(s: Stream, found: Next, start: int, end: int, delay_ms: float) -> Vector:
    """The share of rises so far after a move of the same direction."""
    seen, unseen = found.between(0, start, purged=True), found.between(start, end)
    direction = np.sign(s.column("lastdir"))[found.at]
    share = {sign: found.up[seen][direction[seen] == sign].mean() for sign in np.unique(direction[seen])}
    return np.array([share.get(sign, 0.5) for sign in direction[unseen]])


def queue_imbalance(s: Stream, found: Next, start: int, end: int, delay_ms: float) -> Vector:
    """The share of rises so far at an imbalance like this one, by twentieths of the events."""
    seen, unseen = found.between(0, start, purged=True), found.between(start, end)
    x = s.column("qi1")[found.at]
    edges = np.unique(np.quantile(x[seen], np.arange(1, 20) / 20))
    place = np.searchsorted(edges, x, "right")
    ups, events = (np.bincount(place[seen], weights, edges.size + 1) for weights in (found.up[seen].astype(float), None))
    share = (ups + 0.5) / (events + 1.0)
    return np.asarray(np.maximum.accumulate(share)[place[unseen]] + 1e-9 * x[unseen])  # within a twentieth the order remains


BASELINES: dict[str, Contestant] = {"majority": majority, "last direction": last_direction, IMBALANCE: queue_imbalance}
CONTESTANTS: dict[str, Contestant] = {"`logistic`": ours("logistic"), FORCED: trees} | BASELINES


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of one contestant on the last events at once and, of all but FORCED, walking forward; p and `up` are of the former."""

    held_out: Scored
    walked: Scored | None
    p: Vector
    up: np.ndarray


def judge(s: Stream) -> dict[str, Judged]:
    """Everybody on one stream."""
    found, n = next_moves(s), s.tape.n
    cuts = [round(n * i / BLOCKS) for i in range(1, BLOCKS + 1)]
    results = {}
    for name, contestant in CONTESTANTS.items():
        rows = found.between(int(TRAIN * n), n)
        p = contestant(s, found, int(TRAIN * n), n, 0.0)
        held_out = scored(found.up[rows], p, found.move[rows], np.random.default_rng(0))
        if name == FORCED:
            results[name] = Judged(held_out, None, p, found.up[rows])
            continue
        parts = [contestant(s, found, a, b, 0.0) for a, b in itertools.pairwise(cuts)]
        walked = found.between(cuts[0], n)
        scores = scored(found.up[walked], np.concatenate(parts), found.move[walked], np.random.default_rng(0))
        results[name] = Judged(held_out, scores, p, found.up[rows])
    return results


@dataclass(frozen=True, slots=True)
class Delayed:
    """AUC when the label begins so many milliseconds later: of the logistic model, trained on the same label, and of the imbalance."""

    delay_ms: float
    logistic: float
    imbalance: float


def decay(s: Stream) -> list[Delayed]:
    """What is left of the forecast when acting on it takes time."""
    n, rows = s.tape.n, []
    for delay in DELAYS:
        found = next_moves(s, delay)
        unseen = found.between(int(TRAIN * n), n)
        p = ours("logistic")(s, found, int(TRAIN * n), n, delay)
        rows.append(Delayed(delay, auc(found.up[unseen], p), auc(found.up[unseen], s.column("qi1")[found.at[unseen]])))
    return rows


def reliability(judged: Judged) -> list[tuple[float, float, int]]:
    """What was said, what happened, and how often, by bins of equal width that hold events."""
    place = np.minimum((judged.p * BINS).astype(int), BINS - 1)
    bins = [place == i for i in range(BINS)]
    return [(float(judged.p[b].mean()), float(judged.up[b].mean()), int(b.sum())) for b in bins if b.any()]
