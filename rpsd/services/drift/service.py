"""The drift monitor: compares what models in production see and say with their training, keeps reports, and raises the alarm."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.drift import DriftReport, FeatureDrift, worst
from rpsd.core.errors import Cancelled, Fault, InvalidRequest, NoModel, UnknownRoute
from rpsd.core.job import JobRun
from rpsd.core.regime import SEVERITIES
from rpsd.services.drift.reading import DriftReading, Reading, Unread, packed
from rpsd.store import drift as rows
from rpsd.store import job as jobs
from rpsd.store.alert import Alert
from rpsd.store.db import Connection, Database
from rpsd.store.drift import Kept
from rpsd.telemetry import Metrics, logger

if TYPE_CHECKING:
    from rpsd.services.alert import AlertService
    from rpsd.services.book.service import BookService
    from rpsd.services.compute import Compute, Progress
    from rpsd.services.events import EventHub
    from rpsd.services.job import JobService
    from rpsd.store.idempotency import Once

JOB: Final = "drift_scan"
"""The job that scans; its argument is {"model": name}, or its data a JSON list of names, all models in production without."""
CHANNEL: Final = "drift"
"""Events: {"event": "report", "report": …} where a severity is not NONE or has changed, and {"event": "scan", …counts} after each scan."""
ALERT: Final = "drift"
_BATCH: Final = 8
"""Models of one task of the worker."""
_BREATH_SECONDS: Final = 0.01
"""After each model is read: a scan is in no hurry, and requests want the interpreter meanwhile."""
_DEADLINE_SECONDS: Final = 300.0
_NAMED: Final = 20
"""Skipped models that the job's row names, and features that an alert does."""
_MOST_ASKED: Final = 1000
_HIGH: Final = SEVERITIES[-1]


@dataclass(slots=True)
class _Tally:
    """What a scan has come to so far."""

    reports: int = 0
    unchanged: int = 0
    significant: int = 0
    severities: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEVERITIES, 0))
    skipped: dict[str, str] = field(default_factory=dict)

    def take(self, kept: Sequence[Kept], unread: Sequence[Unread]) -> None:
        """Count a batch."""
        for one in kept:
            self.reports += 1
            self.significant += bool(one.significant)
            self.severities[one.report.severity] += 1
            if not one.report.rows:
                self.skipped[one.report.model] = next(iter(one.report.skipped.values()), "there is nothing to compare")
        for other in unread:
            self.unchanged += other.is_unchanged
            if not other.is_unchanged:
                self.skipped[other.name] = other.reason

    def told(self, scanned: int) -> dict[str, Any]:
        """For the job's row: counts, also by severity, how many models were skipped, and why the first of them were."""
        named = [{"model": name, "reason": reason} for name, reason in list(self.skipped.items())[:_NAMED]]
        counts = {severity.lower(): count for severity, count in self.severities.items()}
        facts = {"models": scanned, "reports": self.reports, "significant": self.significant, "unchanged": self.unchanged}
        return facts | {"severities": counts, "skipped": len(self.skipped), "reasons": named}


