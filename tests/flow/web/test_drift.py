"""Drift over HTTP: a scan as a job, its reports by page, and what cannot be asked."""

import json
import time
from typing import Any

import httpx
import numpy as np
import pytest

from rpsd.core.market import DAY_NS, Samples
from rpsd.jobs.drift_scan import DRIFT_SCAN
from rpsd.jobs.job import Job
from rpsd.jobs.runner import Scheduler
from rpsd.services.wiring import Services

Running = Any
NAME = "regime:DRIFTING:1d:2_state"
RETRAIN = Job("retrain", "What a HIGH scan asks for; nobody answers here.", lambda _: None, lambda _: {}, arguments=("model", "cause"))


@pytest.fixture(scope="module")
def model(running: Running) -> str:
    """A model of calm years whose series has gone wild since."""
    services: Services = running.services
    rng = np.random.default_rng(8)
    returns = np.concatenate([rng.normal(0.0, np.where(np.arange(500) // 50 % 2, 0.02, 0.005)), rng.normal(-0.03, 0.1, 120)])
    t = (19_000 + np.arange(620, dtype=np.int64)) * DAY_NS
    prices = 100 * np.exp(np.cumsum(returns))
    services.series.append("DRIFTING", "1d", Samples(t[:500], {"close": prices[:500]}))
    services.regime.train(NAME)
    if services.model.production(NAME) is None:
        services.model.promote(NAME, 1, "for the test", "test", force=True)
    services.series.append("DRIFTING", "1d", Samples(t[500:560], {"close": prices[500:560]}))
    services.drift.scan([NAME], progress=lambda _share, _words: None, cancelled=lambda: False)
    services.series.append("DRIFTING", "1d", Samples(t[560:], {"close": prices[560:]}))
    return NAME


def ended(running: Running, http: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The run, once a scheduler of the test's own has seen to it."""
    assert answer.status_code == 202, answer.text
    scheduler = Scheduler(running.services, (DRIFT_SCAN, RETRAIN))
    try:
        for _ in range(600):
            scheduler.tick(running.services.clock())
            run = http.get(answer.headers["location"]).json()
            if run["state"] not in ("queued", "running"):
                return dict(run)
            time.sleep(0.05)
    finally:
        scheduler.stop()
        running.services.job.arguments, running.services.job.offered = {}, {}
    raise AssertionError("the scan did not end")


def test_a_scan_is_a_job_whose_reports_can_be_read(running: Running, model: str) -> None:
    with running.client("train") as http:
        first = http.post("/api/v1/drift/scan", json={"models": [model]}, headers={"idempotency-key": "scan-1"})
        assert http.post("/api/v1/drift/scan", json={"models": [model]}, headers={"idempotency-key": "scan-1"}).json() == first.json()
    with running.client("read") as http:
        run = ended(running, http, first)
        assert run["state"] == "succeeded", run
        assert (run["result"]["models"], run["result"]["reports"]) == (1, 1)
        listed = http.get("/api/v1/drift/reports", params={"model": model, "limit": 1}).json()
        [brief] = listed["reports"]
        assert (brief["severity"], brief["kinds"]["prediction"]) == ("HIGH", "HIGH")
        assert "rows" not in brief
        older = http.get("/api/v1/drift/reports", params={"model": model, "after": listed["next"]}).json()["reports"]
        assert older[-1]["severity"] == "NONE"  # the first window alone is no alarm
        whole = http.get(f"/api/v1/drift/reports/{brief['id']}").json()
        assert len(whole["rows"]) == whole["compared"]
        assert whole["reference"]["until"] < whole["current"]["from"]
        grave = http.get("/api/v1/drift/reports", params={"severity": "HIGH", "model": model}).json()["reports"]
        assert grave[0]["id"] == brief["id"]
        assert {one["severity"] for one in grave} == {"HIGH"}
    with running.client("admin") as http:
        alerts = http.get("/api/v1/admin/alerts", params={"name": "drift", "state": "active"}).json()["alerts"]
        assert model in [alert["subject"] for alert in alerts]
        assert 'rpsd_drift_severity{kind="prediction"} 3.0' in http.get("/metrics").text


def test_all_models_and_several(running: Running, model: str) -> None:
    for body, most in ((b"", 1000), (json.dumps({"models": [model, model]}).encode(), 1)):
        with running.client("train") as http:
            answer = http.post("/api/v1/drift/scan", content=body, headers={"content-type": "application/json"})
        with running.client("read") as http:
            assert 1 <= ended(running, http, answer)["result"]["models"] <= most


def test_what_cannot_be_asked(running: Running, model: str) -> None:
    with running.client("train") as http:
        unknown = http.post("/api/v1/drift/scan", json={"models": [model, "regime:NONE:1d:3_state"]})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "no_model")
        assert unknown.json()["errors"][0]["pointer"] == "/models/1"
        for body in ({"models": []}, {"models": [""]}, {"model": model}, {"models": "all"}, {"models": ["x"] * 1001}):
            assert http.post("/api/v1/drift/scan", json=body).status_code == 422
    with running.client("read") as http:
        assert http.post("/api/v1/drift/scan").status_code == 403
        for place in ("x", "0", "9" * 30):
            assert http.get(f"/api/v1/drift/reports/{place}").status_code == 404
        for params in ({"severity": "high"}, {"after": "x"}, {"limit": "0"}, {"models": "x"}):
            assert http.get("/api/v1/drift/reports", params=params).status_code == 422
