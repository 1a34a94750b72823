"""How the appliance is: cheap facts for probes, kept fresh by a thread of their own, and the whole account for operators."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import RpsdError
from rpsd.core.job import JobRun, JobState
from rpsd.core.market import SECOND_NS
from rpsd.core.model import Stage
from rpsd.services.backup.service import BackupService
from rpsd.services.compute import Compute
from rpsd.services.denoise.service import DenoiseService
from rpsd.services.inbox import EMPTY, Standing
from rpsd.services.outside.service import Outside
from rpsd.store import job as jobs
from rpsd.store import model as models
from rpsd.store import series
from rpsd.store.db import Connection, Database, free_bytes
from rpsd.telemetry import Metrics, SystemMonitor

_GRACE_SECONDS: Final = 15.0
"""A starting worker is not a missing one."""
_RETRAIN: Final = "retrain"
_RUNS: Final = 50
"""So many retrains back the last one of all models is looked for."""
_REASONS: Final = 20
"""Refused models that the account names; the job's result names them all."""


@dataclass(frozen=True, slots=True)
class _Registry:
    """What the registry holds: versions by stage, and how many serving models are past their age although bars have come."""

    production: int = 0
    candidates: int = 0
    oldest_ns: int | None = None
    stale: int = 0


@dataclass(frozen=True, slots=True)
class _Facts:
    """What only reads and system calls can tell, as of the last look; `retrain` is the last run that has ended."""

    free_bytes: int
    registry: _Registry
    last_backup_ns: int | None
    retrain: JobRun | None = None
    inbox: Standing = EMPTY


