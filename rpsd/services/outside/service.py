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
from rpsd.store.db import Database
from rpsd.telemetry import Metrics

if TYPE_CHECKING:
    from rpsd.services.outside.feed import Feed
    from rpsd.services.outside.outbox import Outbox
    from rpsd.services.outside.source import SourceService


class Outside:
    """`source` fetches, `delivery` tells the receivers what alerts are raised and resolved; a breaker that opens raises one itself.

    Without receivers there is no `outbox`, and without sources nothing of them is loaded until they are asked for.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        series: SeriesService,
        alert: AlertService,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self._database = database
        self._settings, self._series, self._alert, self._metrics, self._clock = settings, series, alert, metrics, clock
        self._testing = threading.Lock()
        self.breakers = Breakers(clock, metrics, told=self._changed)
        self._source: SourceService | None = self._sources() if settings.sources else None
        self.outbox: Outbox | None = None
        self._feed: Feed | None = None
        if settings.alerts.webhooks:
            self._open_box()

    def begin(self) -> None:
        """Deliver what an earlier process left in the box."""
        if self.outbox is not None and self._feed is not None:
            self.outbox.tidy()
            self._feed.news()

    @property
    def source(self) -> "SourceService":
        """The sources of the settings."""
        self._source = self._source or self._sources()
        return self._source

    def standing(self) -> dict[str, dict[str, Any]]:
        """For health: what there is of sources and of webhooks."""
        none = {"configured": 0}
        sources = none if self._source is None else self._source.standing()
        return {"sources": sources, "webhooks": none if self.outbox is None else self._box_standing(self.outbox)}

    def test(self, by: str) -> list[dict[str, Any]]:
        """Send every receiver a test message and tell what came of it, see Delivery.test; audited. Raises StateConflict during another."""
        if not self._testing.acquire(blocking=False):
            raise StateConflict("a test of the receivers is under way", hint="Wait until it has ended; it takes no longer than a minute.")
        try:
            outcomes = [] if self._feed is None else self._feed.delivery.test()
        finally:
            self._testing.release()
        self._alert.tested(by, outcomes)
        return outcomes

    def close(self) -> None:
        """Let the last messages go out."""
        if self._feed is not None:
            self._feed.close()

    def _box_standing(self, outbox: "Outbox") -> dict[str, Any]:
        return {"configured": len(self._settings.alerts.webhooks), "waiting": outbox.waiting()}

    def _sources(self) -> "SourceService":
        from rpsd.services.outside.source import SourceService  # a start without sources does not wait for it

        return SourceService(self._settings, self._series, self.breakers, self._metrics, self._clock)

    def _open_box(self) -> None:
        """Write what alerts tell into the box, and deliver from there."""
        from rpsd.services.outside.delivery import Delivery  # a start without receivers does not wait for it
        from rpsd.services.outside.feed import Feed
        from rpsd.services.outside.outbox import Outbox

        receivers, secrets_dir = self._settings.alerts.webhooks, self._settings.storage.secrets_dir
        self.outbox = box = Outbox(receivers, self._database, self._metrics, self._clock)
        self._feed = Feed(box, Delivery(receivers, self.breakers, self._clock, secrets_dir, box.finish))
        self._alert.queues.append(box.add)
        self._alert.listeners.append(self._feed.news)

    def _changed(self, name: str, state: State, reason: str) -> None:
        """Raise the alert of an open breaker, resolve that of a closed one; a full disk does not keep the breaker from its work."""
        with suppress(RpsdError):
            if state is State.OPEN:
                self._alert.raise_("circuit_open", name, "MEDIUM", f"{name} failed too often and is left alone: {reason}")
            elif state is State.CLOSED:
                self._alert.resolve("circuit_open", name)
