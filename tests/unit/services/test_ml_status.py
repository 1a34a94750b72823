"""The learning layer at a glance: every count is of something that is there."""

import json
from typing import Any

import pytest

from rpsd.core import instant
from rpsd.core.experiment import Visibility
from rpsd.core.job import JobState
from rpsd.store import experiment as experiments
from rpsd.store import job as jobs
from tests.unit.services.conftest import daily, two_moods

KEYS = {
    "features_registered", "feature_views", "drift_monitor", "experiment_tracking", "models", "last_drift_scan", "next_jobs", "timestamp",
}  # fmt: skip


def scanned(services: Any, state: JobState, args: dict[str, Any] | None = None, result: dict[str, Any] | None = None) -> None:
    def write(c: Any) -> None:
        run = jobs.enqueue(c, "drift_scan", args or {}, "scheduler", services.clock())
        jobs.claim(c, services.clock(), 60, "me")
        if state.final:
            jobs.finish(c, run.id, state, result, None, "", services.clock())

    services.database.write(write).result()


def test_a_fresh_appliance_tells_its_catalogue_and_no_models(services: Any) -> None:
    told = services.ml_status.told()
    json.dumps(told, allow_nan=False)
    assert set(told) == KEYS
    assert told["features_registered"] > 20
    assert told["models"] == {"production": 0, "candidates": 0}
    assert told["last_drift_scan"] is None
    assert told["timestamp"] == instant.text(services.clock())
    assert told["drift_monitor"] == {"status": "waiting", "interval_seconds": 3600.0, "next": None}


def test_views_models_and_experiments_are_counted(services: Any) -> None:
    before = services.ml_status.told()
    services.series.append("X", "1d", daily(two_moods(700)))
    services.regime.train("regime:X:1d:2_state")
    services.warm()
    services.database.write(lambda c: experiments.add(c, "mine", "me", Visibility.PRIVATE, "", services.clock())).result()
    told = services.ml_status.told()
    assert told["models"] == {"production": 1, "candidates": 0}
    assert told["feature_views"] == before["feature_views"] + 1  # core_technical
    tracked = told["experiment_tracking"]
    assert tracked["experiments"] >= 2  # mine, and that of the product's own fits
    assert tracked["runs"]["finished"] == 1
    assert services.ml_status.banner() | {"models": 1, "views": 1, "sources": 0} == services.ml_status.banner()


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED])
def test_the_last_scan_of_all_models_is_told(services: Any, state: JobState) -> None:
    scanned(services, state, result={"scanned": 3})
    at = services.clock()
    services.clock.advance(60)
    scanned(services, JobState.SUCCEEDED, {"model": "regime:X:1d:2_state"})
    scanned(services, JobState.RUNNING)
    told = services.ml_status.told()
    assert told["last_drift_scan"] == {"at": instant.text(at), "state": state.value, "result": {"scanned": 3}}
    assert told["drift_monitor"]["status"] == "scanning"


def test_jobs_to_come_are_those_of_this_release_in_their_order(services: Any) -> None:
    def plan(c: Any) -> None:
        for name, at in (("upkeep", 3), ("drift_scan", 2), ("gone", 1)):
            jobs.schedule_set(c, name, services.clock() + at * 10**9)

    services.database.write(plan).result()
    services.job.offered = {"upkeep": "", "drift_scan": ""}
    told = services.ml_status.told()
    assert [one["name"] for one in told["next_jobs"]] == ["drift_scan", "upkeep"]
    assert told["drift_monitor"]["next"] == told["next_jobs"][0]["at"] == instant.text(services.clock() + 2 * 10**9)
