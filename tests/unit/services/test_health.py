"""Health: what makes the whole healthy, degraded or unhealthy, and when requests are welcome."""

import json

import numpy as np
import pytest

from rpsd.core.errors import RpsdError, SourceFailed
from rpsd.core.job import JobState
from rpsd.core.market import SECOND_NS
from rpsd.store import job as jobs
from tests.unit.services.conftest import daily, two_moods


def failing(ready: dict) -> list[str]:
    return [check["name"] for check in ready["checks"] if not check["passed"]]


def test_a_fresh_appliance_is_healthy_but_not_yet_ready(services) -> None:
    basic = services.health.basic()
    assert set(basic) == {"status", "timestamp", "version", "uptime_seconds", "circuit_breakers", "unhealthy_breakers"}
    assert basic["status"] == "healthy"
    assert failing(services.health.ready()) == ["kernels", "scheduler"]


def test_ready_needs_kernels_scheduler_and_no_maintenance(services, clock) -> None:
    services.health.kernels_warm = True
    services.health.scheduler_beat_ns = clock.now_ns
    assert services.health.ready()["status"] == "ready"
    services.maintenance.begin(by="me")
    assert failing(services.health.ready()) == ["maintenance"]


def test_a_silent_scheduler_degrades(services, clock) -> None:
    services.health.kernels_warm = True
    services.health.scheduler_beat_ns = clock.now_ns
    clock.now_ns += int(services.settings.monitoring.health_check_timeout + 1) * SECOND_NS
    full = services.health.full()
    assert (full["status"], full["overall_healthy"]) == ("degraded", False)
    assert full["services"]["scheduler"] == {"status": "degraded", "code": "not_beating"}
    assert failing(services.health.ready()) == ["scheduler"]


def test_a_dead_writer_is_unhealthy(services) -> None:
    services.database.close()
    full = services.health.full()
    assert full["status"] == "unhealthy"
    assert full["services"]["database"]["code"] == "unavailable"
    assert "database" in failing(services.health.ready())


def test_the_whole_account_is_plain_json(services) -> None:
    services.backup.create()
    detailed = services.health.detailed()
    json.dumps(detailed, allow_nan=False)
    assert {"system", "denoiser", "services", "last_backup", "alerts"} <= set(detailed)
    assert set(detailed["system"]) == {"cpu_usage", "memory_usage", "disk_usage"}
    assert detailed["last_backup"] is not None
    assert {"database", "scheduler", "worker", "models"} <= set(detailed["services"])


def test_the_look_around_runs_by_itself(services) -> None:
    services.health.start()
    services.health.stop()
    assert services.metrics.registry.get_sample_value("rpsd_active_models") == 0.0


def retrained(services, state: JobState, result: dict | None = None, code: str | None = None, args: dict | None = None) -> None:
    def write(c) -> None:
        run = jobs.enqueue(c, "retrain", args or {}, "scheduler", services.clock())
        jobs.claim(c, services.clock(), 60, "me")
        jobs.finish(c, run.id, state, result, code, "the disk is full" if code else "", services.clock())

    services.database.write(write).result()
    services.clock.now_ns += SECOND_NS
    services.health.refresh()


def test_a_retrain_that_failed_degrades_until_the_next_succeeds(services) -> None:
    assert services.health.detailed()["services"]["models"]["last_retrain"] is None
    retrained(services, JobState.FAILED, code="disk_full")
    retrained(services, JobState.SUCCEEDED, {"trained": 1, "promoted": 1, "failed": []}, args={"model": "regime:X:1d:2_state"})
    full = services.health.detailed()
    assert (full["status"], full["services"]["models"]["code"]) == ("degraded", "retrain_failed")
    told = full["services"]["models"]["last_retrain"]
    assert (told["state"], told["error_code"], told["detail"]) == ("failed", "disk_full", "the disk is full")
    refused = [{"model": f"regime:X{i}:1d:2_state", "code": "constant_series", "detail": "all 300 returns are equal"} for i in range(30)]
    retrained(services, JobState.SUCCEEDED, {"trained": 5, "promoted": 4, "failed": refused})
    models = services.health.detailed()["services"]["models"]
    assert models["status"] == "healthy"  # data that are no good are the feed's fault; the account says so
    assert (models["last_retrain"]["trained"], models["last_retrain"]["refused"]) == (5, 30)
    assert models["last_retrain"]["reasons"] == refused[:20]


def test_trainings_are_counted_by_outcome_and_ages_told(services, clock) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    services.series.append("FLAT", "1d", daily(np.ones(300)))
    name = "regime:X:1d:2_state"
    for _ in range(2):
        services.regime.train_many([name, "regime:FLAT:1d:2_state"], progress=lambda *_: None, cancelled=lambda: False)
    with pytest.raises(RpsdError):
        services.regime.train("regime:FLAT:1d:2_state")
    value = services.metrics.registry.get_sample_value
    counts = {outcome: value("rpsd_model_trainings_total", {"outcome": outcome}) for outcome in ("promoted", "unchanged", "refused")}
    assert counts == {"promoted": 1.0, "unchanged": 1.0, "refused": 3.0}
    clock.now_ns += 3600 * SECOND_NS
    assert services.health.detailed()["services"]["models"]["oldest_age_seconds"] == 3600.0
    assert value("rpsd_model_age_seconds") == 3600.0


def test_an_open_breaker_shows_in_every_account(services, clock) -> None:
    assert services.health.full()["services"]["sources"] == {"status": "disabled"}
    breaker = services.outside.breakers.add("source:stooq", failures=1)
    with pytest.raises(RpsdError), breaker.guard():
        raise SourceFailed("it answered 500")
    clock.advance(0.001)  # the account is made once a millisecond
    basic = services.health.basic()
    assert basic["circuit_breakers"] == {"source:stooq": {"state": "open"}}
    assert basic["unhealthy_breakers"] == ["source:stooq"]
    assert services.health.detailed()["circuit_breakers"]["source:stooq"]["reason"] == "it answered 500"
    full = services.health.full()
    assert (full["status"], full["services"]["sources"]) == ("degraded", {"status": "degraded", "code": "source_failed"})
    assert full["services"]["webhooks"] == {"status": "disabled"}
