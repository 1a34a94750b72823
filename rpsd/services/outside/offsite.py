"""Backups elsewhere: when the newest one was last copied away, and the alert when that is too long ago."""

from collections.abc import Callable
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import Cancelled, RpsdError
from rpsd.core.market import SECOND_NS
from rpsd.services.alert import AlertService
from rpsd.services.backup.service import BackupService
from rpsd.services.outside.errand import OFFSITE
from rpsd.services.outside.service import Outside
from rpsd.store import setting
from rpsd.store.db import Database
from rpsd.telemetry import Metrics

ALERT: Final = "offsite_old"
OLD_NS: Final = 26 * 3600 * SECOND_NS
_FACT: Final = OFFSITE
_SUBJECT: Final = "backup"


class Offsite:
    """copy() brings the newest backup away unless it is there; the job `offsite` calls it each hour."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        metrics: Metrics,
        *,
        backup: BackupService,
        outside: Outside,
        alert: AlertService,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._metrics = settings, database, metrics
        self._backup, self._outside, self._alert, self._clock = backup, outside, alert, clock

    def last(self) -> dict[str, Any] | None:
        """The last copy: {"name", "backup", "bytes", "copied_ns"}; None when there was none."""
        found: dict[str, Any] | None = self._database.read(lambda c: setting.find(c, _FACT))
        return found

    def copy(
        self, *, progress: Callable[[float, str], None] = lambda *_: None, cancelled: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Answer: {"name", "bytes", "copied", "is_new"}. Raises UnknownFile without a backup, and as copy_away does.

        After 26 hours without a copy, counted from the last one or from when the database was made, the alert offsite_old is raised.
        """
        try:
            return self._copied(progress, cancelled)
        except Cancelled:
            raise
        except RpsdError as error:
            since = (self.last() or {}).get("copied_ns") or self._database.read(lambda c: setting.find(c, "created_ns")) or 0
            if self._clock() - since > OLD_NS:
                self._alert.raise_(ALERT, _SUBJECT, "MEDIUM", f"No backup was copied away since {instant.text(since)}: {error.detail}")
            raise

    def _copied(self, progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> dict[str, Any]:
        name, last = self._backup.newest().name, self.last()
        if last is not None and last["backup"] == name:
            self._settle(last)
            return self._answer(last, is_new=False)
        made = self._outside.copy_away(name, progress=progress, cancelled=cancelled)
        fact = {"name": made["name"], "backup": name, "bytes": made["bytes"], "copied_ns": self._clock()}
        self._database.write(lambda c: setting.put(c, _FACT, fact)).result()
        self._settle(fact)
        return self._answer(fact, is_new=True)

    def _settle(self, fact: dict[str, Any]) -> None:
        """A copy is there. One that is old because the backup is old is told by the alert of backups."""
        self._metrics.offsite_last_success_timestamp_seconds.set(fact["copied_ns"] / SECOND_NS)
        self._alert.resolve(ALERT, _SUBJECT)

    @staticmethod
    def _answer(fact: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
        return {"name": fact["name"], "bytes": fact["bytes"], "copied": instant.text(fact["copied_ns"]), "is_new": is_new}
