"""Everything that speaks with the outside: sources of market data, receivers of alerts, and the breakers that guard both."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpsd.config import Settings
from rpsd.core.errors import RpsdError, StateConflict
from rpsd.core.market import SECOND_NS
from rpsd.services.alert import AlertService
from rpsd.services.outside.breaker import Breakers, State
from rpsd.services.outside.errand import OFFSITE, TEST, DistantSources
from rpsd.services.outside.relay import Relay
from rpsd.services.outside.reported import ReportedBreakers
from rpsd.services.outside.words import named
from rpsd.services.series import SeriesService
from rpsd.store import setting
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
        *,
        distant: bool = False,
    ) -> None:
        """`distant`: nothing goes out of this process; `rpsd outbound` takes from `relay` what is to go."""
        self._database = database
        self._settings, self._series, self._alert, self._metrics, self._clock = settings, series, alert, metrics, clock
        self._testing = threading.Lock()
        self.outbox: Outbox | None = None
        self._feed: Feed | None = None
        self.relay: Relay | None = None
        self.breakers = self._reported() if distant else Breakers(clock, metrics, told=self._changed)
        self._source: SourceService | DistantSources | None = None
        if settings.alerts.webhooks:
            self._open_box()
        if distant:
            self._open_relay()
        elif settings.sources:
            self._source = self._sources()

    def begin(self) -> None:
        """Deliver what an earlier process left in the box."""
        if copied := self._database.read(lambda c: setting.find(c, OFFSITE)):
            self._metrics.offsite_last_success_timestamp_seconds.set(copied["copied_ns"] / SECOND_NS)
        if self.outbox is not None:
            self.outbox.tidy()
        if self._feed is not None:
            self._feed.news()

    def leave(self) -> None:
        """The process is about to end: nobody is to wait for what another carries out."""
        if self.relay is not None:
            self.relay.leave()

    def part(self) -> tuple[str, str]:
        """For health: state and code of the process that carries things out, where that is another one and there is something to carry."""
        settings, offsite = self._settings, self._settings.backup.offsite
        if self.relay is None or not (settings.sources or settings.alerts.webhooks or offsite.dir or offsite.command):
            return "disabled", ""
        return ("degraded", "outbound_missing") if self.relay.missing() else ("healthy", "")

    @property
    def source(self) -> "SourceService | DistantSources":
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
            outcomes = self._tested()
        finally:
            self._testing.release()
        self._alert.tested(by, outcomes)
        return outcomes

    def _tested(self) -> list[dict[str, Any]]:
        if self._feed is not None:
            return self._feed.delivery.test()
        found: list[dict[str, Any]] = []
        if self.relay is not None and self.outbox is not None:
            found = self.relay.run(TEST, {})
        return found

    def copy_away(
        self, name: str, *, progress: Callable[[float, str], None] = lambda *_: None, cancelled: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Bring a backup elsewhere; see copying.copy_away. Raises what that raises, and OutboundMissing."""
        if self.relay is not None:
            found: dict[str, Any] = self.relay.run(OFFSITE, {"name": name}, progress=progress, cancelled=cancelled)
            return found
        from rpsd.services.outside.copying import copy_away

        return copy_away(self._settings, name, progress=progress, cancelled=cancelled)

    def close(self) -> None:
        """Let the last messages go out."""
        self.leave()
        if self._feed is not None:
            self._feed.close()

    def _box_standing(self, outbox: "Outbox") -> dict[str, Any]:
        return {"configured": len(self._settings.alerts.webhooks), "waiting": outbox.waiting()}

    def _sources(self) -> "SourceService":
        from rpsd.services.outside.source import SourceService  # a start without sources does not wait for it

        return SourceService(self._settings, self._series, self.breakers, self._metrics, self._clock)

    def _open_box(self) -> None:
        """Write what alerts tell into the box, and deliver from there."""
        from rpsd.services.outside.outbox import Outbox  # a start without receivers does not wait for it

        receivers, secrets_dir = self._settings.alerts.webhooks, self._settings.storage.secrets_dir
        self.outbox = box = Outbox(receivers, self._database, self._metrics, self._clock)
        self._alert.queues.append(box.add)
        if isinstance(self.breakers, ReportedBreakers):
            return
        from rpsd.services.outside.delivery import Delivery
        from rpsd.services.outside.feed import Feed

        self._feed = Feed(box, Delivery(receivers, self.breakers, self._clock, secrets_dir, box.finish))
        self._alert.listeners.append(self._feed.news)

    def _reported(self) -> ReportedBreakers:
        sources = [f"source:{name}" for name in self._settings.sources]
        receivers = [named(number) for number, _ in enumerate(self._settings.alerts.webhooks, 1)]
        return ReportedBreakers([*sources, *receivers], self._clock, self._metrics, told=self._changed)

    def _open_relay(self) -> None:
        """Hold what is to go out until the carrier comes for it, and hear from it how that went."""
        self.relay = relay = Relay(self.outbox, self._reported_of)
        self._alert.listeners.append(relay.news)
        self._source = DistantSources(tuple(self._settings.sources), relay, self._metrics, self._clock)

    def _reported_of(self, report: Mapping[str, Any]) -> None:
        """What the carrier says of its breakers and sources."""
        if isinstance(self.breakers, ReportedBreakers) and isinstance(self._source, DistantSources):
            self.breakers.take(report["breakers"], report["proven"])
            self._source.take(tuple(report["failing"]), report["closed_ns"])

    def _changed(self, name: str, state: State, reason: str) -> None:
        """Raise the alert of an open breaker, resolve that of a closed one; a full disk does not keep the breaker from its work."""
        with suppress(RpsdError):
            if state is State.OPEN:
                self._alert.raise_("circuit_open", name, "MEDIUM", f"{name} failed too often and is left alone: {reason}")
            elif state is State.CLOSED:
                self._alert.resolve("circuit_open", name)
