"""Readings of the machine, taken by a thread in the background, so that no request waits for them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from rpsd.telemetry.memory import SpareMemory
from rpsd.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Readings:
    """Percent of CPU (without niced work), memory and disk in use, and when that was read (monotonic seconds)."""

    cpu: float
    memory: float
    disk: float
    taken: float


@dataclass
class SystemMonitor:
    """Takes readings of the machine and of the disk below `directory` every `interval_seconds`, and gives back memory that was freed.

    `strained()` names what has been above `limit_percent` for five minutes. Call start() to keep reading, sample() to read once.
    """

    directory: Path
    interval_seconds: float = 30.0
    limit_percent: float = 90.0
    metrics: Metrics | None = None
    monotonic: Callable[[], float] = time.monotonic
    readings: Readings = field(init=False)
    _since: dict[str, float] = field(init=False, default_factory=dict)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        psutil.cpu_times_percent(interval=None)  # the first call has nothing to compare with
        self.sample()

    def sample(self) -> Readings:
        """Read now and keep the result; about half a millisecond."""
        times = psutil.cpu_times_percent(interval=None)
        idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "nice", 0.0)
        nearest = next(place for place in (self.directory, *self.directory.absolute().parents) if place.exists())
        cpu = max(0.0, min(100.0, 100.0 - idle))
        self.readings = Readings(cpu, psutil.virtual_memory().percent, psutil.disk_usage(str(nearest)).percent, self.monotonic())
        for name in ("cpu", "memory", "disk"):
            if getattr(self.readings, name) > self.limit_percent:
                self._since.setdefault(name, self.readings.taken)
            else:
                self._since.pop(name, None)
        if self.metrics is not None:
            self.metrics.system_cpu_ratio.set(self.readings.cpu / 100)
            self.metrics.system_memory_ratio.set(self.readings.memory / 100)
            self.metrics.disk_used_ratio.set(self.readings.disk / 100)
        return self.readings

    def strained(self, for_seconds: float = 300.0) -> tuple[str, ...]:
        """Which of cpu, memory and disk have been above the limit for so long; cheap."""
        return tuple(name for name, since in list(self._since.items()) if self.readings.taken - since >= for_seconds)

    def start(self) -> None:
        """Read on in the background until stop()."""
        self._thread = threading.Thread(target=self._read_forever, name="system-monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def _read_forever(self) -> None:
        wait = min(1.0, self.interval_seconds)  # the first reading of CPU has no stretch of time behind it
        spare = SpareMemory()
        while not self._stop.wait(wait):
            self.sample()
            spare.give_back()
            wait = self.interval_seconds
