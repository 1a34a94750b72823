"""Everything that speaks with the outside: sources of market data, receivers of alerts, and the breakers that guard both."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpsd.config import Settings
from rpsd.core.errors import RpsdError, StateConflict
from rpsd.services.alert import AlertService
from rpsd.services.outside.breaker import Breakers, State
from rpsd.services.series import SeriesService
from rpsd.telemetry import Metrics

if TYPE_CHECKING:
    from rpsd.services.outside.delivery import Delivery
    from rpsd.services.outside.source import SourceService


class Outside:
    """`source` fetches, `delivery` tells the receivers what alerts are raised and resolved; a breaker that opens raises one itself.

    Without receivers there is no `delivery`, and without sources nothing of them is loaded until they are asked for.
    """

    def __init__(self, settings: Settings, series: SeriesService, alert: AlertService, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._settings, self._series, self._alert, self._metrics, self._clock = settings, series, alert, metrics, clock
        self._testing = threading.Lock()
        self.breakers = Breakers(clock, metrics, told=self._changed)
        self._source: SourceService | None = self._sources() if settings.sources else None
        self.delivery: Delivery | None = self._receivers() if settings.alerts.webhooks else None

    @property
    def source(self) -> "SourceService":
        """The sources of the settings."""
        self._source = self._source or self._sources()
        return self._source

    def standing(self) -> dict[str, dict[str, Any]]:
        """For health: what there is of sources and of webhooks."""
        none = {"configured": 0}
        sources = none if self._source is None else self._source.standing()
        return {"sources": sources, "webhooks": none if self.delivery is None else self.delivery.standing()}

    def test(self, by: str) -> list[dict[str, Any]]:
        """Send every receiver a test message and tell what came of it, see Delivery.test; audited. Raises StateConflict during another."""
        if not self._testing.acquire(blocking=False):
            raise StateConflict("a test of the receivers is under way", hint="Wait until it has ended; it takes no longer than a minute.")
        try:
            outcomes = [] if self.delivery is None else self.delivery.test()
        finally:
            self._testing.release()
        self._alert.tested(by, outcomes)
        return outcomes

    def close(self) -> None:
        """Let the last messages go out."""
        if self.delivery is not None:
            self.delivery.close()

    def _sources(self) -> "SourceService":
        from rpsd.services.outside.source import SourceService  # a start without sources does not wait for it

        return SourceService(self._settings, self._series, self.breakers, self._metrics, self._clock)

    def _receivers(self) -> "Delivery":
        from rpsd.services.outside.delivery import Delivery  # a start without receivers does not wait for it

        receivers, secrets_dir = self._settings.alerts.webhooks, self._settings.storage.secrets_dir
        made = Delivery(receivers, self.breakers, self._metrics, self._clock, secrets_dir)
        self._alert.listeners.append(made.hear)
        return made

    def _changed(self, name: str, state: State, reason: str) -> None:
        """Raise the alert of an open breaker, resolve that of a closed one; a full disk does not keep the breaker from its work."""
        with suppress(RpsdError):
            if state is State.OPEN:
                self._alert.raise_("circuit_open", name, "MEDIUM", f"{name} failed too often and is left alone: {reason}")
            elif state is State.CLOSED:
                self._alert.resolve("circuit_open", name)
