"""A file that is dropped into the inbox of a running appliance comes to its series by itself; what cannot be read shows in health."""

import time
from pathlib import Path
from typing import Any

import pytest

from rpsd.jobs.runner import Scheduler
from rpsd.services import inbox as room

Launch = Any


def test_from_the_folder_to_the_answer(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(room, "_SETTLE_SECONDS", 0.05)
    running = launch()
    folder: Path = running.services.settings.inbox.dir
    folder.mkdir(parents=True)
    scheduler = Scheduler(running.services)
    scheduler.start()
    running.services.inbox.start()
    try:
        (folder / ".x").write_text("t,close\n2024-01-02,1\n2024-01-03,2\n")
        (folder / ".x").rename(folder / "DROPPED_1d.csv")
        (folder / "BROKEN_1d.csv").write_text("t,close\n2024-01-02,abc\n")
        with running.client() as http:
            wait_for(lambda: http.get("/api/v1/series/DROPPED/1d").json().get("rows") == 2)
            wait_for((folder / "failed" / "BROKEN_1d.csv.reason.txt").is_file)
            running.services.health.inbox = running.services.inbox.standing
            running.services.health.refresh()
            told = http.get("/health/detailed").json()["services"]["inbox"]
            assert (told["status"], told["code"], told["failed"], told["waiting"]) == ("degraded", "files_failed", 1, 0)
            runs = http.get("/api/v1/jobs?name=inbox").json()["jobs"]
            assert {run["by"] for run in runs} == {"inbox"}
            rows = [row for row in running.services.access.audit(None, 100)[0] if row["subject"] == "DROPPED 1d"]
            assert [row["actor"] for row in rows] == ["inbox"]
    finally:
        scheduler.stop()


def wait_for(reached: Any) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)
