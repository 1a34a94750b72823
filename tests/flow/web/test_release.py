"""A release on probation: reads are answered, writes wait, and nothing is acknowledged before it is accepted."""

import threading
import time
from typing import Any

import httpx
import pytest

from rpsd.services import probation as rule
from rpsd.services.probation import Probation, probation_file
from rpsd.web import held
from tests.flow.web.conftest import open_appliance, serve

Running = Any
ACCEPT = "/api/v1/admin/release/accept"
SAMPLES = "/api/v1/series/PROBATION/1d/samples"
ROWS = {"t": ["2026-01-02"], "close": [1.0]}


@pytest.fixture
def on_probation(running: Running) -> Probation:
    services = running.services
    file = probation_file(services.settings.storage.data_dir)
    file.touch()
    services.probation = Probation(services.settings.storage.data_dir)
    return services.probation  # type: ignore[no-any-return]


def test_writes_wait_for_the_acceptance_and_reads_do_not(running: Running, http: httpx.Client, on_probation: Probation) -> None:
    answers: list[int] = []
    with running.client("admin") as other:
        writing = threading.Thread(target=lambda: answers.append(other.post(SAMPLES, json=ROWS).status_code))
        writing.start()
        time.sleep(0.3)
        assert (answers, http.get("/api/v1/series").status_code) == ([], 200)
        assert http.get("/api/v1/series/PROBATION/1d").status_code == 404, "nothing was written yet"
        assert running.services.probation.accept()
        writing.join(10)
    assert answers == [200]
    assert not probation_file(running.services.settings.storage.data_dir).exists()


def test_a_write_that_waits_too_long_is_refused(running: Running, http: httpx.Client, on_probation: Probation, monkeypatch: Any) -> None:
    monkeypatch.setattr(held, "WAIT_SECONDS", 0.1)
    refused = http.post(SAMPLES, json=ROWS)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "maintenance", "5")
    on_probation.accept()


def test_a_server_that_stops_refuses_at_once_what_waits(tmp_path: Any, monkeypatch: Any) -> None:
    """A release that is taken back must not hold up the one before it for as long as a write may wait."""
    monkeypatch.setattr(held, "WAIT_SECONDS", 3600.0)
    probation_file(tmp_path).touch()
    services = open_appliance(tmp_path, {"RPSD_SERVER__SHUTDOWN_GRACE": "120s"})
    server, thread = serve(services)
    key = services.access.create("k", ["ingest"], by="test")[1]
    answers: list[httpx.Response] = []

    def write() -> None:
        answers.append(httpx.post(f"http://127.0.0.1:{server.port}{SAMPLES}", json=ROWS, headers={"x-api-key": key}, timeout=60))

    writing = threading.Thread(target=write)
    writing.start()
    time.sleep(0.5)
    assert not answers
    server.stop()
    writing.join(60)
    thread.join(60)
    services.close()
    assert (answers[0].status_code, answers[0].json()["code"], answers[0].headers["connection"]) == (503, "maintenance", "close")
    assert not thread.is_alive()
    assert probation_file(tmp_path).exists(), "nobody has accepted it"


def test_accepting_twice_is_harmless(http: httpx.Client) -> None:
    assert http.post(ACCEPT).json() == {"accepted": False}


def test_what_only_computes_does_not_wait(http: httpx.Client, on_probation: Probation) -> None:
    values = [float(k % 7) for k in range(64)]
    bodies = {
        "/api/v1/denoise": {"values": values},
        "/api/v1/denoise/batch": {"series": [{"values": values}]},
        "/api/v1/denoise/compare": {"values": values, "configurations": [{"method": "ema"}, {"method": "kalman"}]},
    }
    assert set(bodies) == held.COMPUTES
    for path, body in bodies.items():
        assert http.post(path, json=body).status_code == 200, path
    assert on_probation.holds
    on_probation.accept()


def test_nobody_who_may_not_can_accept(running: Running) -> None:
    with running.client("train") as other:
        assert other.post(ACCEPT).status_code == 403


def test_a_release_that_nobody_accepts_accepts_itself(tmp_path: Any) -> None:
    probation_file(tmp_path).touch()
    now = [0.0]
    probation = Probation(tmp_path, clock=lambda: now[0])
    assert probation.holds
    now[0] = rule.LONGEST_SECONDS + 1
    assert not probation.holds
    assert not probation_file(tmp_path).exists()
