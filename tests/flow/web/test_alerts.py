"""Alerts over HTTP: listed by page, resolved once, and shown in the detailed health."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from rpsd.config.outside import WEBHOOKS
from rpsd.services.outside.breaker import Breakers
from rpsd.services.outside.delivery import Delivery
from tests.vendors import serving, status

Running = Any


def test_an_alert_is_listed_shown_in_health_and_resolved(running: Running, http: httpx.Client) -> None:
    raised = running.services.alert.raise_("drift", "regime:ALERTED:1d:3_state", "HIGH", "it has drifted")
    listed = http.get("/api/v1/admin/alerts", params={"state": "active", "name": "drift"}).json()["alerts"]
    assert raised in listed
    assert raised in http.get("/health/detailed").json()["alerts"]
    assert 'rpsd_alerts_active{name="drift"}' in http.get("/metrics").text
    path = f"/api/v1/admin/alerts/{raised['id']}/resolve"
    done = http.post(path, headers={"idempotency-key": "resolve-it"})
    assert done.status_code == 200
    assert done.json()["state"] == "resolved"
    assert http.post(path, headers={"idempotency-key": "resolve-it"}).json() == done.json()
    assert http.post(path).json()["code"] == "state_conflict"
    assert raised["id"] not in [alert["id"] for alert in http.get("/health/detailed").json()["alerts"]]


def test_alerts_page_by_cursor(running: Running, http: httpx.Client) -> None:
    for n in range(3):
        running.services.alert.raise_("circuit_open", f"paged-{n}", "LOW", "x")
    first = http.get("/api/v1/admin/alerts", params={"limit": 2, "name": "circuit_open"}).json()
    assert [alert["subject"] for alert in first["alerts"]] == ["paged-2", "paged-1"]
    second = http.get("/api/v1/admin/alerts", params={"limit": 2, "name": "circuit_open", "after": first["next"]}).json()
    assert "paged-0" in [alert["subject"] for alert in second["alerts"]]


def test_what_cannot_be_asked(http: httpx.Client) -> None:
    assert http.get("/api/v1/admin/alerts", params={"after": "x"}).json()["errors"][0]["pointer"] == "/query/after"
    assert http.get("/api/v1/admin/alerts", params={"state": "gone"}).status_code == 422
    for alert in ("x", "999999", "9" * 40):
        answer = http.post(f"/api/v1/admin/alerts/{alert}/resolve")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_alert")
    assert http.post("/api/v1/admin/alerts/1/resolve", json={"note": "x"}).status_code == 422


def test_the_receivers_can_be_tested(running: Running, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert http.post("/api/v1/admin/alerts/test").json() == {"receivers": []}
    assert http.post("/api/v1/admin/alerts/test", json={"url": "http://127.0.0.1/"}).status_code == 422
    with serving() as far, running.client("read") as reader:
        services, url = running.services, f"{far.base}/hook?token=hidden"
        receivers = WEBHOOKS.parse([{"url": url, "private": ["127.0.0.0/8"]}, {"url": url, "private": ["127.0.0.0/8"], "format": "slack"}])
        breakers = Breakers(services.clock, services.metrics)
        told = Delivery(receivers, breakers, services.clock, services.settings.storage.secrets_dir, lambda *_: None)
        monkeypatch.setattr(services.outside, "_feed", SimpleNamespace(delivery=told))
        assert reader.post("/api/v1/admin/alerts/test").status_code == 403
        assert far.posted == []
        found = http.post("/api/v1/admin/alerts/test")
        assert found.status_code == 200
        assert [(one["receiver"], one["format"], one["delivered"]) for one in found.json()["receivers"]] == [
            ("webhook:1", "generic", True), ("webhook:2", "slack", True),
        ]  # fmt: skip
        assert "hidden" not in found.text
        assert len(far.posted) == 2
        far.instead = [status(500)] * 2
        assert [one["delivered"] for one in http.post("/api/v1/admin/alerts/test").json()["receivers"]] == [False, False]
    rows = http.get("/api/v1/admin/audit", params={"limit": 20}).json()["audit"]
    assert [row["detail"] for row in rows if row["action"] == "alert.test"][:2] == [
        {"receivers": 2, "delivered": 0, "from": "127.0.0.1"}, {"receivers": 2, "delivered": 2, "from": "127.0.0.1"},
    ]  # fmt: skip
