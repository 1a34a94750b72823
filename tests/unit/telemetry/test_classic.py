"""Classic metric names: those of earlier systems, with their labels, so that the queries of old dashboards find what they ask for."""

import re

from rpsd.telemetry import Metrics
from rpsd.telemetry.classic import CLASSIC, add_classic_names

QUERIES = (
    "rate(http_requests_total[5m])",
    "histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[5m]))",
    "active_models_count",
    "rate(errors_total[5m])",
    "rate(model_predictions_total[5m])",
    "rate(cache_hits_total[5m]) / (rate(cache_hits_total[5m]) + rate(cache_misses_total[5m]))",
    "rate(predictions_total[5m])",
    "histogram_quantile(0.5, rate(prediction_latency_seconds_bucket[5m]))",
)
"""Of the dashboards of earlier systems, and such as their users wrote."""


def told() -> str:
    metrics = Metrics()
    for method, route, status in (("GET", "/a", "200"), ("GET", "/a", "500"), ("POST", "/b", "200")):
        metrics.http_requests_total.labels(method, route, status).inc()
        metrics.http_request_duration_seconds.labels(method, route).observe(0.03)
    metrics.errors_total.labels("too_short").inc(2)
    metrics.active_models.set(4)
    metrics.model_predictions_total.labels("regime", "3_state").inc(5)
    metrics.model_predictions_total.labels("book", "up").inc(2)
    metrics.prediction_seconds.labels("regime").observe(0.002)
    metrics.prediction_seconds.labels("book").observe(0.2)
    metrics.cache_hits_total.labels("regime").inc(3)
    add_classic_names(metrics)
    return metrics.exposition()[0].decode()


def test_every_classic_name_is_there_with_its_labels() -> None:
    lines = set(told().splitlines())
    assert {
        'http_requests_total{endpoint="/a",method="GET"} 2.0',
        'http_requests_total{endpoint="/b",method="POST"} 1.0',
        'http_request_duration_seconds_bucket{le="0.025"} 0.0',
        'http_request_duration_seconds_bucket{le="0.05"} 3.0',
        "http_request_duration_seconds_count 3.0",
        "active_models_count 4.0",
        'model_predictions_total{regime_type="3_state"} 5.0',
        "cache_hits_total 3.0",
        "cache_misses_total 0.0",
        'errors_total{error_type="too_short"} 2.0',
        "predictions_total 7.0",
        'prediction_latency_seconds_bucket{le="+Inf"} 2.0',
        "prediction_latency_seconds_sum 0.202",
    } <= lines


def test_the_queries_of_old_dashboards_find_their_series() -> None:
    series = set(re.findall(r"^([a-z_]+)", told(), re.M))
    for query in QUERIES:
        asked = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", query)) - {"histogram_quantile"}
        assert asked
        assert asked <= series, query


def test_without_the_setting_none_is_there() -> None:
    assert not [name for name in CLASSIC if re.search(rf"^{name}\b", Metrics().exposition()[0].decode(), re.M)]


def test_an_empty_process_tells_whole_histograms() -> None:
    metrics = Metrics()
    add_classic_names(metrics)
    assert 'http_request_duration_seconds_bucket{le="+Inf"} 0.0' in metrics.exposition()[0].decode()


def test_symbols_have_labels_as_far_as_allowed() -> None:
    metrics = Metrics(symbol_limit=2)
    for symbol, rows in (("AAPL", 5), ("MSFT", 1), ("IBM", 2), ("AAPL", 1), ("GE", 3)):
        metrics.symbols.rows(symbol, rows)
        metrics.symbols.answer("regime", symbol)
    text = metrics.exposition()[0].decode()
    assert 'rpsd_symbol_ingest_rows_total{symbol="AAPL"} 6.0' in text
    assert 'rpsd_symbol_ingest_rows_total{symbol="other"} 5.0' in text
    assert 'rpsd_symbol_predictions_total{kind="regime",symbol="MSFT"} 1.0' in text
    assert "IBM" not in text


def test_by_default_no_symbol_is_a_label() -> None:
    metrics = Metrics()
    metrics.symbols.rows("AAPL", 5)
    assert "AAPL" not in metrics.exposition()[0].decode()
