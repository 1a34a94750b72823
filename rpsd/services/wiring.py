"""The composition root: what the appliance is made of, in the order in which it starts."""

import importlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rpsd.config import Settings
from rpsd.services.access.certificate import CertificateWatch
from rpsd.services.access.limiter import Limiter
from rpsd.services.access.pepper import read_pepper
from rpsd.services.access.service import AccessService
from rpsd.services.alert import AlertService
from rpsd.services.backup.service import BackupService
from rpsd.services.book.forecast import ForecastService
from rpsd.services.book.service import BookService
from rpsd.services.book.telling import BookTeller
from rpsd.services.book.training import BookTraining
from rpsd.services.compiling import compile_apart
from rpsd.services.compute import Compute, LocalCompute
from rpsd.services.denoise.batch import DenoiseBatch
from rpsd.services.denoise.deputy import Deputy
from rpsd.services.denoise.live import LiveDenoiseService
from rpsd.services.denoise.service import DenoiseService
from rpsd.services.events import EventHub
from rpsd.services.feature.store import FeatureStore
from rpsd.services.health import HealthService
from rpsd.services.herald import Herald
from rpsd.services.inline import InlineCompute
from rpsd.services.job import JobService
from rpsd.services.keeping import Keeper
from rpsd.services.model.quarantine import Quarantine
from rpsd.services.model.served import ServedModels
from rpsd.services.model.service import ModelService
from rpsd.services.on_demand import OnDemand
from rpsd.services.outside.service import Outside
from rpsd.services.regime.live import LiveRegimes
from rpsd.services.regime.service import RegimeService
from rpsd.services.regime.standing import Standings
from rpsd.services.series import SeriesService
from rpsd.store.db import Database
from rpsd.telemetry import Metrics, SystemMonitor

if TYPE_CHECKING:
    from rpsd.services.alerting.service import AlertingService

_FAMILIES: Final = ("rpsd.book.forecast", "rpsd.denoise.live", "rpsd.denoise.run", "rpsd.feature.run", "rpsd.regime.standing")
"""What loads the numerics of each family."""
_COMPUTED: Final = ("denoise", "regimes", "books")
"""The families whose requests compute, by the tags of their operations."""
GIVE_WAY_SECONDS: Final = 0.25
"""So long requests that waited for the first kernels are let alone: beside a thread that loads others each takes several times as long."""
DEPUTY_SECONDS: Final = 1.0
"""So long a server that is ready otherwise waits for the worker to stand in, before it loads its own kernels."""


@dataclass
class Services(OnDemand):
    """Everything that rpsd can do. close() ends it, in the reverse order of its beginning; so does leaving its `with`."""

    settings: Settings
    clock: Callable[[], int]
    database: Database
    metrics: Metrics
    monitor: SystemMonitor
    compute: Compute
    events: EventHub
    alert: AlertService
    access: AccessService
    limiter: Limiter
    certificate: CertificateWatch
    series: SeriesService
    book: BookService
    denoise: DenoiseService
    keeper: Keeper
    live: LiveDenoiseService
    denoise_batch: DenoiseBatch
    job: JobService
    model: ModelService
    quarantine: Quarantine
    regime: RegimeService
    book_training: BookTraining
    forecast: ForecastService
    book_teller: BookTeller
    feature: FeatureStore
    backup: BackupService
    outside: Outside
    health: HealthService
    alerting: "AlertingService | None" = None
    loading: set[str] = field(default_factory=lambda: set(_COMPUTED))
    """Families whose numerics are about to be there: a request that loaded them itself, beside the warm-up, would be answered later."""
    _warming: threading.Lock = field(default_factory=threading.Lock)
    _leaving: threading.Event = field(default_factory=threading.Event)

    def warm(self) -> None:
        """Import the numerics and make their kernels ready, here and in the worker; some seconds when nothing is cached.

        Run it off the event loop; /health/ready waits for it.
        """
        with self._warming:
            if self.health.kernels_warm:
                return
            try:
                self._let_answer()
                self._load()
            finally:
                self.loading.clear()
            if self._leaving.is_set():
                return
            self.access.prepare()
            self.health.kernels_warm = True
            self.keeper.begin()
            self.feature.materialiser.begin()
            self.drift.measure()
            self._follow_rules()
            self.compute.prewarm()  # afterwards: it finds in the cache what was compiled here

    def _let_answer(self) -> None:
        """Where the worker stands in, those who have waited for a denoised series are answered before this process begins to load."""
        if self.denoise.deputy is not None and self.denoise.deputy.await_duty(DEPUTY_SECONDS):
            self._leaving.wait(GIVE_WAY_SECONDS)

    def _load(self) -> None:
        """Numerics and kernels, those of a denoised series first."""
        from rpsd.kernels import jit

        if not jit.is_cached():
            self.loading.clear()  # that takes a minute, for which nobody is to wait
        if isinstance(self.compute, LocalCompute):
            compile_apart(self._leaving.is_set)
        importlib.import_module("rpsd.denoise.run")
        importlib.import_module("rpsd.kernels.wavelet").warm()
        deputy = self.denoise.deputy
        stood_in = deputy is not None and deputy.on_duty
        if deputy is not None:
            deputy.relieve()
        if "denoise" in self.loading:
            self.loading.remove("denoise")
            self._leaving.wait(0.0 if stood_in else GIVE_WAY_SECONDS)
        for family in _FAMILIES:
            if self._leaving.is_set():
                return
            importlib.import_module(family)
        jit.warm(skip=jit.FITS, wanted=lambda: not self._leaving.is_set())

    def leave(self) -> None:
        """The end is near: what is still being made ready is not wanted any more. From any thread."""
        self._leaving.set()
        self.probation.ending = True
        self.outside.leave()

    def _follow_rules(self) -> None:
        """Begin to judge the rules of alerts; a process that only does one piece of work leaves that to the server."""
        if isinstance(self.compute, LocalCompute):
            from rpsd.services.alerting.service import AlertingService  # the start does not wait for it
            from rpsd.services.alerting.switches import Switches

            self.alerting = AlertingService(self.settings, self.database, self.metrics, self.alert, self.clock, Switches())
            self.alerting.begin()

    def close(self) -> None:
        """Stop the threads, the worker and at last the database, which finishes its writes. Safe to repeat."""
        self._leaving.set()
        if "inbox" in self.__dict__:
            self.inbox.close()
        self.health.stop()
        if self.alerting is not None:
            self.alerting.close()
        self.book_teller.close()
        self.outside.close()
        self.keeper.close()
        self.monitor.stop()
        self.denoise_batch.close()
        self.compute.close()
        self.database.close()

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_services(
    settings: Settings,
    *,
    clock: Callable[[], int] = time.time_ns,
    worker: bool = True,
    distant: bool = False,
    deputy: Deputy | None = None,
) -> Services:
    """Open the data directory and everything on top of it. Without `worker`, fits run in the calling thread and nothing is watched.

    `distant`: nothing goes out of this process; `rpsd outbound` fetches and tells for it. `deputy` comes with its worker, which is closed
    when this fails.

    Raises BadConfig, DirectoryLocked, NewerSchema, UnsafeStorage.
    """
    if deputy is None and worker:
        deputy = Deputy.here(settings)
    try:
        return _opened(settings, clock, deputy, distant=distant)
    except BaseException:
        if deputy is not None:
            deputy.compute.close()
        raise


