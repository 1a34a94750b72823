"""What only the process that owns the data can tell: the database, what was set aside, kernels, backups, parts, jobs, alerts."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.config.exposure import exposure_warnings
from rpsd.core import instant
from rpsd.core.errors import DeadlineExceeded, RpsdError
from rpsd.core.market import SECOND_NS
from rpsd.services.doctor.finding import FAILED, NOTE, OK, WARNING, Finding
from rpsd.store import audit, query
from rpsd.store.db import Connection

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.services.alert import AlertService
    from rpsd.services.backup.service import BackupService
    from rpsd.services.health import HealthService
    from rpsd.services.job import JobService
    from rpsd.store.db import Database

_CHECK_SECONDS: Final = 120.0
_LONG_WAL: Final = 256 << 20
_BACKUP_HOURS: Final = 26.0
"""A nightly backup and two hours."""
_DRILL_DAYS: Final = 8.0
_ABANDONED_SECONDS: Final = 3600.0
DRILL: Final = "restore_drill"
"""Name of the job that restores the newest backup into scratch."""


class Inside:
    """The checks of one data directory. Each is a generator of findings; none of them changes anything, their fixes do."""

    def __init__(
        self, settings: "Settings", database: "Database", *, backup: "BackupService", job: "JobService", health: "HealthService",
        alert: "AlertService", clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._settings, self._database, self._clock = settings, database, clock
        self._backup, self._job, self._health, self._alert = backup, job, health, alert

    def look(self) -> list[Finding]:
        """Every finding. Reads the whole database once: seconds for a gigabyte."""
        return [finding for check in self._checks() for finding in _guarded(check)]

    def mend(self, *, by: str) -> list[str]:
        """Call the fixes of what can be mended; the names of what was. Audited."""
        mended = []
        for finding in self.look():
            if finding.fix is not None:
                finding.fix()
                mended.append(finding.name)
        if mended:
            now_ns = self._clock()
            self._database.write(lambda c: audit.append(c, by, "doctor.fix", "appliance", {"mended": sorted(set(mended))}, now_ns)).result()
        return mended

    def _checks(self) -> tuple[Callable[[], Iterator[Finding]], ...]:
        return (
            self.database,
            self.wal,
            self.partials,
            self.quarantine,
            self.kernels,
            self.backup,
            self.restore_drill,
            self.parts,
            self.alerts,
            self.exposure,
        )

    def database(self) -> Iterator[Finding]:
        """Structure by SQLite's own quick check."""
        database = self._database
        if not database.healthy:
            yield Finding(
                "database", FAILED, "the writer has stopped after an I/O error", "Look at the log and the disk, then restart rpsd."
            )
            return
        try:
            said = str(database.read(_quick, deadline_seconds=_CHECK_SECONDS))
        except DeadlineExceeded:
            yield Finding("database", NOTE, f"the check took longer than {_CHECK_SECONDS:.0f} s and was ended", "Verify a backup instead.")
            return
        if said != "ok":
            yield Finding("database", FAILED, f"damaged: {said[:200]}", "Stop rpsd and restore the newest backup that verifies.")
        else:
            yield Finding("database", OK, f"schema {database.schema}, {database.path.stat().st_size:,} bytes, structure whole")

    def wal(self) -> Iterator[Finding]:
        """The write-ahead log is folded in while rpsd writes; a long one slows reads and starts."""
        held = self._database.wal_bytes()
        if held > _LONG_WAL:
            hint = "A reader that never ends keeps it; `rpsd doctor --fix` folds it in."
            yield Finding("wal", WARNING, f"the write-ahead log holds {held:,} bytes", hint, self._database.checkpoint)
        else:
            yield Finding("wal", OK, f"{held:,} bytes")

    def partials(self) -> Iterator[Finding]:
        """What a process that was killed in the middle of a backup or restore has left behind."""
        places = (self._settings.backup.dir, self._settings.storage.cache_dir, self._settings.storage.data_dir)
        left = [path for place in places if place.is_dir() for path in abandoned(place)]
        if left:
            names = ", ".join(path.name for path in left[:3])
            hint = "`rpsd doctor --fix` removes them."
            yield Finding("partial_files", WARNING, f"{len(left)} left by work that was killed: {names}", hint, lambda: _remove(left))
        else:
            yield Finding("partial_files", OK, "none left behind")

    def quarantine(self) -> Iterator[Finding]:
        """Models and files that were set aside."""
        found = int(self._database.read(lambda c: query.value(c, "SELECT count(*) FROM quarantine")))
        if found:
            yield Finding(
                "quarantine", WARNING, f"{found} set aside", "GET /api/v1/admin/quarantine tells what and why; remove what was seen to."
            )
        else:
            yield Finding("quarantine", OK, "empty")

    def kernels(self) -> Iterator[Finding]:
        """Compiled kernels against their references."""
        from rpsd.services.doctor.kernels import COMPARED, disagreements

        if wrong := disagreements():
            hint = "Stop rpsd, remove what is below storage.cache_dir/kernels, start it; if it stays so, distrust the processor."
            yield Finding("kernels", FAILED, f"not as their references: {', '.join(wrong)}", hint)
        else:
            yield Finding("kernels", OK, f"{len(COMPARED)} compared, equal to their references")

    def backup(self) -> Iterator[Finding]:
        """The newest backup: there, readable, young enough."""
        last_ns, hint = (
            self._backup.last_ns(),
            "`rpsd backup create` takes one now; `rpsd jobs list --name backup` tells how it went.",
        )
        if ahead := self._backup.ahead():
            told = f"{len(ahead)} dated in the future do not count as the newest, such as {ahead[0]}"
            yield Finding("backup_dates", WARNING, told, "Is the clock right? Rename or remove those that were taken while it was wrong.")
        if last_ns is None:
            yield Finding("backup", WARNING, "there is none in backup.dir", hint)
            return
        newest, hours = self._backup.list()[0], (self._clock() - last_ns) / (3600 * SECOND_NS)
        told = f"{Path(newest['path']).name}, {hours:.1f} hours old"
        if "error_code" in newest:
            yield Finding("backup", FAILED, f"{told}, cannot be read ({newest['error_code']})", hint)
        else:
            yield Finding("backup", WARNING if hours > _BACKUP_HOURS else OK, told, hint if hours > _BACKUP_HOURS else "")

    def restore_drill(self) -> Iterator[Finding]:
        """The last time that a backup was really restored."""
        runs, _ = self._job.page(None, 20, DRILL, None)
        done = next((run for run in runs if run["state"] in ("succeeded", "failed")), None)
        if done is None:
            yield Finding(DRILL, NOTE, "no drill has ended yet", f"`rpsd jobs run {DRILL} --wait` runs one.")
            return
        days = (self._clock() - instant.parse(done["finished"])) / (86_400 * SECOND_NS)
        if done["state"] == "failed":
            yield Finding(
                DRILL, FAILED, f"run {done['id']} failed: {done['message']}", "`rpsd backup verify FILE` tells more; take a new backup."
            )
        elif days > _DRILL_DAYS:
            yield Finding(DRILL, WARNING, f"the last is {days:.0f} days old", f"`rpsd jobs run {DRILL} --wait` runs one.")
        else:
            yield Finding(DRILL, OK, f"restored and compared {days:.1f} days ago")

    def parts(self) -> Iterator[Finding]:
        """The parts of the detailed health that are not well."""
        for name, part in self._health.full()["services"].items():
            if part["status"] in ("degraded", "unhealthy"):
                status = WARNING if part["status"] == "degraded" else FAILED
                yield Finding(
                    f"part_{name}", status, str(part.get("code", part["status"])), "The chapter on troubleshooting lists the codes."
                )

    def alerts(self) -> Iterator[Finding]:
        """What rpsd itself has raised."""
        active = self._alert.active()
        for alert in active[:10]:
            hint = "The chapter on observing has a run book for each alert."
            yield Finding("alert", WARNING, f"{alert['name']} of {alert['subject']}: {alert['detail']}", hint)
        if not active:
            yield Finding("alert", OK, "none is active")

    def exposure(self) -> Iterator[Finding]:
        """How rpsd can be reached, where that deserves a word."""
        for fault in exposure_warnings(self._settings):
            yield Finding("exposure", WARNING, fault.reason, f"Set at {fault.pointer}.")


def abandoned(place: Path) -> list[Path]:
    """Working files below the place that nobody has touched for an hour; the names are those of rpsd alone."""
    before = time.time() - _ABANDONED_SECONDS
    return [path for path in sorted(place.glob(".rpsd-*.partial")) if path.lstat().st_mtime < before]


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _quick(c: Connection) -> Any:
    return query.value(c, "PRAGMA quick_check(1)")


def _guarded(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What the check finds; what it cannot look at is itself a finding, so that one fault does not hide the others."""
    name = check.__name__
    try:
        return list(check())
    except (RpsdError, OSError) as error:
        return [Finding(name, FAILED, f"cannot be looked at: {getattr(error, 'detail', error)}", getattr(error, "advice", ""))]
