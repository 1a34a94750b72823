"""The metric names of earlier systems, told from the counts that are kept anyway: old dashboards and alerts go on."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rpsd.telemetry.metrics import Metrics

CLASSIC: Final = {
    "http_requests_total": "rpsd_http_requests_total",
    "http_request_duration_seconds": "rpsd_http_request_duration_seconds",
    "active_models_count": "rpsd_active_models",
    "model_predictions_total": "rpsd_model_predictions_total",
    "cache_hits_total": "rpsd_cache_hits_total",
    "cache_misses_total": "rpsd_cache_misses_total",
    "errors_total": "rpsd_errors_total",
    "predictions_total": "rpsd_model_predictions_total",
    "prediction_latency_seconds": "rpsd_prediction_seconds",
}
"""Classic name -> the metric that it is told from. Histograms come without labels, as they were."""

Labels = tuple[str, ...]


class ClassicNames(Collector):
    """Collected with the metrics it is told from; nothing is counted twice while requests are served."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Every classic metric; as dear as collecting its sources."""
        yield self._counter("http_requests_total", "Total HTTP requests.", ("method", "endpoint"), lambda s: (s["method"], s["route"]))
        yield self._histogram("http_request_duration_seconds", "HTTP request duration.")
        models = GaugeMetricFamily("active_models_count", "Number of active models.")
        models.add_metric((), sum(sample.value for sample in self._metrics.samples("rpsd_active_models")))
        yield models
        yield self._counter("model_predictions_total", "Total model predictions.", ("regime_type",), lambda s: (s["regime_type"],))
        yield self._counter("cache_hits_total", "Cache hits.")
        yield self._counter("cache_misses_total", "Cache misses.")
        yield self._counter("errors_total", "Total errors.", ("error_type",), lambda s: (s["code"],))
        yield self._counter("predictions_total", "Total predictions.")
        yield self._histogram("prediction_latency_seconds", "Prediction latency.")

    def _counter(self, name: str, doc: str, labels: Labels = (), told: Callable[[dict[str, str]], Labels] = lambda _: ()) -> Metric:
        sums: defaultdict[Labels, float] = defaultdict(float)
        if not labels:
            sums[()] = 0.0  # a count without labels is there from the start
        for sample in self._metrics.samples(CLASSIC[name]):
            sums[told(sample.labels)] += sample.value
        family = CounterMetricFamily(name, doc, labels=labels)
        for values, amount in sums.items():
            family.add_metric(values, amount)
        return family

    def _histogram(self, name: str, doc: str) -> Metric:
        buckets: defaultdict[str, float] = defaultdict(float)
        total = 0.0
        for sample in self._metrics.samples(CLASSIC[name]):
            if sample.name.endswith("_bucket"):
                buckets[sample.labels["le"]] += sample.value
            elif sample.name.endswith("_sum"):
                total += sample.value
        family = HistogramMetricFamily(name, doc)
        bounds: list[Any] = sorted(buckets.items(), key=lambda bucket: float(bucket[0])) or [("+Inf", 0.0)]
        family.add_metric((), bounds, total)
        return family


def add_classic_names(metrics: Metrics) -> None:
    """Expose the classic names beside the others from now on."""
    metrics.registry.register(ClassicNames(metrics))