class HealthService:
    """`kernels_warm` is set by the warm-up, `scheduler_beat_ns` (services' clock) by the scheduler.

    `alerts` tells the active alerts, `certificate` state and code of the certificate, `standstill` why the appliance is in maintenance or
    None; the composition root sets them. `streams` tells what is wrong with live streams, as a code; the server sets it.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        compute: Compute,
        metrics: Metrics,
        *,
        denoise: DenoiseService,
        backup: BackupService,
        monitor: SystemMonitor,
        clock: Callable[[], int],
        cached: Callable[[], int] = lambda: 0,
        outside: Outside,
    ) -> None:
        """`cached` tells how many answers the cache holds."""
        self._settings, self._database, self._compute, self._metrics, self._clock = settings, database, compute, metrics, clock
        self._denoise, self._backup, self._monitor, self._cached = denoise, backup, monitor, cached
        self.alerts: Callable[[], list[dict[str, Any]]] = list
        self.certificate: Callable[[], tuple[str, str]] = lambda: ("disabled", "")
        self.streams: Callable[[], str] = str
        self.inbox: Callable[[], Standing] = Standing
        self._breakers, self._beyond = outside.breakers, outside
        self.kernels_warm = False
        self.scheduler_beat_ns: int | None = None
        self.standstill: Callable[[], dict[str, Any] | None] = lambda: None
        self._started = time.monotonic()
        self._told: dict[str, Any] = {}
        self._told_ms = -1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._facts = _Facts(free_bytes(database.directory), _Registry(), None)

    @property
    def maintenance(self) -> bool:
        """Whether an operator has put the appliance into maintenance."""
        return self.standstill() is not None

    def start(self) -> None:
        """Look around every monitoring.health_check_interval until stop()."""
        self._thread = threading.Thread(target=self._look_forever, name="health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def refresh(self) -> None:
        """Look now: free space, registry, backups; sets the gauges that only a look can set."""
        registry = self._database.read(self._read_registry)
        last, retrain = self._backup.last_ns(), self._database.read(_last_retrain)
        self._facts = _Facts(free_bytes(self._database.directory), registry, last, retrain, self.inbox())
        self._metrics.active_models.set(registry.production)
        age_ns = 0 if registry.oldest_ns is None else self._clock() - registry.oldest_ns
        self._metrics.model_age_seconds.set(age_ns / SECOND_NS)
        self._metrics.stale_models.set(registry.stale)
        self._metrics.db_wal_bytes.set(self._database.wal_bytes())
        if self._facts.last_backup_ns is not None:
            self._metrics.backup_last_success_timestamp_seconds.set(self._facts.last_backup_ns / SECOND_NS)

    def basic(self) -> dict[str, Any]:
        """The body of /health, from facts that cost nothing to read; the very same object within a millisecond, which is its resolution."""
        now_ms = self._clock() // 1_000_000
        if now_ms != self._told_ms:
            self._told = {
                "status": _worst(self._parts()),
                "timestamp": instant.text(now_ms * 1_000_000),
                "version": __version__,
                "uptime_seconds": round(time.monotonic() - self._started, 3),
                "circuit_breakers": self._breakers.states(),
                "unhealthy_breakers": self._breakers.unhealthy(),
            }
            self._told_ms = now_ms
        return self._told

    def full(self) -> dict[str, Any]:
        """basic() with the state of every part: {"services": {part: {"status", "code"?}}, "overall_healthy"}."""
        parts = self._parts()
        told = {name: {"status": status} | ({"code": code} if code else {}) for name, (status, code) in parts.items()}
        return self.basic() | {"services": told, "overall_healthy": _worst(parts) == "healthy"}

    def ready(self) -> dict[str, Any]:
        """Whether requests are welcome; each check as {"name", "passed", "code"?}. Looks at the disk."""
        free = free_bytes(self._database.directory)
        checks = (
            ("database", self._database.healthy and not self._is_silent(), "unavailable"),
            ("kernels", self.kernels_warm, "not_warm"),
            ("scheduler", self._beats(), "not_beating"),
            ("disk", free >= self._settings.storage.min_free_bytes, "disk_full"),
            ("maintenance", not self.maintenance, "maintenance"),
        )
        listed = [{"name": name, "passed": passed} | ({} if passed else {"code": code}) for name, passed, code in checks]
        return {
            "status": "ready" if all(passed for _, passed, _ in checks) else "not_ready",
            "timestamp": instant.text(self._clock() // 1_000_000 * 1_000_000),
            "checks": listed,
        }

    def detailed(self) -> dict[str, Any]:
        """full() with readings of the machine and figures of every part; a part that cannot be read shows its code."""
        with suppress(RpsdError):
            self.refresh()
        full, readings, facts = self.full(), self._monitor.readings, self._facts
        extra: dict[str, dict[str, Any]] = {
            "database": {"schema": self._database.schema, "wal_bytes": self._database.wal_bytes(), "free_bytes": facts.free_bytes},
            "scheduler": {"last_beat": None if self.scheduler_beat_ns is None else instant.text(self.scheduler_beat_ns)},
            "worker": {name: value for name, value in self._compute.status().items() if name != "pids"},
            "models": self._models(),
            **self._beyond.standing(),
            "inbox": self._facts.inbox.as_dict(),
            "maintenance": self.standstill() or {},
            "cache": {"entries": self._cached(), "limit": self._settings.performance.cache_size},
        }
        services = {name: part | extra.get(name, {}) for name, part in full["services"].items()}
        return full | {
            "circuit_breakers": self._breakers.snapshot(),
            "system": {"cpu_usage": readings.cpu, "memory_usage": readings.memory, "disk_usage": readings.disk},
            "denoiser": self._denoise.recent(),
            "services": services,
            "last_backup": None if facts.last_backup_ns is None else instant.text(facts.last_backup_ns),
            "alerts": self._active_alerts(),
        }

    def _active_alerts(self) -> list[dict[str, Any]]:
        """The active alerts; none while they cannot be read, which the part `database` tells."""
        with suppress(RpsdError):
            return self.alerts()
        return []

    def _models(self) -> dict[str, Any]:
        """How many serve, how old the oldest is, and how the last retrain of them all went, with why models were refused."""
        registry, run = self._facts.registry, self._facts.retrain
        age_ns = None if registry.oldest_ns is None else self._clock() - registry.oldest_ns
        return {
            "loaded_models": registry.production,
            "candidates": registry.candidates,
            "oldest_age_seconds": None if age_ns is None else round(age_ns / SECOND_NS, 3),
            "last_retrain": None if run is None else _account(run),
        }

    def _models_part(self) -> tuple[str, str]:
        run = self._facts.retrain
        if self._facts.registry.stale:
            return "degraded", "stale_model"
        if run is not None and run.state in (JobState.FAILED, JobState.INTERRUPTED):
            return "degraded", "retrain_failed"
        return "healthy", ""

    def _parts(self) -> dict[str, tuple[str, str]]:
        """State and code of every part; only the database can make the whole unhealthy."""
        worker, strained = self._compute.status(), self._monitor.strained()
        missing = worker["slots"] > 0 and worker["alive"] == 0 and time.monotonic() - self._started > _GRACE_SECONDS
        silent_scheduler = self.scheduler_beat_ns is not None and not self._beats()
        low = self._facts.free_bytes < self._settings.storage.min_free_bytes
        streams = self.streams()
        database = "unavailable" if not self._database.healthy else "writer_silent" if self._is_silent() else ""
        return {
            "database": ("unhealthy" if database else "healthy", database),
            "disk": ("degraded" if low else "healthy", "disk_full" if low else ""),
            "scheduler": ("degraded" if silent_scheduler else "healthy", "not_beating" if silent_scheduler else ""),
            "worker": ("degraded" if missing else "healthy", "worker_failed" if missing else ""),
            "models": self._models_part(),
            "cache": ("healthy", ""),  # it lies in memory: it cannot fail on its own
            "sources": self._outside("source:"),
            "webhooks": self._outside("webhook:"),
            "inbox": self._facts.inbox.part(),
            "outbound": self._beyond.part(),
            "certificate": self.certificate(),
            "system": ("degraded" if strained else "healthy", f"{'_'.join(strained)}_strained" if strained else ""),
            "streams": ("degraded" if streams else "healthy", streams),
            "maintenance": ("degraded", "maintenance") if self.maintenance else ("healthy", ""),
        }

    def _outside(self, prefix: str) -> tuple[str, str]:
        """State and code of the other ends of that kind."""
        if not self._breakers.names(prefix):
            return "disabled", ""
        return ("degraded", "source_failed") if self._breakers.unhealthy(prefix) else ("healthy", "")

    def _is_silent(self) -> bool:
        """Whether the writer thread has given no sign of life for monitoring.health_check_timeout."""
        return time.monotonic_ns() - self._database.heartbeat_ns > self._settings.monitoring.health_check_timeout * SECOND_NS

    def _beats(self) -> bool:
        """Whether the scheduler has beaten within monitoring.health_check_timeout."""
        since = self.scheduler_beat_ns
        return since is not None and self._clock() - since <= self._settings.monitoring.health_check_timeout * SECOND_NS

    def _read_registry(self, c: Connection) -> _Registry:
        counts = models.count(c)
        limit_ns = int(self._settings.regimes.max_model_age * SECOND_NS)
        serving = models.serving(c)
        old = [name for name, created_ns in serving.items() if self._clock() - created_ns > limit_ns]
        stale = sum(_is_stale(c, name) for name in old)  # cards are read of these alone: hundreds of them take a tenth of a second
        return _Registry(counts.get(Stage.PRODUCTION, 0), counts.get(Stage.CANDIDATE, 0), min(serving.values(), default=None), stale)

    def _look_forever(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            with suppress(RpsdError):  # what is wrong shows in the parts themselves
                self.refresh()
            wait = self._settings.monitoring.health_check_interval


def _is_stale(c: Connection, name: str) -> bool:
    """Whether bars have come since the model in production was trained."""
    version = models.production(c, name)
    if version is None:
        return False
    info = series.find(c, str(version.card.get("symbol")), str(version.card.get("interval")))
    return info is not None and (info.last_ns or 0) > version.trained_until_ns


def _last_retrain(c: Connection) -> JobRun | None:
    """The last retrain of all models that has come to an end of its own; one model's run tells whoever asked for it."""
    for run in jobs.page(c, None, _RUNS, _RETRAIN):
        if run.state.final and run.state is not JobState.CANCELLED and "model" not in run.args:
            return run
    return None


def _account(run: JobRun) -> dict[str, Any]:
    """How a retrain went: counts, and of the models that were refused the first ones with the reason."""
    result = run.result or {}
    refused = result.get("failed", [])
    return {
        "job": run.id,
        "state": run.state.value,
        "finished": None if run.finished_ns is None else instant.text(run.finished_ns),
        "trained": result.get("trained", 0),
        "promoted": result.get("promoted", 0),
        "refused": len(refused),
        "reasons": refused[:_REASONS],
        "error_code": run.error_code,
        "detail": run.message if run.error_code else "",
    }


def _worst(parts: dict[str, tuple[str, str]]) -> str:
    """The state of the whole."""
    states = {status for status, _ in parts.values()}  # what is disabled does not count
    return next(state for state in ("unhealthy", "degraded", "healthy") if state in states)
