"""A night of the appliance on a real database with a real worker; the test turns the clock."""

from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.instant import parse as moment
from rpsd.core.market import DAY_NS, SECOND_NS, Samples
from rpsd.jobs.runner import Scheduler
from rpsd.services.backup.restore import restore
from rpsd.services.wiring import open_services

EVENING = moment("2026-03-01T22:00:00Z")
LONG = 120.0
"""Seconds; a cold numba cache compiles for a while."""


class Clock:
    def __init__(self):
        self.now_ns = EVENING

    def __call__(self):
        return self.now_ns


def bars(seed, n):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(np.where(np.arange(n) // 90 % 2, 0.02, 0.005) * rng.standard_normal(n)))
    day = EVENING // DAY_NS * DAY_NS
    return Samples(day - np.arange(n, 0, -1, dtype=np.int64) * DAY_NS, {"close": close})


def settings_of(directory):
    return read(None, {}, {"storage.data_dir": str(directory), "storage.min_free_bytes": "1MiB"})


@pytest.fixture
def clock():
    return Clock()


def test_a_night_backs_up_retrains_and_tidies_and_the_backup_restores(tmp_path, clock):
    settings = settings_of(tmp_path / "data")
    with open_services(settings, clock=clock) as services:
        for symbol, n in (("LONG", 400), ("YOUNG", 249)):
            services.series.append(symbol, "1d", bars(1, n), by="test")
        services.series.append("FLAT", "1d", Samples(bars(1, 300).t, {"close": np.ones(300)}), by="test")
        scheduler = Scheduler(services)
        for _ in range(36):  # ten to four, in steps of ten minutes
            scheduler.tick(clock.now_ns)
            for running in scheduler._present():
                running.thread.join(LONG)
            clock.now_ns += 600 * SECOND_NS
        runs = {run["name"]: run for run in services.job.page()[0]}
        nightly = {name: (run["state"], run["occasion"]) for name, run in runs.items() if run["occasion"] >= "2026-03-02T01"}
        assert nightly == {
            "backup": ("succeeded", "2026-03-02T01:00:00Z"),
            "retrain": ("succeeded", "2026-03-02T02:00:00Z"),
            "book_train": ("succeeded", "2026-03-02T02:00:00Z"),
            "upkeep": ("succeeded", "2026-03-02T03:00:00Z"),
        }
        assert {run["state"] for run in services.job.page(limit=1000)[0]} == {"succeeded"}
        assert runs["watch"]["result"]["rolled_back"] == []
        assert runs["retrain"]["result"]["models"] == [{"name": "regime:LONG:1d:3_state", "version": 1, "stage": "production"}]
        assert [failed["code"] for failed in runs["retrain"]["result"]["failed"]] == ["constant_series"]
        nothing = {"retrain": 0, "wait": 0, "skip": 0}
        assert runs["retrain"]["result"]["decided"] == {"retrain": 2, "wait": 0, "skip": 0}
        assert runs["book_train"]["result"] == {"trained": 0, "promoted": 0, "failed": [], "models": [], "decided": nothing}
        told = {(one["model"], one["decision"], one["cause"]) for one in services.retraining.page()[0]}
        assert told == {
            ("regime:LONG:1d:3_state", "retrain", "new_data"),
            ("regime:LONG:1d:3_state", "promote", "new_data"),
            ("regime:FLAT:1d:3_state", "retrain", "new_data"),
            ("regime:FLAT:1d:3_state", "keep", "new_data"),
        }
        listed = services.backup.list()
    answer = restore(settings_of(tmp_path / "other"), Path(listed[0]["path"]))
    assert answer["rows"] == 400 + 249 + 300
    with open_services(settings_of(tmp_path / "other"), clock=clock, worker=False) as again:
        found = again.series.read("LONG", "1d", start_ns=None, end_ns=None, columns=None, limit=None, as_of_ns=None)
        assert found.columns["close"].tobytes() == bars(1, 400).columns["close"].tobytes()
