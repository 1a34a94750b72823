"""What a book model has shown: scores on the test block beside the baselines, over the walk-forward, and against its predecessor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpsd.book import baseline
from rpsd.book.bootstrap import MODEL, Interval, Report, compared
from rpsd.book.forecast import opened, probabilities
from rpsd.book.score import MEASURES, Sheet, measures, reliability
from rpsd.book.table import Table
from rpsd.core.book import Grid
from rpsd.core.errors import CorruptData
from rpsd.core.model import Packet
from rpsd.kernels.forecast import Forecaster

_PREDECESSOR = "predecessor"
_LEAST_SHARE = 0.5  # of the test block that the predecessor's trial must not have seen
_COMPARED = 0.7  # of the work: the baselines beside the model


@dataclass(frozen=True, slots=True)
class Fold:
    """A block of the walk-forward with its probabilities (n, 3); None where nothing could be fitted before it."""

    table: Table
    probabilities: Grid | None


@dataclass(frozen=True, slots=True)
class Rival:
    """The predecessor's own trial, which saw no label settled after until_ns: trial against trial is the fair match."""

    model: Forecaster
    until_ns: int

    @classmethod
    def of(cls, previous: Packet, label: dict[str, Any]) -> "Rival | None":
        """The trial of a model in production; None when it is of other features or of another label."""
        try:
            trial = Packet.unpack(previous.arrays["trial"].tobytes())
            return cls(opened(trial), int(trial.head["trial_until_ns"])) if trial.head["label"] == label else None
        except (KeyError, CorruptData):
            return None


def judged(
    trial: Forecaster,
    early: Table,
    test: Table,
    folds: Sequence[Fold],
    resamples: int,
    rng: np.random.Generator,
    rival: Rival | None,
    report: Report,
) -> dict[str, Any]:
    """The account of a trial that was fitted to `early`, on the later events of `test`, in JSON scalars.

    train_events, train_moves, test_events, test_moves, test_from_ns, test_until_ns. scores: {model | majority | last_direction |
    queue_imbalance: {measure: {value, low, high, error}}}, intervals of 95 % and standard errors over moves.
    gains: of the model over each baseline, positive where it is better. reliability: score.reliability. walk_forward: `folds` (from_ns,
    until_ns, events, moves and MEASURES) and `scores` over all of them, the recipe fitted anew before each. predecessor: None, or events,
    moves, scores and the model's gains on the test events that the predecessor's trial has not seen. `report` is called with the share
    done. O(resamples n).
    """
    said = {MODEL: probabilities(test.x, trial)} | baseline.probabilities(early.x, early.y, test.x)
    scores, gains = compared(test.y, said, test.cluster, resamples, rng, lambda share: report(_COMPARED * share))
    report(_COMPARED)
    return {
        "train_events": early.t.size,
        "train_moves": early.moves,
        "test_events": test.t.size,
        "test_moves": test.moves,
        "test_from_ns": int(test.t[0]),
        "test_until_ns": int(test.until_ns.max()),
        "scores": scores,
        "gains": gains,
        "reliability": reliability(Sheet.of(test.y, said[MODEL]), test.cluster),
        "walk_forward": _walked(folds, resamples, rng),
        _PREDECESSOR: None if rival is None else _against(rival, test, said[MODEL], resamples, rng),
    }


def _walked(folds: Sequence[Fold], resamples: int, rng: np.random.Generator) -> dict[str, Any]:
    done = [(fold.table, fold.probabilities) for fold in folds if fold.probabilities is not None]
    scores: dict[str, Interval] | None = None
    if done:
        y, cluster = (np.concatenate([getattr(table, name) for table, _ in done]) for name in ("y", "cluster"))
        scores = compared(y, {MODEL: np.vstack([said for _, said in done])}, cluster, resamples, rng)[0][MODEL]
    return {"folds": [_fold_facts(table, said) for table, said in done], "scores": scores}


def _fold_facts(table: Table, said: Grid) -> dict[str, Any]:
    values = measures(Sheet.of(table.y, said), np.ones(table.t.size)).tolist()
    told = {measure: value if np.isfinite(value) else None for measure, value in zip(MEASURES, values, strict=True)}
    return {"from_ns": int(table.t[0]), "until_ns": int(table.t[-1]), "events": table.t.size, "moves": table.moves, **told}


def _against(rival: Rival, test: Table, said: Grid, resamples: int, rng: np.random.Generator) -> dict[str, Any] | None:
    fresh = np.flatnonzero(test.t > rival.until_ns)
    if fresh.size < _LEAST_SHARE * test.t.size:
        return None
    both = {MODEL: said[fresh], _PREDECESSOR: probabilities(test.x[fresh], rival.model)}
    scores, gains = compared(test.y[fresh], both, test.cluster[fresh], resamples, rng)
    moves = int(np.unique(test.cluster[fresh]).size)
    return {"events": int(fresh.size), "moves": moves, "scores": scores[_PREDECESSOR], "gains": gains[_PREDECESSOR]}
