"""Readings of the machine."""

from pathlib import Path

from rpsd.telemetry import Metrics, SystemMonitor


def test_readings_are_percentages_of_this_machine(tmp_path: Path) -> None:
    metrics = Metrics()
    monitor = SystemMonitor(tmp_path / "not" / "yet", metrics=metrics)
    found = monitor.sample()
    assert all(0 <= value <= 100 for value in (found.cpu, found.memory, found.disk))
    assert found.memory > 0
    assert metrics.system_memory_ratio._value.get() == found.memory / 100


def test_strain_is_what_lasts_five_minutes(tmp_path: Path) -> None:
    now = [0.0]
    monitor = SystemMonitor(tmp_path, limit_percent=-1.0, monotonic=lambda: now[0])
    now[0] = 299.0
    monitor.sample()
    assert monitor.strained() == ()
    now[0] = 301.0
    monitor.sample()
    assert set(monitor.strained()) == {"cpu", "memory", "disk"}
    monitor.limit_percent = 100.0
    monitor.sample()
    assert monitor.strained() == ()


def test_it_reads_on_in_the_background(tmp_path: Path) -> None:
    monitor = SystemMonitor(tmp_path, interval_seconds=0.01)
    before = monitor.readings.taken
    monitor.start()
    try:
        for _ in range(500):
            if monitor.readings.taken > before:
                break
            monitor._stop.wait(0.01)
        assert monitor.readings.taken > before
    finally:
        monitor.stop()
