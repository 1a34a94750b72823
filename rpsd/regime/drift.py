"""Whether bars still come as a model foretells them: its predictive probabilities against the uniform ones of a true model."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.market import Vector
from rpsd.core.regime import SEVERITIES

LEAST_BARS: Final = 20
"""Fewer foretold bars show nothing."""

MOST_BARS: Final = 250
"""The record of foretold bars goes back so far: a year of days."""

_FINE: Final = 100
"""From so many bars on ten bins, five below: each bin should expect several bars."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Severity, the index in nats, chi-squared and its critical value, the bars looked at, and whether the level was passed this time."""

    severity: str
    psi: float
    statistic: float
    critical: float
    bars: int
    significant: bool

    def as_facts(self) -> dict[str, Any]:
        """For the head of a model."""
        return {name: getattr(self, name) for name in ("severity", "psi", "statistic", "critical", "bars", "significant")}


def judged(probabilities: Vector, fitted_on: int, before: dict[str, Any] | None, tolerance: Tolerance) -> Drift:
    """The drift of a model fitted on so many bars, by its record of predictive probabilities (n,); `before` are the facts of the last scan.

    Significant when chi-squared of equal bins passes (1 + n / fitted_on) times its critical value: the model's own error counts too. An
    alarm needs two significant scans in a row; its severity is then by the bands of the population stability index.
    Source: Pearson (1900), Philosophical Magazine 50, 157-175; index: Jeffreys (1946), Proc. R. Soc. A 186, 453-461.
    """
    from scipy.special import chdtri  # a third of a second that other users of this file need not pay

    n = probabilities.size
    bins = 10 if n >= _FINE else 5
    critical = float(chdtri(bins - 1, tolerance.false_alarm_rate)) * (1 + n / fitted_on)
    if n < LEAST_BARS:
        return Drift(SEVERITIES[0], 0.0, 0.0, critical, n, significant=False)
    counts = _counts(probabilities, bins)
    statistic = float(((counts - n / bins) ** 2).sum() / (n / bins))
    index = _index(counts, np.full(bins, n / bins))
    significant = statistic > critical
    alarm = significant and before is not None and bool(before["significant"])
    return Drift(tolerance.severity(index) if alarm else SEVERITIES[0], index, statistic, critical, n, significant)


def moved(probabilities: Vector, tolerance: Tolerance) -> Drift:
    """How the last bars of a model's own window differ from those before, by the predictive probabilities (n,) of all of them.

    The last MOST_BARS, or the last half where that is less, against the rest: what the model explains equally well, or equally badly, all
    along is no drift. Significant when chi-squared of equal shares passes its critical value; severity by the bands of the index then.
    Source: as judged().
    """
    from scipy.special import chdtri  # as in judged()

    split = max(probabilities.size - MOST_BARS, probabilities.size // 2)
    n = probabilities.size - split
    bins = 10 if n >= _FINE else 5
    critical = float(chdtri(bins - 1, tolerance.false_alarm_rate))
    if n < LEAST_BARS:
        return Drift(SEVERITIES[0], 0.0, 0.0, critical, n, significant=False)
    early, late = _counts(probabilities[:split], bins), _counts(probabilities[split:], bins)
    shares = (early + late) / probabilities.size
    seen = shares > 0  # a bin that is empty throughout tells nothing
    statistic = sum(float(((counts - counts.sum() * shares)[seen] ** 2 / (counts.sum() * shares[seen])).sum()) for counts in (early, late))
    index = _index(late, early)
    significant = statistic > critical
    return Drift(tolerance.severity(index) if significant else SEVERITIES[0], index, statistic, critical, n, significant)


def _counts(probabilities: Vector, bins: int) -> Vector:
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return np.bincount(places, minlength=bins).astype(np.float64)


def _index(after: Vector, before: Vector) -> float:
    """The population stability index of two rows of counts, no share being quite zero."""
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * counts.size) for counts in (before, after))
    return float(((q - p) * np.log(q / p)).sum())
