"""Alerts: raised by rpsd itself, active until what they tell of is gone or an operator resolves them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import Fault, InternalError, InvalidRequest, StateConflict, UnknownAlert
from rpsd.core.regime import SEVERITIES
from rpsd.store import alert as rows
from rpsd.store import audit
from rpsd.store.alert import Alert
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import Once, run_once
from rpsd.telemetry import Metrics, logger

if TYPE_CHECKING:
    from rpsd.services.events import EventHub

BY: Final = "rpsd"
"""Who resolved an alert when what it told of was gone."""
CHANNEL: Final = "alerts"
"""Events: {"event": raised | resolved, "alert": …}."""
_LISTED: Final = 100

ALERTS: Final[Mapping[str, str]] = {
    "drift": "What a model in production sees, or what it answers, has drifted to HIGH from what it was trained on.",
    "feature_quality": "Newest rows of the default view are of a quality below features.quality_threshold.",
    "model_damaged": "A stored version of a model does not match its digest, and is not loaded.",
    "model_rollback": "A model did worse than its predecessor, which serves again.",
    "circuit_open": "A source of market data, or a receiver of alerts, failed so often that it is left alone for a while.",
    "http_errors": "Of the requests of five minutes more than one in a hundred was answered with a server error.",
    "slow_requests": "The 99th percentile of the time to answer was above 100 ms over two windows of five minutes.",
    "resource_high": "CPU, memory or disk has been above monitoring.resource_limit for five minutes.",
    "backup_old": "The last verified backup is older than 26 hours, or none was made in the 26 hours since the start.",
    "restore_drill_failed": "The newest backup could not be restored into scratch and read there as before.",
    "offsite_old": "The last copy of a backup to elsewhere is older than 26 hours.",
    "model_old": "A model in production is past regimes.max_model_age although bars have come since.",
    "source_stale": "The newest bar that a source has brought is older than it should be.",
    "slo_burn": "The budget of errors of an objective is being used up too fast.",
    "certificate_expiring": "The certificate being served ends within 14 days.",
    "upgrade_rolled_back": "The last upgrade failed its checks, and the release before it serves again.",
    "rule": "A rule of the setting alerts.rules holds; the subject is its name.",
}
"""Every name of an alert: the label of the metric is one of them."""


class AlertService:
    """Alerts by name and subject: one is active or none. `listeners` are called after the commit with {"event", "alert"}; see tell().

    `queues` are called with the same inside the transaction: what they write is on disk when the alert is.
    """

    def __init__(self, database: Database, metrics: Metrics, clock: Callable[[], int], events: "EventHub") -> None:
        self._database, self._metrics, self._clock, self._events = database, metrics, clock, events
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []
        self.queues: list[Callable[[Connection, Mapping[str, Any]], None]] = []
        self._count()

    def raise_(self, name: str, subject: str, severity: str, detail: str) -> dict[str, Any]:
        """Say that something needs an operator: LOW, MEDIUM or HIGH. While it is active, saying it again counts up.

        `name` is one of ALERTS; `detail` a sentence. Raises InternalError for another name or severity.
        """
        alert, is_news = self._database.write(lambda c: self.raise_in(c, name, subject, severity, detail)).result()
        self.tell(alert, is_news=is_news)
        return alert.as_dict()

    def resolve(self, name: str, subject: str) -> dict[str, Any] | None:
        """Say that what the alert told of is gone; None when there was none."""
        if self._database.read(lambda c: rows.active(c, name, subject)) is None:
            return None
        alert = self._database.write(lambda c: self.resolve_in(c, name, subject)).result()
        if alert is not None:
            self.tell(alert)
        return None if alert is None else alert.as_dict()

    def raise_in(self, c: Connection, name: str, subject: str, severity: str, detail: str) -> tuple[Alert, bool]:
        """raise_() inside the transaction of what it tells of: the alert, and whether it is news. Call tell() after the commit."""
        if name not in ALERTS or severity not in SEVERITIES[1:]:
            raise InternalError(f"no alert is named {name!r} with severity {severity!r}")
        alert, is_news = rows.raise_(c, name, subject, severity, detail, self._clock())
        if is_news:
            self._queue(c, alert)
        return alert, is_news

    def resolve_in(self, c: Connection, name: str, subject: str) -> Alert | None:
        """resolve() inside a transaction; call tell() after the commit when there was one."""
        held = rows.active(c, name, subject)
        done = None if held is None else rows.resolve(c, held.id, BY, self._clock())
        if done is not None:
            self._queue(c, done)
        return done

    def resolve_by_hand(self, alert_id: int, by: str, once: "Once | None" = None) -> dict[str, Any]:
        """An operator has seen to it; audited. Raises UnknownAlert, StateConflict when it is not active."""
        now_ns = self._clock()

        def write(c: Connection) -> dict[str, Any]:
            if (held := rows.find(c, alert_id)) is None:
                raise UnknownAlert(f"there is no alert {alert_id}")
            if (done := rows.resolve(c, alert_id, by, now_ns)) is None:
                raise StateConflict(f"alert {alert_id} was resolved by {held.resolved_by} already")
            audit.append(c, by, "alert.resolve", f"{done.name} {done.subject}", {"alert": alert_id}, now_ns)
            self._queue(c, done)
            resolved.append(done)
            return done.as_dict()

        resolved: list[Alert] = []
        answer: dict[str, Any] = self._database.write(lambda c: run_once(c, once, now_ns, lambda: write(c))[0]).result()
        for alert in resolved:  # none when the request is a repeated one
            self.tell(alert)
        return answer

    def tested(self, by: str, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Put into the audit log that somebody sent test messages, and how many arrived. One commit."""
        counts = {"receivers": len(outcomes), "delivered": sum(bool(one["delivered"]) for one in outcomes)}
        self._database.write(lambda c: audit.append(c, by, "alert.test", "webhooks", counts, self._clock())).result()

    def tell(self, alert: Alert, *, is_news: bool = True) -> None:
        """After the commit: metric; and if it is news the log, the channel `alerts`, and the listeners. A listener must return at once."""
        self._count()
        if not is_news:
            return
        told = _told(alert)
        happened = told["event"]
        line = logger(operation="alert", alert=alert.name, subject=alert.subject, severity=alert.severity)
        (line.warning if happened == "raised" else line.info)(f"alert {happened}: {alert.detail}")
        self._events.publish(CHANNEL, told)
        for call in self.listeners:
            call(told)

    def _queue(self, c: Connection, alert: Alert) -> None:
        for write in self.queues:
            write(c, _told(alert))

    def active(self, limit: int = _LISTED) -> list[dict[str, Any]]:
        """The active ones, the newest first."""
        return [alert.as_dict() for alert in self._database.read(lambda c: rows.page(c, None, limit, None, True))]

    def subjects(self, name: str) -> list[str]:
        """What the active alerts of that name are about."""
        return self._database.read(lambda c: rows.subjects(c, name))

    def page(
        self, after: int | None = None, limit: int = _LISTED, name: str | None = None, state: str | None = None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Alerts, newest first, and the cursor of the next page or None. `state` is active or resolved, None for both.

        Raises InvalidRequest for another state.
        """
        if state not in (None, "active", "resolved"):
            raise InvalidRequest(f"no alert is {state[:40]!r}", errors=[Fault("/query/state", "expected active or resolved")])
        wanted = None if state is None else state == "active"
        found = self._database.read(lambda c: rows.page(c, after, limit + 1, name, wanted))
        return [alert.as_dict() for alert in found[:limit]], found[limit - 1].id if len(found) > limit else None

    def _count(self) -> None:
        counts = self._database.read(rows.count_active)
        for name in ALERTS:
            self._metrics.alerts_active.labels(name).set(counts.get(name, 0))


def _told(alert: Alert) -> dict[str, Any]:
    """What happened to the alert, and the alert."""
    return {"event": "raised" if alert.resolved_ns is None else "resolved", "alert": alert.as_dict()}
