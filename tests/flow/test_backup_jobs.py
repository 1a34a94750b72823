"""The nightly backup and the weekly drill as the running scheduler starts them, on schedules of seconds and by the real clock."""

import time

from rpsd.config import read
from rpsd.jobs.backup import BACKUP
from rpsd.jobs.restore_drill import RESTORE_DRILL
from rpsd.jobs.runner import Scheduler
from rpsd.services.wiring import open_services

PATIENCE = 90.0
"""Seconds; a busy machine takes a few."""


def test_backup_and_drill_run_by_themselves(tmp_path):
    given = {"storage.data_dir": str(tmp_path / "data"), "storage.min_free_bytes": "1MiB", "jobs.backup": "1s", "jobs.restore_drill": "1s"}
    with open_services(read(None, {}, given), worker=False) as services:
        scheduler = Scheduler(services, (BACKUP, RESTORE_DRILL))
        scheduler.start()
        found, until = {}, time.monotonic() + PATIENCE
        while len(found) < 2 and time.monotonic() < until:
            found |= {run["name"]: run for run in services.job.page(None, 100, None, None)[0] if run["state"] == "succeeded"}
            time.sleep(0.1)
        scheduler.stop()
        assert set(found) == {"backup", "restore_drill"}
        assert all(run["occasion"] for run in found.values()), "started by the schedule, not by hand"
        assert found["restore_drill"]["result"]["tables"] > 10
        assert services.backup.last_ns() is not None
