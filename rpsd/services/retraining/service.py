"""Retraining that decides for itself: which models are fitted tonight or after a scan, and a written reason for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Final

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core.errors import Cancelled, CorruptData, Fault, FeatureGraphChanged, InvalidRequest, NoModel, RpsdError
from rpsd.core.instant import zone
from rpsd.core.market import INTERVALS, SECOND_NS
from rpsd.core.model import ModelVersion
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.services.model.name import BookName, RegimeName, parse
from rpsd.services.model.served import require_servable
from rpsd.services.model.service import BOOK_JOB, JOB
from rpsd.services.price import stored_prices
from rpsd.services.retraining.rules import Ages, Known, decided, within
from rpsd.store import book as books
from rpsd.store import decision as rows
from rpsd.store import job as jobs
from rpsd.store import model as models
from rpsd.store import series as series_rows
from rpsd.store.db import Connection, Database
from rpsd.store.decision import Setback

if TYPE_CHECKING:
    from rpsd.services.job import JobService
    from rpsd.telemetry import Metrics

BY_DRIFT: Final = "drift"
"""Who asks for a run of the retrain jobs when a scan has found HIGH drift, and the `cause` in its arguments."""

Drifted = Callable[[Connection], Mapping[str, tuple[int, str]]]
"""The models whose newest report is HIGH: when it was made (ns UTC), and a sentence."""


class RetrainingService:
    """Decides, and keeps what was decided. `is_asked` tells whether a regime model was fitted as the settings ask for."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        metrics: "Metrics",
        *,
        job: "JobService",
        is_asked: Callable[[ModelVersion], bool],
        drifted: Drifted,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._metrics, self._job, self._clock = settings, database, metrics, job, clock
        self._is_asked, self._drifted = is_asked, drifted

    def plan(self, names: Sequence[str], *, job: int | None = None, only: Cause | None = None) -> dict[str, Decision]:
        """The decision about each model, kept with its reason; with `only` just about those that this cause moves.

        Fits beyond models.retraining.budget a day wait; what has no version yet is not counted. Raises UnknownModel for what is no name.
        """
        now_ns = self._clock()
        known = self._database.read(lambda c: self._known(c, names))
        made = [decided(one, self._ages(one.model), self._settings.models.retraining, now_ns) for one in known]
        asked = [one for one in made if only is None or one.cause is only]

        def write(c: Connection) -> list[Decision]:
            spent = rows.retrained_since(c, self._midnight_ns(now_ns))
            kept = [replace(one, job=job) for one in within(asked, self._settings.models.retraining.budget, spent)]
            rows.append(c, kept, now_ns)
            return kept

        kept = self._database.write(write).result() if asked else []
        self._count(kept)
        return {one.model: one for one in kept}

    def tell(
        self, outcomes: Mapping[str, dict[str, Any] | RpsdError], causes: Mapping[str, Decision], *, job: int | None = None
    ) -> list[Decision]:
        """Keep how the fits went: promote, keep, or skip when nothing had changed. A fit that was stopped is no decision."""
        made = [_outcome(name, one, causes.get(name), job) for name, one in outcomes.items() if not isinstance(one, Cancelled)]
        now_ns = self._clock()
        if made:
            self._database.write(lambda c: rows.append(c, made, now_ns)).result()
        self._count(made)
        return made

    def after_scan(self) -> list[dict[str, Any]]:
        """Queue the training of the models whose newest report says HIGH; the jobs, none when one waits already.

        Which of them are fitted is decided, by backoff and budget, when the job runs.
        """
        high = self._database.read(self._high)
        asked = [JOB] * any(name.startswith("regime:") for name in high) + [BOOK_JOB] * any(name.startswith("book:") for name in high)
        waiting = self._database.read(lambda c: {run.name for run in jobs.page(c, None, 100, None, "queued")})
        return [self._job.enqueue(name, {"cause": BY_DRIFT}, by=BY_DRIFT) for name in asked if name not in waiting]

    def page(
        self, after: int | None = None, limit: int = 100, model: str | None = None, choice: str | None = None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Decisions, newest first, and the cursor of the next page or None. Raises InvalidRequest for a decision that does not exist."""
        if choice is not None and choice not in set(Choice):
            reason = f"expected one of {', '.join(Choice)}"
            raise InvalidRequest(f"nothing is ever decided as {choice[:40]!r}", errors=[Fault("/query/decision", reason)])
        found = self._database.read(lambda c: rows.page(c, after, limit + 1, model, choice))
        return [one.as_dict() for one in found[:limit]], found[limit - 1].id if len(found) > limit else None

    def _high(self, c: Connection) -> dict[str, str]:
        """What the newest report says of models in production that it found HIGH since they were fitted."""
        serving = models.serving(c)
        return {name: told for name, (at_ns, told) in self._drifted(c).items() if name in serving and at_ns > serving[name]}

    def _known(self, c: Connection, names: Sequence[str]) -> list[Known]:
        setbacks, high = rows.setbacks(c), self._high(c)
        return [self._of(c, name, high.get(name), setbacks.get(name)) for name in names]

    def _of(self, c: Connection, name: str, drift: str | None, setback: Setback | None) -> Known:
        wanted, version = parse(name), models.production(c, name)
        unit = "bars" if isinstance(wanted, RegimeName) else "events"
        new = self._bars_since(c, wanted, version) if isinstance(wanted, RegimeName) else _has_events(c, wanted, version)
        if version is None:
            return Known(name, None, 0, 0, new, unit, False, None, setback)
        if (fault := _fault(c, version)) is not None:
            return Known(name, None, 0, 0, new, unit, False, None, setback, fault)
        cold_ns = int(version.card.get("cold_ns") or version.created_ns)
        as_asked = version.card.get("rpsd") == __version__ and (unit == "events" or self._is_asked(version))
        return Known(name, version.version, version.created_ns, cold_ns, new, unit, not as_asked, drift, setback)

    def _bars_since(self, c: Connection, wanted: RegimeName, version: ModelVersion | None) -> int:
        """Closed bars with a price since the training, or all that there are. O(bars since)."""
        info = series_rows.find(c, wanted.symbol, wanted.interval)
        if info is None:
            return 0
        closed_ns = self._clock() - INTERVALS[wanted.interval]
        return info.rows if version is None else int(stored_prices(c, info, version.trained_until_ns + 1, closed_ns).t.size)

    def _ages(self, name: str) -> Ages:
        regimes, never = self._settings.regimes, 2**62
        if name.startswith("book:"):
            return Ages(int(self._settings.books.retrain_interval * SECOND_NS), never)  # its fits always begin afresh
        return Ages(int(regimes.retrain_interval * SECOND_NS), int(regimes.max_model_age * SECOND_NS))

    def _midnight_ns(self, now_ns: int) -> int:
        """When the day began in jobs.timezone."""
        tz = zone(self._settings.jobs.timezone)
        today = datetime.fromtimestamp(now_ns / SECOND_NS, UTC).astimezone(tz).date()
        return int(datetime.combine(today, time(), tz).timestamp()) * SECOND_NS

    def _count(self, made: Sequence[Decision]) -> None:
        for one in made:
            self._metrics.retrain_decisions_total.labels(one.choice.value, one.cause.value).inc()


def _fault(c: Connection, version: ModelVersion) -> str | None:
    """Why the version cannot serve, None when it can: it is damaged, or of a release whose features or memory were others."""
    try:
        require_servable(version.name, version.version, models.packet(c, version.name, version.version))
    except (CorruptData, NoModel, FeatureGraphChanged) as error:
        return error.detail
    return None


def _has_events(c: Connection, wanted: BookName, version: ModelVersion | None) -> int:
    """1 when the book has events from after the training; a pooled model always has."""
    if wanted.is_pooled or version is None:
        return 1
    kept = books.find(c, wanted.symbol)
    return int(kept is not None and kept.info.last_ns is not None and kept.info.last_ns > version.trained_until_ns)


def _outcome(name: str, one: dict[str, Any] | RpsdError, asked: Decision | None, job: int | None) -> Decision:
    """How a fit went, as a decision."""
    cause = Cause.ASKED if asked is None else asked.cause
    if isinstance(one, RpsdError):
        reason = f"the fit was refused: {one.detail} ({one.code})"
        return Decision(name, Choice.KEEP, cause, reason, None if asked is None else asked.version, job)
    choice = Choice.PROMOTE if one["promoted"] else Choice.SKIP if one["stage"] == "production" else Choice.KEEP
    return Decision(name, choice, cause, one["reason"], one["version"], job, None if choice is Choice.SKIP else one.get("run"))
