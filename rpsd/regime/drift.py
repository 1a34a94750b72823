"""Whether bars still come as a model foretells them: its predictive probabilities against the uniform ones of a true model."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.market import Vector

SEVERITIES: Final = ("NONE", "LOW", "MEDIUM", "HIGH")
"""Severity by the bands of the population stability index, once significant."""

LEAST_BARS: Final = 20
"""Fewer foretold bars show nothing."""

MOST_BARS: Final = 250
"""The record of foretold bars goes back so far: a year of days."""

_FINE: Final = 100
"""From so many bars on ten bins, five below: each bin should expect several bars."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The bands (k,) of the index from which drift is LOW, MEDIUM and HIGH, and the share of scans that may cry drift without any."""

    psi: tuple[float, ...] = (0.1, 0.2, 0.3)
    false_alarm_rate: float = 0.01


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
    counts = np.bincount(np.minimum((probabilities * bins).astype(np.int64), bins - 1), minlength=bins)
    statistic = float(((counts - n / bins) ** 2).sum() / (n / bins))
    shares = (counts + 0.5) / (n + 0.5 * bins)  # no empty bin
    psi = float(((shares - 1 / bins) * np.log(shares * bins)).sum())
    significant = statistic > critical
    alarm = significant and before is not None and bool(before["significant"])
    severity = SEVERITIES[sum(psi >= band for band in tolerance.psi)] if alarm else SEVERITIES[0]
    return Drift(severity, psi, statistic, critical, n, significant)
