"""Means over many draws: each draw is seeded by block, case and number, and every contestant of a table sees the same draws."""

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from rpsd.core.result import Matrix
from tests.quality import peers
from tests.quality.contestants import Contestant, in_hindsight, online
from tests.quality.further import sample

CAUSAL_FROM = 1024  # first sample whose causal error counts: before it a method is still learning
CAUSAL_CASES = ("GBM", "jump", "stochastic volatility", "Roll + tick", "trend")
EXACT = ("exact filter (statsmodels)", "exact smoother (statsmodels)")
_TABLES: dict[str, Callable[[], list[Contestant]]] = {"hindsight": in_hindsight, "causal": online}


@dataclass(frozen=True, slots=True)
class Task:
    """One draw for one table."""

    table: str
    case: str
    block: int
    number: int

    @property
    def rng(self) -> np.random.Generator:
        """The draw's own generator: a case keeps its draws when others are added."""
        return np.random.default_rng((self.block, zlib.crc32(self.case.encode()), self.number))


@dataclass(frozen=True, slots=True)
class Scores:
    """Squared error over that of doing nothing, and coverage of the claimed 95 % band, per contestant and draw: (contestants, draws)."""

    labels: tuple[str, ...]
    errors: Matrix
    coverage: Matrix

    def mean(self, label: str) -> tuple[float, float]:
        """Mean error and its standard error."""
        return _mean(self.errors[self.labels.index(label)])

    def covered(self, label: str) -> tuple[float, float]:
        """Mean coverage and its standard error, NaN without a band."""
        return _mean(self.coverage[self.labels.index(label)])


def _mean(row: Matrix) -> tuple[float, float]:
    return float(row.mean()), float(row.std(ddof=1) / np.sqrt(row.size)) if row.size > 1 else float("nan")


def labels(table: str) -> tuple[str, ...]:
    """The lines of a table."""
    return tuple(c.label for c in _TABLES[table]())


def score(task: Task) -> tuple[list[float], list[float]]:
    """Error and coverage of every contestant on one draw; a contestant that answers without finite numbers has the error inf."""
    drawn = sample(task.case, task.rng)
    counts = slice(CAUSAL_FROM if task.table == "causal" else 0, None)
    nothing = float(np.nanmean((drawn.y - drawn.x)[counts] ** 2))
    errors, coverage = [], []
    for contestant in _TABLES[task.table]():
        x, deviation = contestant.estimate(drawn)
        error = float(np.mean((x - drawn.x)[counts] ** 2)) / nothing
        errors.append(error if np.isfinite(error) else float("inf"))
        inside = float("nan") if deviation is None else float(np.mean((np.abs(x - drawn.x) <= 1.96 * deviation)[counts]))
        coverage.append(inside if deviation is not None and np.isfinite(deviation[counts]).all() else float("nan"))
    return errors, coverage


def exact(task: Task) -> list[float]:
    """Errors of the exact filter and smoother on a draw of GBM, where both variances are known."""
    drawn = sample("GBM", task.rng)
    found = peers.exact_filter_and_smoother(drawn.y, noise=2e-4, step=1e-4)
    return [float(np.mean((x - drawn.x)[CAUSAL_FROM:] ** 2) / np.mean((drawn.y - drawn.x)[CAUSAL_FROM:] ** 2)) for x in found]


def run(table: str, cases: Sequence[str], block: int, seeds: int, workers: int) -> dict[str, Scores]:
    """The scores of every case of a table."""
    tasks = [Task(table, case, block, number) for case in cases for number in range(seeds)]
    with pool(workers) as executor:
        results = list(executor.map(score, tasks, chunksize=4))
    found = {}
    for place, case in enumerate(cases):
        drawn = results[place * seeds : (place + 1) * seeds]
        found[case] = Scores(labels(table), np.array([e for e, _ in drawn]).T, np.array([c for _, c in drawn]).T)
    return found


def bounds(block: int, seeds: int, workers: int) -> Scores:
    """What theory allows on GBM, measured by the same harness."""
    with pool(workers) as executor:
        errors = list(executor.map(exact, [Task("causal", "GBM", block, number) for number in range(seeds)], chunksize=4))
    return Scores(EXACT, np.array(errors).T, np.full((2, seeds), np.nan))


def pool(workers: int) -> ProcessPoolExecutor:
    """Processes begun afresh: threads of the libraries do not survive a fork."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def ratio(scores: dict[str, Scores], label: str, peer: str) -> tuple[float, float]:
    """Geometric mean over the cases of mean error over the peer's mean error, and its standard error by the delta method.

    Draws of a case are shared by both, so their errors' covariance is taken off.
    """
    logs, variance = [], 0.0
    for table in scores.values():
        a, b = table.errors[table.labels.index(label)], table.errors[table.labels.index(peer)]
        logs.append(np.log(a.mean() / b.mean()))
        if a.size > 1:
            variance += float(np.var(a / a.mean() - b / b.mean(), ddof=1)) / a.size
    value = float(np.exp(np.mean(logs)))
    return value, value * float(np.sqrt(variance)) / len(logs)
