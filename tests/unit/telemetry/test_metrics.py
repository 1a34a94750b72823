"""Metrics and their exposition."""

import re

from rpsd.telemetry import Metrics

CONTRACT = """
rpsd_http_requests_total rpsd_http_request_duration_seconds rpsd_denoise_points_total rpsd_denoise_seconds rpsd_guardrail_results_total
rpsd_variance_reduction_ratio rpsd_model_predictions_total rpsd_prediction_seconds rpsd_active_models rpsd_model_age_seconds
rpsd_cache_hits_total rpsd_cache_misses_total rpsd_errors_total rpsd_job_runs_total rpsd_job_last_success_timestamp_seconds
rpsd_backup_last_success_timestamp_seconds rpsd_db_wal_bytes rpsd_ingest_rows_total rpsd_log_dropped_total
rpsd_config_last_reload_successful rpsd_system_cpu_ratio rpsd_system_memory_ratio rpsd_disk_used_ratio rpsd_active_keys
rpsd_uptime_seconds rpsd_job_queue_depth rpsd_build_info rpsd_model_trainings_total
rpsd_book_events_total rpsd_book_faults_total rpsd_rate_limited_total
rpsd_feature_rows_total rpsd_feature_quality_score rpsd_drift_severity rpsd_alerts_active rpsd_retrain_decisions_total
rpsd_circuit_breaker_state rpsd_source_freshness_seconds rpsd_alert_deliveries_total rpsd_logins_failed_total rpsd_lockouts_total
rpsd_tls_certificate_expiry_timestamp_seconds rpsd_ws_connections rpsd_stream_frames_total rpsd_stream_dropped_total
rpsd_restore_drill_last_success_timestamp_seconds rpsd_offsite_last_success_timestamp_seconds rpsd_upgrade_rollbacks_total
rpsd_slo_error_budget_ratio rpsd_slo_burn_rate rpsd_stale_models rpsd_detect_fresh_seconds
"""


def test_every_metric_of_the_rooms_that_are_built() -> None:
    metrics = Metrics()
    assert {metric.name for metric in metrics.described()} == set(CONTRACT.split())
    assert all(hasattr(metrics, name.removeprefix("rpsd_")) for name in CONTRACT.split())
    text, _ = metrics.exposition()
    assert set(re.findall(r"^# TYPE (rpsd_\w+)", text.decode(), re.M)) >= set(CONTRACT.split())
    assert b"process_resident_memory_bytes" in text


def test_each_has_a_sentence_and_a_unit() -> None:
    units = ("_total", "_seconds", "_ratio", "_bytes", "_info", "_models", "_depth", "_keys", "_connections", "_successful")
    bare = ("_score", "_severity", "_active", "_state", "_rate")  # numbers without a unit
    for metric in Metrics().described():
        assert metric.doc.endswith(".")
        assert metric.name.endswith(units + bare)


def test_accept_chooses_the_format() -> None:
    metrics = Metrics()
    metrics.errors_total.labels("too_short").inc()
    plain, plain_type = metrics.exposition("")
    open_metrics, open_type = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert plain_type.startswith("text/plain")
    assert open_type.startswith("application/openmetrics-text")
    assert open_metrics.endswith(b"# EOF\n")
    assert b'rpsd_errors_total{code="too_short"} 1.0' in plain


def test_two_registries_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.ingest_rows_total.inc(5)
    assert b"rpsd_ingest_rows_total 0.0" in second.exposition()[0]


def test_many_observations_count_as_each_by_itself() -> None:
    amounts = [-1.0, 0.0, 0.0005, 0.3, 0.30001, 1.0, 7.0]
    together, apart = Metrics(), Metrics()
    together.variance_reduction_ratio.observe_all(amounts)
    for amount in amounts:
        apart.variance_reduction_ratio.observe(amount)
    lines = [
        [line for line in metrics.exposition()[0].decode().splitlines() if line.startswith("rpsd_variance_reduction_ratio")]
        for metrics in (together, apart)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) > 10


def test_readings_say_what_an_exposition_says() -> None:
    metrics = Metrics(objectives=(0.07,))
    for number in range(7):
        metrics.http_requests_total.labels("GET", f"/{number % 3}", "200").inc(number)
        metrics.http_request_duration_seconds.labels("GET", f"/{number % 3}").observe(number / 10)
        metrics.denoise_seconds.labels("fir").observe(number)
    metrics.disk_used_ratio.set_function(lambda: 0.25)
    told = {description.name: description.type for description in metrics.described()}
    for name in sorted(told.keys() - {"rpsd_uptime_seconds"}):
        samples, readings = metrics.samples(name), metrics.readings(name)
        if told[name] != "histogram":
            assert [(one.labels, one.value) for one in readings] == [(sample.labels, sample.value) for sample in samples], name
            continue
        assert [one.value for one in readings] == [sample.value for sample in samples if sample.name == f"{name}_count"], name
        buckets = [sample for sample in samples if sample.name == f"{name}_bucket"]
        assert [count for one in readings for count in one.counts] == [sample.value for sample in buckets], name
        assert [*metrics.bounds(name)] * len(readings) == [float(sample.labels["le"]) for sample in buckets], name
    assert (metrics.readings("rpsd_nothing"), metrics.bounds("rpsd_nothing"), metrics.bounds("rpsd_disk_used_ratio")) == ([], (), ())
