"""Maintenance over HTTP: not ready, jobs wait, requests are served, the audit log tells who."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

Running = Any
PATH = "/api/v1/admin/maintenance"


@pytest.fixture(autouse=True)
def _over(http: httpx.Client) -> Iterator[None]:
    yield
    http.post(PATH, json={"on": False})


def failing(http: httpx.Client) -> list[str]:
    return [check["name"] for check in http.get("/health/ready").json()["checks"] if not check["passed"]]


def test_readiness_drops_while_requests_are_served(running: Running, http: httpx.Client) -> None:
    found = http.post(PATH, json={"on": True, "reason": "a new disk", "for": "1h"}).json()
    assert (found["on"], found["reason"]) == (True, "a new disk")
    assert http.get(PATH).json() == found
    assert http.get("/health/ready").status_code == 503
    assert "maintenance" in failing(http)
    assert http.get("/health").json()["status"] == "degraded"
    assert http.get("/health").status_code == 200
    assert http.get("/api/v1/series").status_code == 200
    [newest, *_] = http.get("/api/v1/admin/audit", params={"action": "maintenance", "limit": 1}).json()["audit"]
    assert (newest["action"], newest["detail"]["reason"]) == ("maintenance.on", "a new disk")
    assert http.post(PATH, json={"on": False}).json()["on"] is False
    assert "maintenance" not in failing(http)


@pytest.mark.parametrize("body", [{}, {"on": True, "for": "soon"}, {"on": True, "for": 0}, {"on": True, "reason": "x" * 201}, {"on": 1}])
def test_what_cannot_be_asked(http: httpx.Client, body: dict[str, Any]) -> None:
    assert http.post(PATH, json=body).status_code == 422
    assert http.get(PATH).json()["on"] is False


def test_only_an_administrator_may(running: Running) -> None:
    with running.client("train") as other:
        assert other.post(PATH, json={"on": True}).status_code == 403
        assert other.get(PATH).status_code == 403
