"""Confidence by resampling whole moves: the events before one move share its outcome, so they are one observation, not many."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from rpsd.book.score import BETTER_HIGH, MEASURES, Sheet, measured, measures, sums
from rpsd.core.book import Grid, Integers

_LOW, _HIGH = 2.5, 97.5
_TOLD: Final = 20  # times that a bootstrap tells how far it is
MODEL: Final = "model"
Report = Callable[[float], None]
"""Called with the share done."""
Interval = dict[str, float | None]
"""`value`, `low` and `high` of 95 %, `error` (standard); None where there is none, as of an AUC when nothing fell."""


def resampled(
    sheets: Mapping[str, Sheet], cluster: Integers, resamples: int, rng: np.random.Generator, report: Report = lambda _share: None
) -> tuple[Grid, Grid]:
    """MEASURES (sheets, 6) as they are, and (resamples, sheets, 6) of draws of clusters with replacement, the same for every sheet.

    O(resamples n). `report` is called with the share done.
    Source: Cameron, Gelbach, Miller (2008), Rev. Econ. Stat. 90, 414-427, section III (pairs cluster bootstrap).
    """
    _, number = np.unique(cluster, return_inverse=True)
    clusters = int(number.max()) + 1
    every = np.ones(number.size)
    plain = np.array([measures(sheet, every) for sheet in sheets.values()])
    by_cluster = [(sheet, sums(sheet, every, number, clusters)) for sheet in sheets.values()]
    draws = np.empty((resamples, len(sheets), len(MEASURES)))
    for r in range(resamples):
        if r % max(resamples // _TOLD, 1) == 0:
            report(r / resamples)
        drawn = np.bincount(rng.integers(0, clusters, clusters), minlength=clusters).astype(np.float64)
        weight = drawn[number]
        draws[r] = [measured(sheet, drawn @ added, weight) for sheet, added in by_cluster]
    return plain, draws


def compared(
    y: Integers,
    probabilities: Mapping[str, Grid],
    cluster: Integers,
    resamples: int,
    rng: np.random.Generator,
    report: Report = lambda _share: None,
) -> tuple[dict[str, dict[str, Interval]], dict[str, dict[str, Interval]]]:
    """Scores {name: {measure: interval}}, and gains of `model` over each other name, positive where the model is better.

    The probabilities (n, 3) of all names are of the same events, with outcomes y (n,) and clusters (n,). Cost: `resampled`.
    """
    sheets = {name: Sheet.of(y, one) for name, one in probabilities.items()}
    plain, draws = resampled(sheets, cluster, resamples, rng, report)
    names, sign = list(sheets), np.array([1.0 if measure in BETTER_HIGH else -1.0 for measure in MEASURES])
    own = names.index(MODEL)
    scores = {name: _intervals(plain[i], draws[:, i]) for i, name in enumerate(names)}
    gains = {
        name: _intervals(sign * (plain[own] - plain[i]), sign * (draws[:, own] - draws[:, i])) for i, name in enumerate(names) if i != own
    }
    return scores, gains


def _intervals(value: Any, draws: Grid) -> dict[str, Interval]:
    return {measure: _interval(float(value[j]), draws[:, j]) for j, measure in enumerate(MEASURES)}


def _interval(value: float, draws: Any) -> Interval:
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or draws.size < 2:
        return {"value": value if np.isfinite(value) else None, "low": None, "high": None, "error": None}
    low, high = np.percentile(draws, [_LOW, _HIGH])
    return {"value": value, "low": float(low), "high": float(high), "error": float(draws.std(ddof=1))}
