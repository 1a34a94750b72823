"""Drift in words: what a scan finds of one feature, of a model, and of all of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rpsd.core.regime import SEVERITIES


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The bands of the population stability index of LOW, MEDIUM and HIGH, and the share of scans that may cry drift without any."""

    psi: tuple[float, ...] = (0.1, 0.2, 0.3)
    false_alarm_rate: float = 0.01

    def severity(self, index: float) -> str:
        """How grave a drift of this index is, once it is certain that there is one.

        >>> Tolerance().severity(0.25)
        'MEDIUM'
        """
        return SEVERITIES[sum(index >= band for band in self.psi)]


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature: the familiar numbers, and the calibrated decision.

    `psi`, `ks`, `wasserstein` (in reference deviations), `mean_shift` (in reference deviations) and `deviation_ratio` are as in the
    textbooks. `effective` is the number of independent values that the window is worth, `p_value` that of the calibrated test,
    `significant` says whether it passes over all features of the scan, `severity` is NONE unless this is the second such window in a row.
    """

    feature: str
    kind: str
    n_reference: int
    n_current: int
    effective: float
    psi: float
    ks: float
    wasserstein: float
    mean_shift: float
    deviation_ratio: float
    p_value: float
    significant: bool
    severity: str

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A scan of one model: `kind` of each row is feature, prediction or quality. Times in ns UTC.

    `severity` is the worst of the rows; `new_until_ns` the last event of the window, by which two windows are told apart.
    """

    model: str
    version: int
    at_ns: int
    reference: tuple[int, int]
    current: tuple[int, int]
    severity: str
    rows: tuple[FeatureDrift, ...]
    skipped: Mapping[str, str]
    """Why something could not be looked at, by name."""


def worst(severities: "list[str] | tuple[str, ...]") -> str:
    """The gravest, NONE of nothing.

    >>> worst(["LOW", "HIGH", "NONE"])
    'HIGH'
    """
    return max(severities, key=SEVERITIES.index, default=SEVERITIES[0])
