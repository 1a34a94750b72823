"""POST /api/v1/denoise/search over real HTTP, to the end of its job."""

import time
from typing import Any

import httpx
import numpy as np
import pytest

from rpsd.jobs.runner import Scheduler

PATH = "/api/v1/denoise/search"
Running = Any


def noisy(n: int = 700) -> list[float]:
    rng = np.random.default_rng(2)
    return (100 + 0.3 * np.cumsum(rng.normal(size=n)) + rng.normal(size=n)).tolist()


@pytest.fixture
def scheduled(launch: Any) -> Any:
    """A server whose jobs run."""
    running = launch()
    scheduler = Scheduler(running.services)
    scheduler.start()
    yield running
    scheduler.stop()


def ended(http: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    where, until = answer.headers["location"], time.monotonic() + 60
    while (job := http.get(where).json())["state"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.05)
    return job


def test_a_search_ends_in_a_table(scheduled: Running, prices: tuple[list[int], list[float]]) -> None:
    t, close = prices
    with scheduled.client("ingest") as http:
        http.post("/api/v1/series/SRC/1d/samples", json={"t": t, "close": close})
    with scheduled.client("train") as http, scheduled.client("read") as reader:
        body = {
            "series": {"symbol": "src", "interval": "1d"},
            "method": "ema",
            "grid": {"span": [2, 8, 32]},
            "causality": "causal",
            "folds": 4,
        }
        answer = http.post(PATH, json=body, headers={"idempotency-key": "search-1"})
        again = http.post(PATH, json=body, headers={"idempotency-key": "search-1"})
        job = ended(reader, answer)
        by_hand = ended(reader, http.post(PATH, json={"values": noisy(), "configurations": [{"method": "wavelet"}, {"method": "ema"}]}))
    assert again.json()["job"]["id"] == job["id"]
    assert (job["state"], job["args"]["data"], job["progress"]) == ("succeeded", "SRC 1d close", 1.0)
    table = job["result"]
    assert [row["params"]["span"] for row in table["rows"]] == [2.0, 8.0, 32.0]
    assert [row["rank"] for row in table["rows"]] == [1, 2, 3]  # prices are walks: the less smoothing, the better the forecast
    assert table["folds"][0]["first"].endswith("Z")
    assert by_hand["result"]["criterion"] == "risk"


def test_a_run_by_hand_has_nothing_to_search(scheduled: Running) -> None:
    with scheduled.client("admin") as http:
        job = ended(http, http.post("/api/v1/jobs/search/run"))
    assert (job["state"], job["error_code"]) == ("failed", "invalid_request")


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"grid": {"span": [1.0, "x"]}}, 422, "/grid/span/1"),
        ({"grid": {name: list(range(10)) for name in "abcdef"}}, 422, "/grid"),
        ({"grid": {}}, 422, "/grid"),
        ({"grid": [1]}, 422, "/grid"),
        ({"method": "magic"}, 422, "/method"),
        ({"folds": 1000}, 422, "/folds"),
        ({"seed": -1}, 422, "/seed"),
        ({"values": [1.0] * 20}, 422, None),
        ({"values": None, "series": {"symbol": "NONE", "interval": "1d"}}, 404, None),
        ({"colour": "red"}, 422, "/colour"),
    ],
)
def test_refusals(http: httpx.Client, change: dict[str, Any], status: int, pointer: str | None) -> None:
    before = http.get("/api/v1/jobs", params={"name": "search"}).json()["jobs"]
    answer = http.post(PATH, json={"values": noisy(), "method": "ema", "grid": {"span": [2.0]}, "causality": "causal"} | change)
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert http.get("/api/v1/jobs", params={"name": "search"}).json()["jobs"] == before


def test_scope(running: Running) -> None:
    with running.client("predict") as http:
        assert http.post(PATH, json={"values": noisy(), "method": "ema", "grid": {"span": [2]}}).status_code == 403
