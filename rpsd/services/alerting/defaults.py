"""The rules that hold unless the setting alerts.rules says otherwise."""

from typing import Final

from rpsd.config import Settings
from rpsd.config.alert_rules import DEFAULT, parse_condition
from rpsd.core.alert_rule import AlertRule
from rpsd.core.market import INTERVALS, SECOND_NS
from rpsd.core.source import SourceSetting

UNWATCHED: Final = "/health*|/api/v1/health*|/metrics"
"""Routes that only say how rpsd is: they would make every share of failures look small."""
LENGTHY: Final = (
    "/api/v1/detect-regimes|/api/v1/denoise/compare|/api/v1/denoise/batch|/api/v1/events|/api/v1/series/*|/api/v1/books/*|/api/v1/admin/*"
    "|/api/v1/models/*|/api/v1/feature-views/*|/manual*|/docs|/openapi.json"
)
"""Routes whose time depends on how much is asked of them: fits, streams, files, pages made at their first call."""
_ALWAYS_OPEN: Final = frozenset({"binance"})
"""Vendors whose markets never close."""
_LEAST_LATE_SECONDS: Final = 3600.0
"""Bars of a minute are fetched every quarter of an hour by default."""
_CLOSED_SECONDS: Final = 4 * 86_400.0
"""Longest stretch without a bar at other markets: a weekend with a holiday on either side."""

_RESOURCES: Final = {
    "cpu": ("rpsd_system_cpu_ratio", "CPU, without niced work,"),
    "memory": ("rpsd_system_memory_ratio", "Memory"),
    "disk": ("rpsd_disk_used_ratio", "The disk"),
}


def chosen(settings: Settings) -> list[AlertRule]:
    """The rules in force. One of the operator's with the name of a default one stands in its place."""
    given = settings.alerts.rules
    if isinstance(given, str):
        return default_rules(settings)
    own = {rule.name: rule for rule in given if isinstance(rule, AlertRule)}
    kept = [rule for rule in default_rules(settings) if rule.name not in own] if DEFAULT in given else []
    return kept + list(own.values())


def default_rules(settings: Settings) -> list[AlertRule]:
    """The rules by themselves, as the manual's chapter on observing lists them."""
    limit = settings.monitoring.resource_limit
    everything = f'rpsd_http_requests_total{{route!="{UNWATCHED}"}}'
    failed = f'rpsd_http_requests_total{{status=5*,route!="{UNWATCHED}"}}'
    quick = f'rpsd_http_request_duration_seconds{{route!="{UNWATCHED}|{LENGTHY}"}}'
    return [
        _rule("http_errors", "api", "HIGH", f"ratio({failed} / {everything}) > 1% for 5m",
              "{value} of the requests of five minutes were answered with a server error."),
        _rule("slow_requests", "api", "MEDIUM", f"p99({quick}) > 100ms for 2 windows of 5m",
              "The 99th percentile of the time to answer was {value} s, and above 0.1 s in the five minutes before as well."),
        *(_rule("resource_high", name, "MEDIUM", f"max({metric}) > {limit:.10g}% for 5m", f"{said} was above {limit:g} % for five minutes.")
          for name, (metric, said) in _RESOURCES.items()),
        _rule("backup_old", "backup", "HIGH", "age(rpsd_backup_last_success_timestamp_seconds) > 26h",
              "The last verified backup, or else the start of rpsd, was {value} s ago."),
        _rule("model_old", "models", "MEDIUM", "max(rpsd_stale_models) > 0",
              "{value} models in production are past regimes.max_model_age although bars have come since."),
        _rule("certificate_expiring", "certificate", "HIGH", "left(rpsd_tls_certificate_expiry_timestamp_seconds) < 14d",
              "The certificate being served ends in {value} s."),
        *(_source_rule(name, source) for name, source in settings.sources.items()),
    ]  # fmt: skip


def _rule(alert: str, subject: str, severity: str, when: str, detail: str) -> AlertRule:
    name = alert if subject in ("api", "backup", "models", "certificate") else f"{alert}_{subject}"
    return AlertRule(name, alert, subject, severity, parse_condition(when), detail)


def _source_rule(name: str, source: SourceSetting) -> AlertRule:
    """Three bars late, an hour at least; where markets close, a long weekend more."""
    late = max(_LEAST_LATE_SECONDS, 3 * INTERVALS[source.interval] / SECOND_NS)
    limit = late + (0.0 if source.kind in _ALWAYS_OPEN else _CLOSED_SECONDS)
    when = f'max(rpsd_source_freshness_seconds{{source="{name}"}}) > {limit:.0f}s'
    return _rule("source_stale", name, "MEDIUM", when, "The newest bar that came from there closed {value} s ago.")
