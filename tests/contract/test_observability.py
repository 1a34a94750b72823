"""What is shipped for Prometheus and Grafana speaks of metrics and labels that rpsd has, and every alert has its run book and its test."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rpsd.services.alert import ALERTS
from rpsd.telemetry import Metrics
from rpsd.web.pages import anchor

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "etc" / "prometheus"
CHAPTER = ROOT / "rpsd" / "manual" / "observe.md"
DESCRIBED = {described.name: described for described in Metrics().described()}
FOREIGN = {"up", "ALERTS", "process_resident_memory_bytes"}
"""Prometheus' own, and the client library's."""
ADDED = {"instance", "job", "le"}
"""Labels that a scrape or a histogram adds."""
PARTS = {"Look at": "what to look at", "Do": "what to do"}


def series(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric of a query, and what stands in its braces."""
    yield from re.findall(r"\b((?:rpsd:|rpsd_|up\b|process_)[\w:]*)(?:\{((?:[^}\"]|\"[^\"]*\")*)\})?", expression)


def strange(expression: str, recorded: set[str]) -> list[str]:
    """Metrics and labels of a query that nobody has."""
    found = []
    for name, inside in series(re.sub(r"label_values\((\w+), \w+\)", r"\1", expression)):
        if name in FOREIGN or name in recorded:
            continue
        base = next((name.removesuffix(end) for end in ("_bucket", "_count", "_sum") if name.endswith(end)), name)
        described = DESCRIBED.get(name) or DESCRIBED.get(base)
        if described is None or (described.type == "histogram") is (name == described.name):
            found.append(name)
            continue
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", inside))
        found += [f"{name}{{{label}}}" for label in sorted(labels - set(described.labels) - ADDED)]
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rpsd.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def queries() -> list[str]:
    dashboard = json.loads((ROOT / "etc" / "grafana" / "rpsd.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or f"{rule['record']}-{rule['labels']['slo']}")
def test_a_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    assert strange(rule["expr"], RECORDED) == []


def test_the_dashboard_asks_for_what_there_is() -> None:
    found = queries()
    assert len(found) > 40
    assert [wrong for query in found for wrong in strange(query, set())] == []


def test_panels_have_a_place_and_a_title_of_their_own() -> None:
    panels = json.loads((ROOT / "etc" / "grafana" / "rpsd.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("rpsd_uptime_seconds{job=\"rpsd\"}", []),
        ("rate(rpsd_denoise_seconds_bucket{le=\"1.0\",method=~\"w.*\"}[5m])", []),
        ("rpsd_gone > 1", ["rpsd_gone"]),
        ("rpsd_denoise_seconds > 1", ["rpsd_denoise_seconds"]),
        ("rpsd_errors_total{route=\"/x\"}", ["rpsd_errors_total{route}"]),
        ("rpsd:slo_burn_rate:5m", ["rpsd:slo_burn_rate:5m"]),
    ],
)  # fmt: skip
def test_what_nobody_has_is_seen(query: str, wrong: list[str]) -> None:
    assert strange(query, set()) == wrong


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_of_prometheus_fires_and_keeps_still_in_a_test(alert: dict[str, Any]) -> None:
    tests = [yaml.safe_load((PROMETHEUS / name).read_text()) for name in ("rpsd.rules.test.yml", "rpsd.days.test.yml")]
    checks = [check for file in tests for test in file["tests"] for check in test["promql_expr_test"]]
    mine = [check for check in checks if f'alertname="{alert["alert"]}"' in check["expr"]]
    assert any(check["exp_samples"] for check in mine)
    assert any(not check["exp_samples"] for check in mine) or len(mine) > 1
    assert alert["labels"]["severity"] in ("LOW", "MEDIUM", "HIGH")


def run_books() -> dict[str, str]:
    """Sections of the chapter by their anchor."""
    sections = re.split(r"^### ", CHAPTER.read_text(encoding="utf-8"), flags=re.M)[1:]
    return {anchor(section.split("\n", 1)[0]): re.split(r"^## ", section, flags=re.M)[0] for section in sections}


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_run_book(name: str) -> None:
    section = run_books()[anchor(f"`{name}`")]
    assert len(section.split("\n\n")[1]) > 40, "what it means"
    for mark, what in PARTS.items():
        assert f"**{mark}.**" in section, what


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_of_prometheus_leads_to_its_run_book(alert: dict[str, Any]) -> None:
    page, _, wanted = alert["annotations"]["runbook_url"].partition("#")
    assert page == "/manual/observe"
    section = run_books()[wanted]
    assert alert["alert"] in section
    for mark in PARTS:
        assert f"**{mark}.**" in section
