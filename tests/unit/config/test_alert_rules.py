"""The setting alerts.rules: what the grammar takes, and what it says about what it does not."""

import pytest

from rpsd.config import read
from rpsd.config.alert_rules import ALERT_RULES, parse_condition
from rpsd.config.kinds import Unfit
from rpsd.config.render import explain
from rpsd.core.alert_rule import AlertRule, Match


def test_a_condition_is_read() -> None:
    found = parse_condition('ratio(rpsd_http_requests_total{status=5*,route!="/a,b|/c*"} / rpsd_http_requests_total) > 1% for 5m')
    assert found.function == "ratio"
    assert (found.above, found.limit, found.windows, found.window_seconds) == (True, 0.01, 1, 300.0)
    assert found.part.matches == (Match("status", ("5*",)), Match("route", ("/a,b", "/c*"), negated=True))
    assert found.whole is not None
    assert found.whole.metric == "rpsd_http_requests_total"


@pytest.mark.parametrize(
    ("text", "limit", "windows", "seconds"),
    [
        ("max(rpsd_disk_used_ratio) > 0.9", 0.9, 1, 0.0),
        ("min(rpsd_disk_used_ratio) < 90 %", 0.9, 1, 0.0),
        ("age(rpsd_backup_last_success_timestamp_seconds) > 26h", 93_600.0, 1, 0.0),
        ("rate(rpsd_ingest_rows_total) < 1 for 2 windows of 10m", 1.0, 2, 600.0),
        ("p99(rpsd_http_request_duration_seconds) > 100ms", 0.1, 1, 300.0),
        ("max(rpsd_db_wal_bytes) > 1e", None, 1, 0.0),
        ("sum(rpsd_ws_connections) > -5 for 1 window of 1m", -5.0, 1, 60.0),
    ],
)
def test_amounts_and_windows(text: str, limit: float | None, windows: int, seconds: float) -> None:
    if limit is None:
        with pytest.raises(Unfit):
            parse_condition(text)
        return
    found = parse_condition(text)
    assert (found.limit, found.windows, found.window_seconds) == (limit, windows, seconds)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"name": "a", "when": "max(rpsd_nothing) > 1"}, "no metric rpsd_nothing"),
        ({"name": "a", "when": "max(rpsd_http_requests_total{path=x}) > 1"}, "no label path"),
        ({"name": "a", "when": "p99(rpsd_http_requests_total) > 1"}, "is a counter"),
        ({"name": "a", "when": "max(rpsd_denoise_seconds) > 1"}, "is a histogram"),
        ({"name": "a", "when": "rate(rpsd_disk_used_ratio) > 1"}, "is a gauge"),
        ({"name": "a", "when": "ratio(rpsd_http_requests_total) > 1"}, "takes two metrics"),
        ({"name": "a", "when": "rate(rpsd_http_requests_total) > 1 for 10s"}, "60s or more"),
        ({"name": "a", "when": "rate(rpsd_http_requests_total) > 1 for 100 windows of 1d"}, "windows"),
        ({"name": "a", "when": "drop table"}, "expected such as"),
        ({"name": "a", "when": "max(rpsd_http_requests_total{status}) > 1"}, "in the braces"),
        ({"name": "a", "when": "mean(rpsd_http_requests_total) > 1"}, "expected one of"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1.2.3"}, "not a number"),
        ({"name": "A b", "when": "max(rpsd_disk_used_ratio) > 1"}, "expected a name"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1", "severity": "NONE"}, "expected one of LOW"),
        ({"name": "a"}, "name, when"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > \uff19\uff10%"}, "expected such as"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > \u0663"}, "expected such as"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1e5"}, "expected such as"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > nan"}, "expected such as"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 5parsec"}, "a duration such as"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1 for 999999y"}, "7d together"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > " + "9" * 10**6}, "at most 1000 letters"),
        ({"name": "a", "when": f"max(rpsd_http_requests_total{{route={'|'.join(['/x'] * 10**5)}}}) > 1"}, "at most 1000 letters"),
        ({"name": "a", "when": "max(rpsd_http_requests_total{" * 20}, "expected such as"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio)\n> 1"}, "a line of"),
        ({"name": "a", "when": ["max(rpsd_disk_used_ratio) > 1"]}, "expected text"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1", "detail": {"a": 1}}, "expected text"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1", "detail": "\x1b[2Jgone"}, "detail: expected a line"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1", "detail": "x" * 10**6}, "detail: expected a line"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1", "least": -1}, "expected 0 to"),
        ({"name": "a", "when": "max(rpsd_disk_used_ratio) > 1", 7: "x"}, "name, when"),
        ("everything", "name, when"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(rule: object, said: str) -> None:
    with pytest.raises(Unfit, match="rule 1: ") as refused:
        ALERT_RULES.parse([rule])
    assert said in str(refused.value)


def test_rules_have_names_of_their_own() -> None:
    rule = {"name": "twin", "when": "max(rpsd_disk_used_ratio) > 1"}
    with pytest.raises(Unfit, match="two rules are named twin"):
        ALERT_RULES.parse([rule, dict(rule)])
    with pytest.raises(Unfit, match="default, or a list"):
        ALERT_RULES.parse("none")
    with pytest.raises(Unfit, match="at most 200 rules"):
        ALERT_RULES.parse([rule | {"name": f"rule{number}"} for number in range(10_000)])


def test_rules_stand_in_a_file_and_are_shown(tmp_path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "alerts:\n  rules:\n    - default\n    - name: slow_predictions\n"
        '      when: "p99(rpsd_http_request_duration_seconds{route=/api/v1/predict|/predict}) > 50ms for 2 windows of 5m"\n'
        "      severity: HIGH\n"
    )
    settings = read(file, environ={})
    assert settings.alerts.rules[0] == "default"
    rule = settings.alerts.rules[1]
    assert isinstance(rule, AlertRule)
    assert (rule.alert, rule.subject, rule.severity, rule.least) == ("rule", "slow_predictions", "HIGH", 20)
    shown = next(row.value for row in explain(settings) if row.name == "alerts.rules")
    assert shown[0] == "default"
    assert ALERT_RULES.parse(shown) == settings.alerts.rules
