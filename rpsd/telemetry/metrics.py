"""Every metric that this release serves: names with units, labels from closed sets."""

import platform
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.samples import Sample

from rpsd import __version__
from rpsd.telemetry.reading import Reading, bounds, readings
from rpsd.telemetry.symbols import SymbolCounts

disable_created_metrics()  # type: ignore[no-untyped-call]  # a timestamp beside every counter doubles the text and nobody reads it

_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 30.0)
"""The default objectives, 50 ms and 2 s, are among them, so that they are counted exactly."""
_RATIO_BUCKETS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Description:
    """One metric for the manual: full name, type, labels and one sentence."""

    name: str
    type: str
    labels: tuple[str, ...]
    doc: str


_Metric = TypeVar("_Metric", bound=MetricWrapperBase)


class ManyHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """observe() of each finite amount, at a tenth of its cost."""
        bounds = self._upper_bounds
        for place, count in Tally([bisect_left(bounds, amount) for amount in amounts]).items():
            self._buckets[place].inc(count)
        self._sum.inc(sum(amounts))


class Metrics:
    """One registry; attributes are named after the metrics without their prefix `rpsd_`.

    `objectives` (seconds) become bounds of the histograms of time, so that what they demand is counted exactly.
    `symbols` counts by symbol, for `symbol_limit` of them.
    """

    def __init__(self, objectives: Sequence[float] = (), symbol_limit: int = 0) -> None:
        self._request_buckets = tuple(sorted({*_REQUEST_BUCKETS, *objectives}))
        self.registry = CollectorRegistry(auto_describe=False)
        self._described: list[Description] = []
        self._by_name: dict[str, MetricWrapperBase] = {}
        self._http()
        self._numerics()
        self._work()
        self._outside()
        self._alerting()
        self._access()
        self._streams()
        self._machine()
        self.symbols = SymbolCounts(self.registry, symbol_limit)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _http(self) -> None:
        self.http_requests_total = self._counter("rpsd_http_requests_total", "HTTP requests answered.", "method", "route", "status")
        self.http_request_duration_seconds = self._histogram(
            "rpsd_http_request_duration_seconds", "Time to answer an HTTP request.", self._request_buckets, "method", "route"
        )
        self.errors_total = self._counter("rpsd_errors_total", "Errors answered or recorded, by code.", "code")
        self.rate_limited_total = self._counter("rpsd_rate_limited_total", "Calls refused because their limit was used up.", "kind")
        self.ingest_rows_total = self._counter("rpsd_ingest_rows_total", "Sample rows accepted and committed.")
        self.book_events_total = self._counter("rpsd_book_events_total", "Order book events accepted and committed.", "kind")
        self.book_faults_total = self._counter("rpsd_book_faults_total", "Order book records refused, skipped or put aside.", "rule")

    def _numerics(self) -> None:
        self.denoise_points_total = self._counter("rpsd_denoise_points_total", "Points denoised.", "method")
        self.denoise_seconds = self._histogram("rpsd_denoise_seconds", "Time of one denoising.", self._request_buckets, "method")
        self.guardrail_results_total = self._counter("rpsd_guardrail_results_total", "Guardrail verdicts.", "guardrail", "result")
        self.variance_reduction_ratio = self._histogram(
            "rpsd_variance_reduction_ratio", "Share of the variance of increments that a denoising removed.", _RATIO_BUCKETS
        )
        self.model_predictions_total = self._counter("rpsd_model_predictions_total", "Answers given by a model.", "kind", "regime_type")
        self.prediction_seconds = self._histogram(
            "rpsd_prediction_seconds", "Time of one answer of a model.", self._request_buckets, "kind"
        )
        self.model_trainings_total = self._counter("rpsd_model_trainings_total", "Trainings of models, by outcome.", "outcome")
        self.retrain_decisions_total = self._counter(
            "rpsd_retrain_decisions_total", "Decisions about training models, by what was decided and why.", "decision", "cause"
        )
        self.active_models = self._gauge("rpsd_active_models", "Models in production.")
        self.model_age_seconds = self._gauge("rpsd_model_age_seconds", "Age of the oldest model in production.")
        self.stale_models = self._gauge(
            "rpsd_stale_models", "Models in production past regimes.max_model_age although bars have come since."
        )
        self.detect_fresh_seconds = self._histogram(
            "rpsd_detect_fresh_seconds", "Time of a detection of regimes that the cache did not hold.", self._request_buckets
        )
        self.feature_rows_total = self._counter("rpsd_feature_rows_total", "Rows of feature views that were materialised.")
        self.feature_quality_score = self._gauge(
            "rpsd_feature_quality_score", "Mean quality of the newest rows of the default view that were materialised."
        )
        self.drift_severity = self._gauge(
            "rpsd_drift_severity", "Worst drift of a model in production, 0 none to 3 high, by what drifted.", "kind"
        )
        self.cache_hits_total = self._counter("rpsd_cache_hits_total", "Answers taken from the cache.", "cache")
        self.cache_misses_total = self._counter("rpsd_cache_misses_total", "Answers that the cache did not hold.", "cache")

    def _work(self) -> None:
        self.job_runs_total = self._counter("rpsd_job_runs_total", "Runs of jobs, by outcome.", "job", "outcome")
        self.job_last_success_timestamp_seconds = self._gauge(
            "rpsd_job_last_success_timestamp_seconds", "When a job last succeeded, in seconds since 1970.", "job"
        )
        self.job_queue_depth = self._gauge("rpsd_job_queue_depth", "Runs that are queued.")
        self.backup_last_success_timestamp_seconds = self._gauge(
            "rpsd_backup_last_success_timestamp_seconds", "When a backup was last taken and verified, in seconds since 1970."
        )
        self.restore_drill_last_success_timestamp_seconds = self._gauge(
            "rpsd_restore_drill_last_success_timestamp_seconds",
            "When the newest backup was last restored into scratch and found whole, in seconds since 1970; 0 never.",
        )
        self.offsite_last_success_timestamp_seconds = self._gauge(
            "rpsd_offsite_last_success_timestamp_seconds", "When a backup was last copied elsewhere, in seconds since 1970; 0 never."
        )
        self.upgrade_rollbacks_total = self._counter("rpsd_upgrade_rollbacks_total", "Upgrades of this machine that were rolled back.")
        self.db_wal_bytes = self._gauge("rpsd_db_wal_bytes", "Size of the write-ahead log.")
        self.log_dropped_total = self._counter("rpsd_log_dropped_total", "Log lines dropped because the sink was slow or failed.")
        self.config_last_reload_successful = self._gauge(
            "rpsd_config_last_reload_successful", "1 when the settings in use are those of the file, 0 after a reload that failed."
        )
        self.config_last_reload_successful.set(1)

    def _outside(self) -> None:
        self.circuit_breaker_state = self._gauge(
            "rpsd_circuit_breaker_state", "Circuit breaker of a source or receiver: 0 closed, 1 half open, 2 open.", "name"
        )
        self.alert_deliveries_total = self._counter(
            "rpsd_alert_deliveries_total",
            "Messages to receivers of alerts: delivered, or dropped for want of room or after a day.",
            "outcome",
        )
        self.source_freshness_seconds = self._gauge(
            "rpsd_source_freshness_seconds", "Age of the newest bar that a source has brought, since its close.", "source"
        )

    def _alerting(self) -> None:
        self.alerts_active = self._gauge("rpsd_alerts_active", "Alerts that are active, by name.", "name")
        self.slo_error_budget_ratio = self._gauge(
            "rpsd_slo_error_budget_ratio",
            "Share of an objective's budget of errors that is left of the last 30 days; below 0 overdrawn.",
            "slo",
        )
        self.slo_burn_rate = self._gauge(
            "rpsd_slo_burn_rate",
            "How many times faster than allowed an objective's budget of errors was used up in a window.",
            "slo",
            "window",
        )

    def _access(self) -> None:
        self.tls_certificate_expiry_timestamp_seconds = self._gauge(
            "rpsd_tls_certificate_expiry_timestamp_seconds", "When the certificate being served ends, in seconds since 1970; 0 without TLS."
        )
        self.active_keys = self._gauge("rpsd_active_keys", "API keys that are neither expired nor revoked.")
        self.logins_failed_total = self._counter("rpsd_logins_failed_total", "Keys, tokens and tickets that were refused, by kind.", "kind")
        self.lockouts_total = self._counter("rpsd_lockouts_total", "Peers locked out after too many failed logins.")

    def _streams(self) -> None:
        self.ws_connections = self._gauge("rpsd_ws_connections", "Live streams that are open: WebSockets, and server-sent events.", "kind")
        for kind in ("websocket", "events"):
            self.ws_connections.labels(kind)
        self.stream_frames_total = self._counter("rpsd_stream_frames_total", "Events queued for readers of live streams.")
        self.stream_dropped_total = self._counter(
            "rpsd_stream_dropped_total", "Events dropped because a reader of a live stream was too slow."
        )

    def _machine(self) -> None:
        self.system_cpu_ratio = self._gauge("rpsd_system_cpu_ratio", "Share of CPU time in use, without niced work.")
        self.system_memory_ratio = self._gauge("rpsd_system_memory_ratio", "Share of memory in use.")
        self.disk_used_ratio = self._gauge("rpsd_disk_used_ratio", "Share of the data directory's disk in use.")
        self.uptime_seconds = self._gauge("rpsd_uptime_seconds", "Time since the start of the process.")
        self._started = time.monotonic()
        self.uptime_seconds.set_function(self.uptime)
        self.build_info = self._gauge("rpsd_build_info", "Always 1; the labels tell what is running.", "version", "python")
        self.build_info.labels(__version__, platform.python_version()).set(1)

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return self._keep(Description(name, "counter", labels, doc), Counter(name, doc, labels, registry=self.registry))

    def _gauge(self, name: str, doc: str, *labels: str) -> Gauge:
        return self._keep(Description(name, "gauge", labels, doc), Gauge(name, doc, labels, registry=self.registry))

    def _histogram(self, name: str, doc: str, buckets: tuple[float, ...], *labels: str) -> ManyHistogram:
        made = ManyHistogram(name, doc, labels, buckets=buckets, registry=self.registry)
        return self._keep(Description(name, "histogram", labels, doc), made)

    def _keep(self, description: Description, made: _Metric) -> _Metric:
        self._described.append(description)
        self._by_name[description.name] = made
        return made

    def readings(self, name: str) -> list[Reading]:
        """What each series of the metric of that full name says now; [] for a name that is none. About 5 µs each, a histogram 10."""
        found = self._by_name.get(name)
        return [] if found is None else readings(found)

    def bounds(self, name: str) -> tuple[float, ...]:
        """Upper bounds of the buckets of the histogram of that full name, the last infinite; () for a name of none."""
        found = self._by_name.get(name)
        return () if found is None else bounds(found)

    def samples(self, name: str) -> list[Sample]:
        """Every sample of the metric of that full name, buckets and sums among them; [] for a name that is none. About 5 µs each."""
        found = self._by_name.get(name)
        return [] if found is None else [sample for family in found.collect() for sample in family.samples]

    def uptime(self) -> float:
        """Seconds since these metrics began to count, which is the start of the process."""
        return time.monotonic() - self._started

    def described(self) -> Iterator[Description]:
        """Every metric of rpsd's own, in the order of this file; process and garbage collection come on top."""
        yield from self._described

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics and their content type: OpenMetrics when `accept` asks for it, else the Prometheus text format."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type
