"""One look at the metrics: what their series say at one moment."""

import math
from typing import Any

from rpsd.core.alert_rule import Selector
from rpsd.services.alerting.trail import Counts
from rpsd.telemetry import Metrics


class Look:
    """The series of the metrics at `now` (seconds since 1970); each metric is read once, when first asked for. About 10 µs a series."""

    def __init__(self, metrics: Metrics, now: float) -> None:
        self.now = now
        self._metrics = metrics
        self._held: dict[str, list[Any]] = {}
        self._chosen: dict[Selector, list[Any]] = {}
        self._summed: dict[Selector, Counts] = {}

    def values(self, selector: Selector) -> list[float]:
        """What each selected series says now; the order has no meaning, and one that says NaN says nothing."""
        return [one.value for one in self._selected(selector) if not math.isnan(one.value)]

    def total(self, selector: Selector) -> float:
        """Their sum."""
        return sum(self.values(selector))

    def buckets(self, selector: Selector) -> tuple[Counts, Counts]:
        """Upper bounds (k,) of the selected histograms, the last infinite, and the observations up to each (k,); both () for none."""
        if (summed := self._summed.get(selector)) is None:
            columns = zip(*(one.counts for one in self._selected(selector)), strict=True)
            summed = self._summed[selector] = tuple(map(sum, columns))
        return (self._metrics.bounds(selector.metric) if summed else ()), summed

    def _selected(self, selector: Selector) -> list[Any]:
        """Readings of the series whose labels every match admits."""
        if (chosen := self._chosen.get(selector)) is None:
            if (held := self._held.get(selector.metric)) is None:
                held = self._held[selector.metric] = self._metrics.readings(selector.metric)
            chosen = [one for one in held if all(match.admits(one.labels.get(match.label, "")) for match in selector.matches)]
            self._chosen[selector] = chosen
        return chosen


def quantile(share: float, bounds: Counts, counts: Counts) -> float:
    """The value (the bounds' unit) that `share` of the observations do not exceed, linear within its bucket; the last finite bound at most.

    `counts` (k,) are cumulative and not all zero. Source: histogram_quantile of the Prometheus documentation, querying functions.

    >>> quantile(0.5, (1.0, 2.0, float("inf")), (0.0, 10.0, 10.0))
    1.5
    """
    rank, lower, below = share * counts[-1], 0.0, 0.0
    for bound, count in zip(bounds[:-1], counts[:-1], strict=True):
        if count >= rank:
            return lower + (bound - lower) * ((rank - below) / (count - below) if count > below else 1.0)
        lower, below = bound, count
    return lower