def _opened(settings: Settings, clock: Callable[[], int], deputy: Deputy | None, *, distant: bool) -> Services:
    pepper = read_pepper(settings.storage.secrets_dir, os.environ.get("CREDENTIALS_DIRECTORY"))
    database = Database.open(settings.storage.data_dir, min_free_bytes=settings.storage.min_free_bytes, clock=clock)
    try:
        services = _composed(settings, database, pepper, clock, deputy, distant=distant)
        services.health.standstill = services.maintenance.current
        services.probation.holds  # noqa: B018 - made here, before there is a second thread
        if deputy is not None:
            services.monitor.start()
            services.health.inbox = services.inbox.standing
            services.health.start()
            services.outside.begin()
            services.inbox.start()
    except BaseException:
        database.close()
        raise
    return services


def _metrics(settings: Settings) -> Metrics:
    """The metrics, which count exactly what the objectives speak of, under the names that the settings ask for."""
    watch = settings.monitoring
    metrics = Metrics((watch.slo.predict_p99, watch.slo.detect_fresh_p99), watch.symbol_label_limit)
    if watch.classic_metric_names:
        from rpsd.telemetry.classic import add_classic_names

        add_classic_names(metrics)
    return metrics


def _composed(
    settings: Settings, database: Database, pepper: bytes, clock: Callable[[], int], deputy: Deputy | None, *, distant: bool
) -> Services:
    """The services on an open database."""
    metrics, watch, events = _metrics(settings), settings.monitoring, EventHub(clock)
    monitor = SystemMonitor(settings.storage.data_dir, watch.health_check_interval, watch.resource_limit, metrics)
    herald, alert = Herald(events), AlertService(database, metrics, clock, events)
    quarantine = Quarantine(database, clock, alert)
    served = ServedModels(quarantine)
    standings = Standings(served, clock, ready=deputy is None)
    job = JobService(database, clock, events)
    feature = FeatureStore(settings, database, metrics, job, alert, clock)
    keeper = Keeper(database, metrics, clock, standings, feature.materialiser, herald, ready=deputy is None)
    series = SeriesService(database, metrics, clock, keeper, herald, settings.server.request_timeout)
    book = BookService(settings, database, metrics, clock)
    model = ModelService(database, clock, job, quarantine, herald)
    backup = BackupService(settings, database, metrics, clock)
    compute: Compute = InlineCompute() if deputy is None else deputy.compute
    denoise = DenoiseService(settings, database, metrics, clock, deputy)
    live_regimes = LiveRegimes(settings, database, job, clock, standings, served, herald)
    regime = RegimeService(settings, database, compute, metrics, model=model, live=live_regimes, clock=clock)
    forecast = ForecastService(settings, metrics, model=model, book=book, clock=clock)
    outside = Outside(settings, database, series, alert, metrics, clock, distant=distant)
    health = HealthService(
        settings, database, compute, metrics, denoise=denoise, backup=backup, monitor=monitor, clock=clock, cached=regime.cached,
        outside=outside,
    )  # fmt: skip
    health.alerts = alert.active
    certificate = CertificateWatch(settings.server.tls_cert, settings.server.tls_key, metrics, clock)
    health.certificate = certificate.part
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        metrics=metrics,
        monitor=monitor,
        compute=compute,
        events=events,
        alert=alert,
        access=AccessService(settings, database, metrics, clock, pepper, os.environ.get("CREDENTIALS_DIRECTORY")),
        limiter=Limiter(settings.limits, metrics),
        certificate=certificate,
        series=series,
        book=book,
        denoise=denoise,
        keeper=keeper,
        live=LiveDenoiseService(database, keeper, model, clock),
        denoise_batch=DenoiseBatch(settings, denoise),
        job=job,
        model=model,
        quarantine=quarantine,
        regime=regime,
        book_training=BookTraining(settings, compute, metrics, model=model, book=book, job=job, clock=clock),
        forecast=forecast,
        book_teller=BookTeller(events, book, forecast),
        feature=feature,
        backup=backup,
        outside=outside,
        health=health,
    )
