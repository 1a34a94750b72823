"""A release on probation: reads are answered, writes wait, and nothing is acknowledged before it is accepted."""

import threading
import time
from typing import Any

import httpx
import pytest

from rpsd.services import probation as rule
from rpsd.services.probation import Probation, probation_file
from rpsd.web import held

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


def test_accepting_twice_is_harmless(http: httpx.Client) -> None:
    assert http.post(ACCEPT).json() == {"accepted": False}


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
