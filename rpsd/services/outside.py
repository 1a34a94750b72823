"""Everything that speaks with the outside: sources of market data, receivers of alerts, and the breakers that guard both."""

from collections.abc import Callable
from contextlib import suppress

from rpsd.config import Settings
from rpsd.core.errors import RpsdError
from rpsd.services.alert import AlertService
from rpsd.services.breaker import Breakers, State
from rpsd.services.delivery import Delivery
from rpsd.services.series import SeriesService
from rpsd.services.source import SourceService
from rpsd.telemetry import Metrics


class Outside:
    """`source` fetches, `delivery` tells the receivers what alerts are raised and resolved; a breaker that opens raises one itself."""

    def __init__(self, settings: Settings, series: SeriesService, alert: AlertService, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._alert = alert
        self.breakers = Breakers(clock, metrics, told=self._changed)
        self.source = SourceService(settings, series, self.breakers, metrics, clock)
        self.delivery = Delivery(settings.alerts.webhooks, self.breakers, metrics, clock)
        if settings.alerts.webhooks:
            alert.listeners.append(self.delivery.hear)

    def close(self) -> None:
        """Let the last messages go out."""
        self.delivery.close()

    def _changed(self, name: str, state: State, reason: str) -> None:
        """Raise the alert of an open breaker, resolve that of a closed one; a full disk does not keep the breaker from its work."""
        with suppress(RpsdError):
            if state is State.OPEN:
                self._alert.raise_("circuit_open", name, "MEDIUM", f"{name} failed too often and is left alone: {reason}")
            elif state is State.CLOSED:
                self._alert.resolve("circuit_open", name)
