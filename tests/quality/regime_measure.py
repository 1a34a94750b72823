"""Accuracy and flicker over many draws of the scenarios; every contestant sees the same draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Cube, Labels, Matrix
from tests.quality.measure import pool
from tests.quality.regime_peers import Decoded
from tests.quality.scenarios import SCENARIOS, Draw, draw, generator

MEASURES: Final = ("filtered", "smoothed", "changes", "changes_smoothed")
TRUTH: Final = "truth"


@dataclass(frozen=True, slots=True)
class Task:
    """One draw of one scenario."""

    case: str
    block: int
    number: int

    def drawn(self) -> Draw:
        """The draw."""
        return draw(SCENARIOS[self.case], generator(self.block, self.case, self.number))


@dataclass(frozen=True, slots=True)
class Scores:
    """Balanced accuracies and changes of state on the unseen bars, (contestants, draws, measures), in the order of MEASURES."""

    labels: tuple[str, ...]
    values: Cube

    def of(self, label: str, measure: str) -> Vector:
        """One figure for each draw."""
        return self.values[self.labels.index(label), :, MEASURES.index(measure)]

    def mean(self, label: str, measure: str) -> tuple[float, float]:
        """Mean over the draws and its standard error."""
        return mean(self.of(label, measure))


def mean(values: Vector) -> tuple[float, float]:
    """Mean and its standard error, NaN of a single value."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else float("nan")


def recall(truth: Labels, found: Labels, k: int) -> Matrix:
    """Share of the bars of each true state (rows) that were given each number (columns); rows of states that do not occur are NaN."""
    counts = np.zeros((k, k))
    np.add.at(counts, (truth, found), 1.0)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=1, keepdims=True)


def aligned(truth: Labels, found: Labels, k: int) -> Labels:
    """For each number of the answer (k,) the true state that it stands for: the assignment of greatest mean recall."""
    shares = recall(truth, found, k)
    best = max(permutations(range(k)), key=lambda order: sum(shares[state, number] for number, state in enumerate(order)))
    return np.array(best, np.int64)


def balanced(truth: Labels, found: Labels, k: int) -> float:
    """Balanced accuracy: the mean over the true states of the share of their bars that was recognised."""
    return float(np.nanmean(np.diag(recall(truth, found, k))))


def changes(states: Labels) -> int:
    """How often the state changes."""
    return int((np.diff(states) != 0).sum())


def judged(drawn: Draw, decoded: Decoded, k: int) -> list[float]:
    """MEASURES of an answer on the unseen bars; what its numbers mean is settled on the seen ones alone."""
    figures = {}
    for name in ("filtered", "smoothed"):
        found = getattr(decoded, name)
        meaning = aligned(drawn.seen_states, found[: drawn.train], k)
        figures[name] = balanced(drawn.unseen_states, meaning[found[drawn.train :]], k)
        figures["changes" if name == "filtered" else "changes_smoothed"] = changes(found[drawn.train :])
    return [figures[name] for name in MEASURES]


def gathered(
    work: Callable[[Task], dict[str, list[float]]], cases: Sequence[str], block: int, seeds: int, workers: int
) -> dict[str, Scores]:
    """The figures of every draw of every case by `work`, sorted into one table for each case."""
    tasks = [Task(case, block, number) for case in cases for number in range(seeds)]
    with pool(workers) as executor:
        results = list(executor.map(work, tasks))
    found = {}
    for place, case in enumerate(cases):
        drawn = results[place * seeds : (place + 1) * seeds]
        labels = tuple(drawn[0])
        found[case] = Scores(labels, np.array([[figures[label] for figures in drawn] for label in labels]))
    return found


def over_all(scores: dict[str, Scores], label: str, measure: str) -> tuple[float, float]:
    """Mean of the scenarios' means, each counting alike, and its standard error."""
    means, errors = zip(*(s.mean(label, measure) for s in scores.values()), strict=True)
    return float(np.mean(means)), float(np.sqrt(np.sum(np.square(errors))) / len(errors))


def inflation(scores: dict[str, Scores], label: str) -> tuple[float, float]:
    """How much smoothing adds to the accuracy of the filter, mean over the scenarios, and its standard error."""
    gains = [mean(s.of(label, "smoothed") - s.of(label, "filtered")) for s in scores.values()]
    return float(np.mean([g for g, _ in gains])), float(np.sqrt(np.sum([e**2 for _, e in gains])) / len(gains))


def flicker(scores: Scores, label: str, measure: str = "changes") -> tuple[float, float]:
    """Changes of state as a multiple of the true ones, over all draws of a scenario, and its standard error by the delta method."""
    found, true = scores.of(label, measure), scores.of(TRUTH, "changes")
    value = float(found.mean() / true.mean())
    rest = (found - value * true) / true.mean()
    return value, float(rest.std(ddof=1) / np.sqrt(rest.size)) if rest.size > 1 else float("nan")
