"""Live regimes through the front door: a posted bar moves them, and answers come from memory while nothing has changed."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from rpsd.core.market import DAY_NS
from tests.flow.web.conftest import Running

WHICH = {"regime_type": "2_state"}
MONDAY = 1_700_000_000 // 86_400 * DAY_NS


def post(http: httpx.Client, symbol: str, first_ns: int, prices: list[float]) -> None:
    t = [first_ns + day * DAY_NS for day in range(len(prices))]
    assert http.post(f"/api/v1/series/{symbol}/1d/samples", json={"t": t, "close": prices}).status_code == 200


@pytest.fixture(scope="module")
def prices() -> list[float]:
    rng = np.random.default_rng(7)
    wild = (np.arange(400) // 50) % 2 == 1
    return (100 * np.exp(np.cumsum(np.where(wild, rng.normal(-0.002, 0.025, 400), rng.normal(0.001, 0.006, 400))))).tolist()


@pytest.fixture(scope="module")
def http(running: Running, prices: list[float]) -> Iterator[httpx.Client]:
    with running.client() as client:
        post(client, "LR.A", MONDAY - 400 * DAY_NS, prices)
        running.services.regime.train("regime:LR.A:1d:2_state", by="test")
        yield client


def current(http: httpx.Client, symbol: str = "LR.A", **more: Any) -> dict[str, Any]:
    answer = http.get(f"/api/v1/regimes/{symbol}", params=WHICH, **more)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_posted_bar_moves_the_regime(http: httpx.Client) -> None:
    before = current(http)
    assert before == current(http) == current(http, "lr.a")
    post(http, "LR.A", MONDAY, [140.0, 90.0])
    after = current(http)
    assert (before["in_sample"], after["in_sample"]) == (True, False)
    assert after["t"] == f"{np.datetime64(MONDAY + DAY_NS, 'ns').astype('datetime64[s]')}Z"
    assert after["current"]["regime"] == "Bear"  # nothing calm moves like this
    many = http.post("/api/v1/regimes/current", json={"symbols": ["LR.A", "lr.a", "LR.NONE"], **WHICH}).json()["results"]
    assert many[:2] == [after, after]
    assert many[2]["error"]["code"] == "unknown_series"


def test_answers_are_the_same_as_messagepack(http: httpx.Client) -> None:
    packed = http.get("/api/v1/regimes/LR.A", params=WHICH, headers={"accept": "application/msgpack"})
    assert packed.headers["content-type"] == "application/msgpack"
    assert msgspec.msgpack.decode(packed.content) == current(http)
    body = {"symbols": ["LR.A"], **WHICH}
    packed = http.post("/api/v1/regimes/current", json=body, headers={"accept": "application/msgpack"})
    assert msgspec.msgpack.decode(packed.content) == http.post("/api/v1/regimes/current", json=body).json()


def test_history_says_whether_it_was_cached(http: httpx.Client) -> None:
    first, again = (http.get("/api/v1/regimes/LR.A/history", params=WHICH | {"limit": "3"}).json() for _ in range(2))
    assert again["cache"] == "hit"
    assert first["regimes"] == again["regimes"]
    assert len(again["regimes"]) == 3


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/regimes/LR.NONE?regime_type=2_state", 404, "unknown_series"),
        ("/api/v1/regimes/LR.A?regime_type=4_state", 404, "no_model"),
        ("/api/v1/regimes/LR.A?regime_type=9_state", 422, "unknown_regime_type"),
        ("/api/v1/regimes/LR.A?interval=9d", 422, "bad_symbol"),
        ("/api/v1/regimes/-A", 422, "bad_symbol"),
        ("/api/v1/regimes/LR.A/history?regime_type=4_state", 404, "no_model"),
    ],
)
def test_refusals(http: httpx.Client, path: str, status: int, code: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_whoever_may_not_read_is_refused_what_lies_at_hand(http: httpx.Client, running: Running) -> None:
    current(http)
    with running.client("ingest") as other, running.client(None) as nobody:
        assert other.get("/api/v1/regimes/LR.A", params=WHICH).status_code == 403
        assert nobody.get("/api/v1/regimes/LR.A", params=WHICH).status_code == 401
