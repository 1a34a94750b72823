"""A scan: every feature of every model, the window of today against the one that the model was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rpsd.core.drift import FeatureDrift, Tolerance
from rpsd.core.market import Vector
from rpsd.core.regime import SEVERITIES
from rpsd.core.result import Matrix
from rpsd.drift import homogeneity
from rpsd.drift.calibrated import steps
from rpsd.drift.component import NAMES, PLAIN, scored
from rpsd.drift.discovery import discovered
from rpsd.drift.shift import shift
from rpsd.kernels.drift import distances

LEAST_CURRENT: Final = 50
"""Fewer values of a window are not looked at."""

LEAST_REFERENCE: Final = 100
"""Fewer values of a reference tell too little of how a feature moves by itself."""

_WIDEST: Final = 1e100

_FEWEST: Final = 500
_TIMES: Final = 12
"""How much of a reference's end the step is held against: at least 500 values, at most twelve times the window, so that blocks of one
length fit into both."""

_SAFETY: Final = 2.0
"""Factor on p values: what clustered volatility adds to them in simulation, and luck."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model: what its features (F names) were when it was fitted, reference (n, F), and what they are now, current (m, F).

    Rows in time order; what is not finite counts as missing. `kinds` (F) are feature, prediction or quality; `before` says of a feature
    whether it was significant in the window before this one. `gap` rows lie between the two windows and belong to neither. Those named in
    `independent` hardly depend on their own past, as the predictive probabilities of a model that holds; they are judged more sharply.
    """

    name: str
    reference: Matrix
    current: Matrix
    features: tuple[str, ...]
    kinds: tuple[str, ...]
    before: Mapping[str, bool] = field(default_factory=dict)
    gap: int = 0
    independent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Measured:
    feature: str
    kind: str
    sizes: tuple[int, int]
    effective: float
    distances: tuple[float, float, float]
    shift: tuple[float, float]
    p_value: float


def scan(cases: Sequence[Case], tolerance: Tolerance) -> list[tuple[FeatureDrift, ...]]:
    """The rows of each case, one for each feature that can be judged; `skipped` names the others. Deterministic, O(F (n + m) log n).

    The share of cases without drift in which anything is significant is at most tolerance.false_alarm_rate, also where values are
    autocorrelated, heavy-tailed, discrete or of a unit root; the manual has the simulation.
    """
    return [_judged(case, tolerance) for case in cases]


def skipped(case: Case) -> dict[str, str]:
    """Why features of the case cannot be judged, by name."""
    reasons = {}
    for name, before, after in zip(case.features, case.reference.T, case.current.T, strict=True):
        n, m = (int(np.isfinite(x).sum()) for x in (before, after))
        if n < LEAST_REFERENCE:
            reasons[name] = f"the reference has {n} values, {LEAST_REFERENCE} are needed"
        elif m < LEAST_CURRENT:
            reasons[name] = f"the window has {m} values, {LEAST_CURRENT} are needed"
    return reasons


def _judged(case: Case, tolerance: Tolerance) -> tuple[FeatureDrift, ...]:
    without = skipped(case)
    measured = [
        _measured(name, kind, before, after, None if name in case.independent else case.gap)
        for name, kind, before, after in zip(case.features, case.kinds, case.reference.T, case.current.T, strict=True)
        if name not in without
    ]
    significant = discovered(np.array([one.p_value for one in measured]), tolerance.false_alarm_rate)
    return tuple(_row(one, bool(found), case.before, tolerance) for one, found in zip(measured, significant, strict=True))


def _measured(name: str, kind: str, reference: Vector, current: Vector, gap: int | None) -> _Measured:
    """What is told of one feature; without a gap its values count as independent."""
    before, after = _tamed(reference[np.isfinite(reference)], current[np.isfinite(current)])
    ranked = np.sort(before)
    distances(ranked, np.sort(after), apart := np.empty(3))
    moved = shift(before, after)
    told = (float(apart[0]), float(apart[1]), float(apart[2] / (before.std() or 1.0)))
    if gap is None:
        p_value, worth = min(1.0, _SAFETY * homogeneity.p_value(before, after)), float(after.size)
    else:
        p_value, worth = _step(before, after, ranked, gap)
    return _Measured(name, kind, (before.size, after.size), worth, told, moved, p_value)


def _step(before: Vector, after: Vector, ranked: Vector, gap: int) -> tuple[float, float]:
    """The p value of a step between the windows, and how many independent values the second is worth."""
    kept = min(before.size, max(_FEWEST, _TIMES * after.size))
    p, worth = steps(scored(before, after, ranked)[before.size - kept :], kept, PLAIN, gap)
    return min(1.0, _SAFETY * len(NAMES) * float(p.min())), float(worth[0])  # Bonferroni over the scores


def _tamed(before: Vector, after: Vector) -> tuple[Vector, Vector]:
    """Both in a unit whose squares are numbers; nothing that is told of them has a unit."""
    most = max(float(np.abs(before).max()), float(np.abs(after).max()))
    unit = most if most > _WIDEST or 0.0 < most < 1.0 / _WIDEST else 1.0
    return before / unit, after / unit


def _row(one: _Measured, significant: bool, before: Mapping[str, bool], tolerance: Tolerance) -> FeatureDrift:
    index, ks, wasserstein = one.distances
    alarm = significant and before.get(one.feature, False)
    return FeatureDrift(
        feature=one.feature,
        kind=one.kind,
        n_reference=one.sizes[0],
        n_current=one.sizes[1],
        effective=one.effective,
        psi=index,
        ks=ks,
        wasserstein=wasserstein,
        mean_shift=one.shift[0],
        deviation_ratio=one.shift[1],
        p_value=one.p_value,
        significant=significant,
        severity=tolerance.severity(index) if alarm else SEVERITIES[0],
    )
