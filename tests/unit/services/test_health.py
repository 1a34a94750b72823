"""Health: what makes the whole healthy, degraded or unhealthy, and when requests are welcome."""

import json

from rpsd.core.market import SECOND_NS


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
    services.health.maintenance = True
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
