"""A worker that dies or hangs during a retrain: the run ends as failed, and the API does not notice."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.fault.conftest import Record
from tests.fault.victim import Victim, victim

pytestmark = pytest.mark.fault

DAY_SECONDS = 86_400
MODEL = "regime:TEST:1d:3_state"


def with_prices(server: Victim) -> None:
    """600 closed daily bars of a market with three moods."""
    rng = np.random.default_rng(3)
    moods = np.repeat(rng.permuted([0, 1, 2] * 10), 20)
    prices = 100.0 * np.exp(np.cumsum(rng.normal(np.array([-0.002, 0.0, 0.001])[moods], np.array([0.02, 0.008, 0.004])[moods])))
    last = int(time.time()) // DAY_SECONDS - 2
    times = [(last - 599 + i) * DAY_SECONDS * 10**9 for i in range(600)]
    server.json("POST", "/api/v1/series/TEST/1d/samples", {"t": times, "close": prices.tolist()})


def worker_of(server: Victim) -> psutil.Process:
    """The server's worker, once it has loaded the numerics and waits."""
    assert server.process is not None
    until = time.monotonic() + 60
    while True:
        for child in psutil.Process(server.process.pid).children():
            if child.memory_info().rss > 70 << 20 and child.cpu_percent(0.3) == 0.0:
                return child
        assert time.monotonic() < until, "no worker is ready"
        time.sleep(0.05)


def run_of(server: Victim, job: int, *wanted: str) -> dict[str, Any]:
    """The run once it is in one of the states."""
    until = time.monotonic() + 60
    while (run := server.json("GET", f"/api/v1/jobs/{job}"))["state"] not in wanted:
        assert time.monotonic() < until, run
        time.sleep(0.02)
    return dict(run)


@contextmanager
def probing(server: Victim) -> Iterator[list[float]]:
    """Ask health, rows and a denoising over and over; the seconds that each answer took. Any other status fails the test."""
    seconds: list[float] = []
    statuses: set[int] = set()
    done = threading.Event()

    def ask() -> None:
        link = server.connection()
        wave = {"values": np.sin(np.arange(256.0) / 9).tolist()}
        asked = (("GET", "/health", None), ("GET", "/api/v1/series/TEST/1d/samples", None), ("POST", "/api/v1/denoise", wave))
        while not done.is_set():
            for method, path, body in asked:
                begin = time.perf_counter()
                statuses.add(server.ask(method, path, body, on=link)[0])
                seconds.append(time.perf_counter() - begin)
        link.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seconds
    finally:
        done.set()
        thread.join(60)
    assert statuses == {200}


def test_a_killed_worker_fails_the_run_and_nothing_else(tmp_path: Path, record: Record) -> None:
    with victim(tmp_path / "server") as server:
        server.start("/health/ready")
        with_prices(server)
        worker = worker_of(server)
        worker.suspend()  # so that the kill meets the fit, however fast the machine is
        with probing(server) as seconds:
            job = server.json("POST", f"/api/v1/models/{MODEL}/retrain")["job"]["id"]
            run_of(server, job, "running")
            time.sleep(0.5)
            os.kill(worker.pid, signal.SIGKILL)
            killed = time.perf_counter()
            run = run_of(server, job, "failed", "succeeded", "interrupted")
            took = time.perf_counter() - killed
        assert (run["state"], run["error_code"]) == ("failed", "worker_failed")
        assert "SIGKILL" in run["message"]
        record(
            "worker killed in a retrain", f"failed after {took:.2f} s; {len(seconds)} other requests, all 200, slowest {max(seconds):.3f} s"
        )
        again = server.json("POST", f"/api/v1/models/{MODEL}/retrain")["job"]["id"]  # in a fresh worker
        assert run_of(server, again, "failed", "succeeded")["state"] == "succeeded"


def test_a_hung_worker_is_killed_at_the_deadline(tmp_path: Path, record: Record) -> None:
    """The real deadline of a fit is a quarter of an hour; this server's is three seconds, and nothing else differs."""
    with victim(tmp_path / "server", ("tests.fault.broken_server", "impatient", "serve")) as server:
        server.start("/health/ready")
        with_prices(server)
        worker = worker_of(server)
        worker.suspend()
        with probing(server) as seconds:
            job = server.json("POST", f"/api/v1/models/{MODEL}/retrain")["job"]["id"]
            run = run_of(server, job, "failed", "succeeded", "interrupted")
        assert (run["state"], run["error_code"]) == ("failed", "deadline_exceeded")
        record("worker hung in a retrain", f"failed at its deadline; {len(seconds)} other requests, all 200, slowest {max(seconds):.3f} s")
        again = server.json("POST", f"/api/v1/models/{MODEL}/retrain")["job"]["id"]
        assert run_of(server, again, "failed", "succeeded")["state"] == "succeeded"
        assert not worker.is_running()