class DriftService:
    """Scans and their reports."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        compute: "Compute",
        metrics: Metrics,
        *,
        book: "BookService",
        job: "JobService",
        alert: "AlertService",
        events: "EventHub",
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._compute, self._metrics, self._clock = settings, database, compute, metrics, clock
        self._job, self._alert, self._events = job, alert, events
        self._reading = DriftReading(settings, database, book, clock)

    def submit(self, names: Sequence[str] | None, *, by: str, once: "Once | None" = None) -> dict[str, Any]:
        """Queue a scan of these models, or of all in production; the job. Raises NoModel for one that is not in production."""
        if names is None:
            return self._job.enqueue(JOB, {}, by=by, once=once)
        if not 1 <= len(names) <= _MOST_ASKED:
            raise InvalidRequest("models: name 1 to 1000", errors=[Fault("/models", "expected 1 to 1000 names")])
        serving = set(self._reading.names())
        if absent := [i for i, name in enumerate(names) if name not in serving]:
            faults = [Fault(f"/models/{i}", "no model of this name is in production") for i in absent[:_NAMED]]
            raise NoModel(f"{names[absent[0]][:80]!r} is not in production", errors=faults, hint="GET /api/v1/models lists the models.")
        if len(names) == 1:
            return self._job.enqueue(JOB, {"model": names[0]}, by=by, once=once)
        return self._job.enqueue(JOB, {}, by=by, once=once, data=json.dumps(list(names)).encode())

    def given(self, run_id: int) -> list[str] | None:
        """The names that the run came with, or None."""
        data = self._job.given(run_id)
        return None if data is None else [str(name) for name in json.loads(data)]

    def scan(
        self,
        names: Sequence[str] | None = None,
        *,
        progress: "Progress",
        cancelled: Callable[[], bool],
        only_new: bool = False,
    ) -> dict[str, Any]:
        """Scan these models, or all in production, in batches in the worker; one that cannot be read does not stop the rest.

        With `only_new` those about which nothing has come since their last report are left alone. Each batch is stored, with its alerts, in
        one transaction. Answer: as _Tally.told. Raises Cancelled, WorkerFailed, DeadlineExceeded, Unavailable.
        """
        started, chosen = time.perf_counter(), self._reading.names() if names is None else list(dict.fromkeys(names))
        tally, log = _Tally(), logger(operation="drift")
        batches = [chosen[i : i + _BATCH] for i in range(0, len(chosen), _BATCH)]
        views = self._reading.views() if chosen else []
        slots = self._compute.status()["slots"]
        stopped = [False]

        def work(batch: list[str]) -> tuple[list[Kept], list[Unread]]:
            if stopped[0] or cancelled():
                raise Cancelled("the scan was stopped")
            return self._batch(batch, views, only_new=only_new, cancelled=cancelled)

        with ThreadPoolExecutor(slots + 1 if slots else 1, thread_name_prefix="rpsd-drift") as threads:
            running, done = {threads.submit(work, batch) for batch in batches}, 0
            try:
                while running:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for one in ended:
                        tally.take(*one.result())
                    done += len(ended)
                    progress(done / len(batches), f"{min(done * _BATCH, len(chosen))} of {len(chosen)}")
            finally:
                stopped[0] = True
        if names is None:
            self._forget_gone(chosen)
        self.measure()
        told = tally.told(len(chosen))
        counts = {name: count for name, count in told.items() if isinstance(count, int)} | told["severities"]
        log.info("Drift scan complete" if chosen else "no models", **counts, processing_time=round(time.perf_counter() - started, 3))
        self._events.publish(CHANNEL, {"event": "scan", **counts})
        return told

    def page(
        self, after: int | None = None, limit: int = 100, model: str | None = None, severity: str | None = None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Reports without their rows, newest first, and the cursor of the next page. Raises InvalidRequest for a severity that is none."""
        if severity is not None and severity not in SEVERITIES:
            reason = f"expected one of {', '.join(SEVERITIES)}"
            raise InvalidRequest(f"severity: {reason}", errors=[Fault("/query/severity", reason)])
        found = self._database.read(lambda c: rows.page(c, after, limit + 1, model, severity))
        return [one.brief() for one in found[:limit]], found[limit - 1].id if len(found) > limit else None

    def find(self, report_id: int) -> dict[str, Any]:
        """The report with its rows. Raises UnknownRoute for an id that is none."""
        found = self._database.read(lambda c: rows.find(c, report_id))
        if found is None:
            raise UnknownRoute(f"there is no drift report {report_id}", hint="GET /api/v1/drift/reports lists the reports.")
        return found.as_dict()

    def last_scan(self) -> dict[str, Any] | None:
        """When the last scan of all models ended and what it came to: {at, state, result}; None before the first."""

        def look(c: Connection) -> JobRun | None:
            return next((run for run in jobs.page(c, None, 100, JOB) if run.state.final and "model" not in run.args), None)

        run = self._database.read(look)
        if run is None or run.finished_ns is None:
            return None
        return {"at": instant.text(run.finished_ns), "state": run.state.value, "result": None if run.result is None else dict(run.result)}

    def _batch(
        self, names: list[str], views: list[dict[str, Any]], *, only_new: bool, cancelled: Callable[[], bool]
    ) -> tuple[list[Kept], list[Unread]]:
        """Read, measure and store up to _BATCH models."""
        found = []
        for name in names:
            found.append(self._reading.read(name, only_new=only_new))
            time.sleep(_BREATH_SECONDS)
        readings = [one for one in found if isinstance(one, Reading)]
        unread = [one for one in found if isinstance(one, Unread)]
        if not readings:
            return [], unread
        task = packed(readings, views, self._settings)
        answer = self._compute.run("drift_scan", task, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled)
        return self._store(readings, answer.head["reports"]), unread

    def _store(self, readings: Sequence[Reading], told: Sequence[Mapping[str, Any]]) -> list[Kept]:
        """Reports and alerts in one transaction; then events, log and metric."""
        now_ns = self._clock()
        raised: list[tuple[Alert, bool]] = []
        changed: list[Kept] = []

        def write(c: Connection) -> list[Kept]:
            kept = []
            for reading, facts in zip(readings, told, strict=True):
                before = rows.newest_of(c, reading.version.name)
                one = rows.add(c, _report(reading, facts, now_ns), facts["view"], reading.counted_ns, reading.before)
                self._alarm(c, one, raised)
                if one.report.severity != SEVERITIES[0] or (before is not None and before.report.severity != SEVERITIES[0]):
                    changed.append(one)
                kept.append(one)
            return kept

        stored = self._database.write(write).result()
        for alert, is_news in raised:
            self._alert.tell(alert, is_news=is_news)
        for one in changed:
            self._events.publish(CHANNEL, {"event": "report", "report": one.brief()})
        return stored

    def _alarm(self, c: Connection, one: Kept, raised: list[tuple[Alert, bool]]) -> None:
        """Raise the alert of a model that has drifted HIGH, or resolve that of one that has not (any more)."""
        if one.report.severity == _HIGH:
            raised.append(self._alert.raise_in(c, ALERT, one.report.model, _HIGH, one.sentence()))
        elif (gone := self._alert.resolve_in(c, ALERT, one.report.model)) is not None:
            raised.append((gone, True))

    def _forget_gone(self, serving: Sequence[str]) -> None:
        """Resolve the alerts of models that serve no more."""
        for subject in set(self._alert.subjects(ALERT)) - set(serving):
            if subject not in self._reading.names():  # it may have been promoted while the scan ran
                self._alert.resolve(ALERT, subject)

    def measure(self) -> None:
        """Set the metric from the newest reports; once at the start, and after each scan."""
        for kind, grave in self._database.read(rows.gravest).items():
            self._metrics.drift_severity.labels(kind).set(grave)


def _report(reading: Reading, facts: Mapping[str, Any], now_ns: int) -> DriftReport:
    found = tuple(FeatureDrift(*cells) for cells in facts["rows"])
    name, version = reading.version.name, reading.version.version
    severity = worst([row.severity for row in found])
    return DriftReport(name, version, now_ns, reading.reference, reading.current, severity, found, facts["skipped"])
