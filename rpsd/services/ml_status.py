"""The learning layer at a glance: how much there is of everything, what was last found, and what comes next."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.job import JobState
from rpsd.core.model import Stage
from rpsd.store import experiment as experiments
from rpsd.store import job as jobs
from rpsd.store import model as models
from rpsd.store import view as views
from rpsd.store.db import Connection, Database

if TYPE_CHECKING:
    from rpsd.config import Settings

_DRIFT: Final = "drift_scan"
_NEXT: Final = 20


class MlStatus:
    """Reads; nothing is kept but the number of features, which no request changes."""

    def __init__(
        self,
        settings: "Settings",
        database: Database,
        clock: Callable[[], int],
        *,
        offered: Callable[[], Iterable[str]],
        last_scan: Callable[[], dict[str, Any] | None],
    ) -> None:
        """`offered` names the jobs of this release, `last_scan` tells how the last drift scan of all models ended."""
        self._settings, self._database, self._clock = settings, database, clock
        self._offered, self._last_scan = offered, last_scan
        self._features: int | None = None

    def told(self) -> dict[str, Any]:
        """The body of GET /api/v1/ml/status; two reads of the database."""
        now_ns, offered, scan = self._clock(), set(self._offered()), self._last_scan()

        def read(c: Connection) -> dict[str, Any]:
            stages, runs = models.count(c), experiments.counts(c)
            scans = bool(jobs.page(c, None, 1, _DRIFT, JobState.RUNNING.value))
            due = [one for one in jobs.schedules(c) if one.name in offered]
            planned = next((one.next_ns for one in due if one.name == _DRIFT), None)
            return {
                "features_registered": self.features(),
                "feature_views": views.count(c),
                "drift_monitor": {
                    "status": "scanning" if scans else "waiting",
                    "interval_seconds": self._settings.drift.interval,
                    "next": None if planned is None else instant.text(planned),
                },
                "experiment_tracking": {"status": "active", "experiments": runs.pop("experiments"), "runs": runs},
                "models": {"production": stages.get(Stage.PRODUCTION, 0), "candidates": stages.get(Stage.CANDIDATE, 0)},
                "last_drift_scan": scan,
                "next_jobs": [{"name": one.name, "at": instant.text(one.next_ns)} for one in due[:_NEXT]],
                "timestamp": instant.text(now_ns // 1_000_000 * 1_000_000),
            }

        return self._database.read(read)

    def features(self) -> int:
        """Features of the catalogue, each usual window of a family for itself."""
        if self._features is None:
            from rpsd.feature import FEATURES  # numerics wait for the warm-up

            self._features = sum(max(1, len(family.windows)) for family in FEATURES)
        return self._features

    def banner(self) -> dict[str, Any]:
        """What the log says once at start-up: {"features", "views", "models", "candidates", "experiments", "sources", "receivers"}."""
        told = self.told()
        return {
            "features": told["features_registered"],
            "views": told["feature_views"],
            "models": told["models"]["production"],
            "candidates": told["models"]["candidates"],
            "experiments": told["experiment_tracking"]["experiments"],
            "sources": len(self._settings.sources),
            "receivers": len(self._settings.alerts.webhooks),
            "next_job": next(iter(told["next_jobs"]), None),
        }
