"""One look at the metrics: what their series say at one moment."""

from collections.abc import Iterator
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

    def values(self, selector: Selector) -> list[float]:
        """What each selected series says now; the order has no meaning."""
        return [sample.value for sample in self._selected(selector, selector.metric)]

    def total(self, selector: Selector) -> float:
        """Their sum."""
        return sum(self.values(selector))

    def buckets(self, selector: Selector) -> tuple[Counts, Counts]:
        """Upper bounds (k,) of the selected histograms, the last infinite, and how many observations were at most each (k,)."""
        summed: dict[float, float] = {}
        for sample in self._selected(selector, f"{selector.metric}_bucket"):
            bound = float(sample.labels["le"])
            summed[bound] = summed.get(bound, 0.0) + sample.value
        return tuple(sorted(summed)), tuple(summed[bound] for bound in sorted(summed))

    def _selected(self, selector: Selector, sample_name: str) -> Iterator[Any]:
        """Samples of that name whose labels every match admits."""
        if (held := self._held.get(selector.metric)) is None:
            held = self._held[selector.metric] = self._metrics.samples(selector.metric)
        for sample in held:
            if sample.name == sample_name and all(match.admits(sample.labels.get(match.label, "")) for match in selector.matches):
                yield sample


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
