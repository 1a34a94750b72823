"""How a prediction of order books is made to look better than it is: three common mistakes, each beside the honest figure."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rpsd.core.book import Event
from tests.captures import TICK
from tests.quality.book_measure import auc, calibration_error, mcc
from tests.quality.book_streams import TRAIN, Stream, next_moves

AHEAD = 30
"""Seconds."""
FLEXIBLE = {
    "random forest, 30 trees": lambda: RandomForestClassifier(30, max_features=5, min_samples_leaf=5, random_state=0),
    "gradient boosting, 150 trees of 8 leaves": lambda: HistGradientBoostingClassifier(max_iter=150, max_leaf_nodes=8, random_state=0),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
}
"""scikit-learn on all 27 features, without anything that rpsd adds."""


@dataclass(frozen=True, slots=True)
class Split:
    """AUC and ECE of one predictor on the events held out, by how these were chosen."""

    predictor: str
    honest: tuple[float, float]
    random: tuple[float, float]


def splits(s: Stream) -> list[Split]:
    """The same events, features and predictors: the later 40 % held out, or 40 % drawn at random."""
    found = next_moves(s)
    cut = int(TRAIN * s.tape.n)
    x = s.features[found.at]
    drawn = np.random.default_rng(0).random(found.at.size) < TRAIN
    pairs = ((found.between(0, cut, purged=True), found.between(cut, s.tape.n)), (drawn, ~drawn))
    rows = []
    for name, made in FLEXIBLE.items():
        figures = []
        for seen, unseen in pairs:
            p = made().fit(x[seen], found.up[seen]).predict_proba(x[unseen])[:, 1]
            figures.append((auc(found.up[unseen], p), calibration_error(found.up[unseen], p)))
        rows.append(Split(name, *figures))
    return rows


@dataclass(frozen=True, slots=True)
class Scaled:
    """A score on the later 40 % of the events, with means and deviations of the events seen, and of all events."""

    seen: float
    everything: float


def scaled_features(s: Stream) -> Scaled:
    """AUC of the next move by logistic regression, its 27 features standardised."""
    found = next_moves(s)
    cut = int(TRAIN * s.tape.n)
    seen, unseen = found.between(0, cut, purged=True), found.between(cut, s.tape.n)
    x, figures = s.features[found.at], []
    for over in (seen, np.ones(found.at.size, bool)):
        z = (x - x[over].mean(axis=0)) / x[over].std(axis=0)
        p = LogisticRegression(max_iter=1000).fit(z[seen], found.up[seen]).predict_proba(z[unseen])[:, 1]
        figures.append(auc(found.up[unseen], p))
    return Scaled(*figures)


def scaled_price(s: Stream) -> Scaled:
    """MCC of calling a rise over AHEAD seconds where the price is below its mean: a price wanders around the mean of its own future."""
    cut = int(TRAIN * s.tape.n)
    ahead = np.searchsorted(s.t, s.t + AHEAD * 1_000_000_000, "right") - 1
    unseen = np.flatnonzero((np.arange(s.tape.n) >= cut) & (s.t + AHEAD * 1_000_000_000 <= s.t[-1]) & (s.mid[ahead] != s.mid))
    up = s.mid[ahead[unseen]] > s.mid[unseen]
    return Scaled(*(mcc(up, 1.0 * (s.mid[unseen] < mean)) for mean in (s.mid[:cut].mean(), s.mid.mean())))


@dataclass(frozen=True, slots=True)
class Seen:
    """Moves of the mid that the fused stream has, and books alone; `agree`: share of books whose next move is the same by both.

    `late_ms`: by how much books alone tell of a move later, in the median; `stale`: share of all events at which the last book's mid is no
    longer the mid.
    """

    fused: int
    books: int
    agree: float
    late_ms: float
    stale: float


def depth_only(s: Stream) -> Seen:
    """What becomes of moves when quotes are left out."""
    books = np.flatnonzero(s.tape.kind == Event.DEPTH)
    mid = np.rint((s.tape.bids[:, 0, 0] + s.tape.asks[:, 0, 0]) / TICK)
    changed = 1 + np.flatnonzero(np.diff(mid))
    after = np.searchsorted(changed, np.arange(mid.size), "right")
    true = next_moves(s, kinds=(Event.DEPTH,))
    rows = s.tape.row[true.at]
    both = after[rows] < changed.size
    told, true_at = changed[after[rows[both]]], true.until[both]
    agree = np.mean((mid[told] > mid[told - 1]) == true.up[both])
    late = np.median(s.t[books[told]] - s.t[true_at]) / 1e6
    last = np.searchsorted(books, np.arange(books[0], s.tape.n), "right") - 1
    stale = np.mean(mid[last] != s.mid[books[0] :])
    return Seen(int((np.diff(s.mid) != 0).sum()), int(changed.size), float(agree), float(late), float(stale))
