"""A grid of settings judged on one series, fold by fold in time: by estimated risk in hindsight, by foresight for causal use.

The criterion never looks at what a setting could have fitted: the risk is Stein's estimate, which counts the freedom that a setting takes;
foresight is the density that each next value had before it came. The folds say how far a ranking can be trusted.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.errors import TooShort
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.core.result import Matrix
from rpsd.denoise import door, noise, trial
from rpsd.denoise import scale as scales
from rpsd.kernels import filters

FEWEST: Final = 64
"""Samples of the shortest fold."""
_MEMORY: Final = 1.0 / 64.0  # weight of the newest squared error in the running variance of forecasts
_FIRST: Final = 16  # errors before the running variance is worth anything
_RULES: Final = GuardrailParameters(on_failure="flag")
_CLEAR: Final = 2.0  # standard errors from which one setting counts as worse than the best


@dataclass(frozen=True, slots=True)
class Setting:
    """A method of the catalogue with its parameters."""

    method: Method
    params: Any


@dataclass(frozen=True, slots=True)
class Task:
    """The series on its working scale and where its folds lie: fold k is rows bounds[k] to bounds[k + 1] of the values (n,)."""

    values: Vector
    t: Times | None
    scale: str
    causal: bool
    bounds: tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Table:
    """Scores (settings, folds), lower is better and NaN where a fold shows no noise; failed guardrails likewise, or None; seconds."""

    scores: Matrix
    failed: Matrix | None
    seconds: Vector


def prepare(y: Vector, t: Times | None, *, causal: bool, scale: str, fill: str, folds: int, seed: int = 0) -> Task:
    """Check y (n,) and its times, settle the scale and cut the folds: equal shares, after one that warms causal settings up.

    Raises NotFinite, BadRows, NotPositive, TooShort (under FEWEST rows a fold).
    """
    door.check_words(scale=scale, fill=fill)
    values, _ = door.finite(y, fill, causal=causal)
    door.check_times(t, values.size)
    shares = folds + 1 if causal else folds
    if values.size < shares * FEWEST or np.isnan(values).any():
        raise TooShort(f"{values.size} values for {folds} folds; at least {shares * FEWEST} are needed")
    bounds = np.linspace(0, values.size, shares + 1).astype(np.int64)[shares - folds :]
    return Task(values, t, scales.choose(values, scale, causal=causal), causal, tuple(bounds.tolist()), seed)


def run(task: Task, settings: Sequence[Setting], report: Callable[[float, str], None] = lambda _share, _words: None) -> Table:
    """The scores of all settings. O(settings n). Source: Stein (1981), Ann. Statist. 9, 1135-1151; Dawid (1984), JRSS A 147, 278-292."""
    folds = len(task.bounds) - 1
    scores, seconds = np.full((len(settings), folds), np.nan), np.zeros(len(settings))
    failed = None if task.causal else np.full(scores.shape, np.nan)
    judge = _foresight(task) if task.causal else _risks(task)
    for place, setting in enumerate(settings):
        report(place / len(settings), f"{place} of {len(settings)} settings")
        began = time.perf_counter()
        scores[place], failures = judge(setting)
        seconds[place] = time.perf_counter() - began
        if failed is not None:
            failed[place] = failures
    return Table(scores, failed, seconds)


def summary(scores: Matrix) -> dict[str, Any]:
    """Means, standard errors and ranks (1 is best) of the settings, the best, which are not clearly worse, and how far folds agree.

    `walk_forward`: what choosing by the folds before would have scored in each fold but the first, and the settings chosen: the honest
    figure for the search itself. `agreement`: mean rank correlation of two folds (Spearman), None for one fold or one setting.
    """
    usable = scores[:, ~np.isnan(scores).any(axis=0)]
    if usable.shape[1] == 0:
        raise TooShort("no fold holds any noise to judge by: neighbouring steps do not cancel")
    count = usable.shape[1]
    means = usable.mean(axis=1)
    errors = usable.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.full(means.size, np.nan)
    order = np.argsort(means, kind="stable")
    ranks = np.empty(order.size, np.int64)
    ranks[order] = np.arange(1, order.size + 1)
    best = int(order[0])
    gaps = usable - usable[best]
    paired = gaps.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.full(means.size, np.inf)
    close = gaps.mean(axis=1) <= _CLEAR * paired
    chosen = [int(usable[:, :k].mean(axis=1).argmin()) for k in range(1, count)]
    return {
        "means": means,
        "errors": errors,
        "ranks": ranks,
        "best": best,
        "close": close,
        "walk_forward": {"score": float(np.mean([usable[s, k] for k, s in enumerate(chosen, 1)])) if chosen else None, "chosen": chosen},
        "agreement": _agreement(usable),
    }


def _agreement(usable: Matrix) -> float | None:
    """Mean Spearman correlation of all pairs of folds, from the variance of the summed ranks (Kendall and Babington Smith 1939)."""
    settings, folds = usable.shape
    if folds < 2 or settings < 2:
        return None
    ranks = usable.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable").astype(np.float64)
    concordance = ranks.sum(axis=1).var() / (folds * folds * ranks[:, 0].var())
    return float((folds * concordance - 1.0) / (folds - 1.0))


Judge = Callable[[Setting], tuple[Vector, Vector]]


def _risks(task: Task) -> Judge:
    """Estimated risk of a setting in each fold, which it sees by itself, and how many guardrails fail there."""
    parts: list[trial.Setting | None] = []
    for a, b in pairwise(task.bounds):
        starts = scales.cuts(None if task.t is None else task.t[a:b], b - a, causal=False)
        work = scales.working(task.values[a:b], starts, task.scale)
        found = noise.estimate(work.y, work.starts) if work.y.size else None
        still = found is None or found.sigma <= 0.0
        parts.append(None if still or found is None else trial.setting(work.y, work.starts, found, _RULES, task.seed))

    def judge(setting: Setting) -> tuple[Vector, Vector]:
        tried = [None if part is None else trial.attempt(part, setting.method, setting.params) for part in parts]
        risks = [np.nan if one is None else one.risk for one in tried]
        return np.array(risks), np.array([np.nan if one is None else float(len(one.failed)) for one in tried])

    return judge


def _foresight(task: Task) -> Judge:
    """Mean log loss of each next value in each fold, less that of the last value itself as the forecast; in nats a sample."""
    starts = scales.cuts(task.t, task.values.size, causal=True)
    work = scales.working(task.values, starts, task.scale)
    if work.y.size == 0:
        raise TooShort(f"every session is shorter than {scales.SHORTEST} samples")
    inner = np.ones(work.y.size - 1, dtype=np.bool_)
    inner[work.starts[1:-1] - 1] = False  # the next value of a session's last row belongs to another one
    edges = np.searchsorted(np.flatnonzero(inner), np.linspace(0, work.y.size - 1, len(task.bounds) + 1).astype(np.int64)[1:])
    if edges[0] < _FIRST or np.diff(edges).min() < _FIRST:
        raise TooShort("too few rows lie in sessions that are long enough", hint="Leave out `t` to filter across the gaps.")
    idle = _log_losses(np.diff(work.y)[inner])

    def judge(setting: Setting) -> tuple[Vector, Vector]:
        x = trial.apply(setting.method, work.y, work.starts, setting.params)
        losses = _log_losses((work.y[1:] - x[:-1])[inner]) - idle
        means = np.array([losses[a:b].mean() for a, b in pairwise(edges)])
        return means, np.zeros(means.size)

    return judge


def _log_losses(errors: Vector) -> Vector:
    """-ln N(e_i; 0, s_i^2) (m,) of forecast errors e. Causal. O(m).

    s_i^2 is the mean of the squared errors before i, half of it of the last 64 or so: a quiet stretch never makes the next move infinite.
    """
    squares = np.require(errors * errors, np.float64, ["C", "W"])
    first, recent = float(squares[:_FIRST].mean()), np.empty(errors.size)
    filters.ema(squares, _MEMORY, np.array([first]), recent)
    lasting = np.cumsum(squares) / np.arange(1.0, squares.size + 1.0)
    variance = np.full(squares.size, first)
    variance[1:] = 0.5 * (recent[:-1] + lasting[:-1])
    variance = np.maximum(variance, np.finfo(np.float64).tiny)
    return np.asarray(0.5 * (np.log(2.0 * np.pi * variance) + squares / variance))
