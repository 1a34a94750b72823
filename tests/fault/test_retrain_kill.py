"""The server killed in the middle of a retrain of hundreds of series: what serves is whole, and the next retrain brings the rest."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.store.db import FILE_NAME, verify_database
from tests.fault.conftest import Record
from tests.fault.victim import Victim, victim

pytestmark = pytest.mark.fault

DAY_SECONDS = 86_400
SERIES = 300


def with_prices(server: Victim) -> None:
    """So many series of 400 closed daily bars, each with calm and wild months."""
    last = int(time.time()) // DAY_SECONDS - 2
    times = [(last - 399 + i) * DAY_SECONDS * 10**9 for i in range(400)]
    wild = (np.arange(400) // 60) % 2 == 1
    for number in range(SERIES):
        rng = np.random.default_rng(number)
        steps = np.where(wild, rng.normal(-0.002, 0.025, 400), rng.normal(0.001, 0.006, 400))
        server.json("POST", f"/api/v1/series/S{number}/1d/samples", {"t": times, "close": (100 * np.exp(np.cumsum(steps))).tolist()})


def retrain(server: Victim) -> int:
    return int(server.json("POST", "/api/v1/jobs/retrain/run")["job"]["id"])


def run_until(server: Victim, job: int, share: float) -> dict[str, Any]:
    """The run when it has come so far or has ended."""
    until = time.monotonic() + 120
    while (run := server.json("GET", f"/api/v1/jobs/{job}"))["state"] in ("queued", "running") and run["progress"] < share:
        assert time.monotonic() < until, run
        time.sleep(0.01)
    return dict(run)


def serving(server: Victim) -> dict[str, int]:
    """The version of each symbol that has a current regime."""
    asked = {"symbols": [f"S{number}" for number in range(SERIES)]}
    results = server.json("POST", "/api/v1/regimes/current", asked)["results"]
    codes = {one["error"]["code"] for one in results if "error" in one}
    assert codes <= {"no_model"}, codes
    return {one["symbol"]: one["model_version"] for one in results if "current" in one}


def test_a_kill_in_the_middle_of_a_retrain_leaves_whole_models(tmp_path: Path, record: Record) -> None:
    with victim(tmp_path / "server") as server:
        server.start("/health/ready")
        with_prices(server)
        job = retrain(server)
        told = run_until(server, job, 0.3)
        server.kill()
        verify_database(server.data / FILE_NAME)
        server.start("/health/ready")
        run = server.json("GET", f"/api/v1/jobs/{job}")
        assert (run["state"], run["error_code"]) == ("interrupted", "unavailable")
        models = server.json("GET", "/health/detailed")["services"]["models"]
        assert (models["code"], models["last_retrain"]["state"]) == ("retrain_failed", "interrupted")
        before = serving(server)
        assert 0 < len(before) < SERIES
        assert models["loaded_models"] == len(before)
        done = run_until(server, retrain(server), 2.0)
        assert (done["state"], done["result"]["trained"], done["result"]["failed"]) == ("succeeded", SERIES, [])
        after = serving(server)
        assert all(after[symbol] == version for symbol, version in before.items())  # nothing had changed for them
        assert server.json("GET", "/health/detailed")["services"]["models"]["status"] == "healthy"
        record(
            f"server killed in a retrain of {SERIES} series",
            f"at {told['progress']:.0%}; {len(before)} models served afterwards, all whole, and {len(after)} after the next retrain",
        )
