"""The sources of market data as the serving process sees them when another process fetches."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rpsd.core.market import SECOND_NS
from rpsd.services.outside.relay import Relay
from rpsd.telemetry import Metrics

FETCH = "fetch"
TEST = "test"
OFFSITE = "offsite"
"""Kinds of errands."""


class DistantSources:
    """fetch() and standing() as those of SourceService; the carrier's reports tell which sources fail, and how fresh they are."""

    def __init__(self, names: tuple[str, ...], relay: Relay, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._names, self._relay, self._metrics, self._clock = names, relay, metrics, clock
        self._failing: tuple[str, ...] = ()

    def take(self, failing: tuple[str, ...], closed_ns: Mapping[str, int]) -> None:
        """What a report says: names whose last fetch brought failures alone, and when each source's newest bar closed, ns UTC."""
        self._failing = tuple(name for name in failing if name in self._names)
        for name in self._names:
            if (closed := closed_ns.get(name)) is not None:
                gauge = self._metrics.source_freshness_seconds.labels(name)
                gauge.set_function(partial(self._age, closed))

    def _age(self, closed_ns: int) -> float:
        """Seconds since then."""
        return (self._clock() - closed_ns) / SECOND_NS

    def failing(self) -> list[str]:
        """Names of the sources whose last fetch brought nothing but failures."""
        return list(self._failing)

    def standing(self) -> dict[str, Any]:
        """For health: {"configured": how many, "failing": names}."""
        return {"configured": len(self._names), "failing": self.failing()}

    def fetch(
        self,
        source: str | None = None,
        symbol: str | None = None,
        *,
        eager: bool = False,
        progress: Callable[[float, str], None] = lambda *_: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Have it fetched; see SourceService.fetch. Raises what that raises, and OutboundMissing."""
        args = {"source": source, "symbol": symbol, "eager": eager}
        found: dict[str, Any] = self._relay.run(FETCH, args, progress=progress, cancelled=cancelled)
        return found
