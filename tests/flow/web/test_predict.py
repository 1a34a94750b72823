"""Forecasts of order books through the front door: of posted snapshots, of live books, and never of a book in no state to speak."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.flow.web.book_model import serve
from tests.flow.web.conftest import Running

PATH = "/api/v1/predict"
MODEL = "book:PR.A:next_mid_move"
SECOND_NS = 1_000_000_000


def book(bid_size: float, ask_size: float, t: int = 1_700_000_000 * SECOND_NS, mid: int = 1000, **more: Any) -> dict[str, Any]:
    """Three levels a side around mid ticks of 0.1; the best bid at mid - 1, the best ask at mid + 1."""
    bids = [[round((mid - 1 - k) / 10, 1), bid_size + k] for k in range(3)]
    asks = [[round((mid + 1 + k) / 10, 1), ask_size + k] for k in range(3)]
    return {"timestamp": t, "bids": bids, "asks": asks, **more}


def feed(http: httpx.Client, symbol: str, *books: dict[str, Any], kind: str = "snapshots") -> None:
    answer = http.post(f"/api/v1/books/{symbol}/{kind}", json=list(books), params={"tick": "0.1"} if kind == "snapshots" else {})
    assert answer.status_code == 200, answer.text


def live(http: httpx.Client, symbol: str, **params: str) -> dict[str, Any]:
    answer = http.get(PATH, params={"symbol": symbol, **params})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def steady(told: dict[str, Any]) -> dict[str, Any]:
    """The answer without what belongs to one request alone."""
    return {name: value for name, value in told.items() if name not in ("latency_ms", "cache_hit", "age_seconds")}


@pytest.fixture(scope="module")
def http(running: Running) -> Iterator[httpx.Client]:
    serve(running.services, MODEL)
    with running.client() as client:
        yield client


@pytest.mark.parametrize("path", [PATH, "/predict"])
def test_posted_snapshots(http: httpx.Client, path: str) -> None:
    body = {"symbol": "pr.a", "snapshots": [book(8, 2, exchange="x", symbol="PR.A")]}
    told = http.post(path, json=body).json()
    assert (told["symbol"], told["prediction"], told["horizon"]) == ("PR.A", "up", "next_mid_move")
    assert (told["model_name"], told["model_version"], told["calibrated"]) == (MODEL, 1, True)
    assert told["timestamp"] == "2023-11-14T22:13:20Z"
    assert told["confidence"] == told["probabilities"]["up"]
    assert sum(told["probabilities"].values()) == pytest.approx(1.0, abs=1e-15)
    assert [warning["code"] for warning in told["warnings"]] == ["short_history"]
    assert "features" not in told


def test_a_mirrored_book_has_mirrored_probabilities_exactly(http: httpx.Client) -> None:
    here, there = (
        http.post(PATH, json={"symbol": "PR.A", "snapshots": [book(*sizes)]}).json()["probabilities"] for sizes in ((7.3, 1.1), (1.1, 7.3))
    )
    assert (here["up"], here["down"]) == (there["down"], there["up"])


def test_the_cache_knows_all_of_the_question(http: httpx.Client) -> None:
    body: dict[str, Any] = {"symbol": "PR.A", "snapshots": [book(5, 4), book(5, 3, t=1_700_000_011 * SECOND_NS)]}
    first, again = http.post(PATH, json=body).json(), http.post(PATH, json=body).json()
    assert (first["cache_hit"], again["cache_hit"]) == (False, True)
    assert steady(first) == steady(again)
    assert "warnings" not in first  # the flow of ten seconds is there
    body["include_features"] = True
    featured = http.post(PATH, json=body).json()
    assert not featured["cache_hit"]
    assert len(featured["features"]) == 27
    assert featured["features"]["qi1"] == 0.25
    body["snapshots"][0]["bids"][2][1] = 70  # a level deep in a book before the last
    other = http.post(PATH, json=body).json()
    assert not other["cache_hit"]
    packed = msgspec.msgpack.encode(body)
    header = {"content-type": "application/msgpack", "accept": "application/msgpack"}
    answers = [msgspec.msgpack.decode(http.post(PATH, content=packed, headers=header).content) for _ in range(2)]
    assert [answer["cache_hit"] for answer in answers] == [False, True]
    assert steady(answers[0]) == steady(other)


def test_a_live_book_and_the_snapshots_that_fed_it(http: httpx.Client, running: Running) -> None:
    serve(running.services, "book:PR.LIVE:next_mid_move")
    now = time.time_ns()
    books = [book(5 + k, 3, now - (20 - k) * SECOND_NS // 10, mid=1000 + k // 7) for k in range(20)]
    feed(http, "PR.LIVE", *books)
    told = live(http, "pr.live", include_features="true")
    assert 0 < told["age_seconds"] < 4
    assert not told["cache_hit"]
    again = live(http, "PR.LIVE", include_features="true")
    assert again["cache_hit"]
    assert steady(told) == steady(again) == steady(http.post("/predict", json={"symbol": "PR.LIVE", "include_features": True}).json())
    posted = http.post(PATH, json={"symbol": "PR.LIVE", "snapshots": books, "include_features": True}).json()
    assert posted["features"] == told["features"]
    assert posted["probabilities"] == told["probabilities"]
    feed(http, "PR.LIVE", book(1, 9, time.time_ns(), mid=1002))
    moved = live(http, "PR.LIVE", include_features="true")
    assert (moved["cache_hit"], moved["prediction"]) == (False, "down")


def test_a_book_that_was_deleted_answers_no_more(http: httpx.Client, running: Running) -> None:
    serve(running.services, "book:PR.TWICE:next_mid_move")
    feed(http, "PR.TWICE", book(9, 1, time.time_ns()))
    assert live(http, "PR.TWICE")["prediction"] == "up"
    assert http.delete("/api/v1/books/PR.TWICE").status_code == 200
    assert http.get(PATH, params={"symbol": "PR.TWICE"}).json()["code"] == "unknown_book"
    feed(http, "PR.TWICE", book(1, 9, time.time_ns()))
    told = live(http, "PR.TWICE")
    assert (told["cache_hit"], told["prediction"]) == (False, "down")


def test_a_stale_book_says_so(http: httpx.Client, running: Running) -> None:
    serve(running.services, "book:PR.OLD:next_mid_move")
    feed(http, "PR.OLD", book(5, 3, time.time_ns() - 60 * SECOND_NS))
    answer = http.get(PATH, params={"symbol": "PR.OLD"})
    assert (answer.status_code, answer.json()["code"]) == (409, "book_not_valid")
    assert answer.json()["errors"] == [{"pointer": "/state", "reason": "stale"}]
    assert "books.staleness is 5 s" in answer.json()["detail"]
    feed(http, "PR.OLD", book(5, 3, time.time_ns()))
    assert live(http, "PR.OLD")["prediction"] == "up"


def test_a_live_answer_at_hand_is_not_given_once_the_book_is_stale(http: httpx.Client, running: Running) -> None:
    serve(running.services, "book:PR.LATE:next_mid_move")
    feed(http, "PR.LATE", book(5, 3, time.time_ns() - 4 * SECOND_NS - SECOND_NS // 4))
    assert live(http, "PR.LATE")["prediction"] == "up"
    time.sleep(0.9)
    answer = http.get(PATH, params={"symbol": "PR.LATE"})
    assert (answer.status_code, answer.json()["code"]) == (409, "book_not_valid")


def test_a_gap_and_a_one_sided_book_say_so(http: httpx.Client, running: Running) -> None:
    for symbol in ("PR.GAP", "PR.SIDE"):
        serve(running.services, f"book:{symbol}:next_mid_move")
    now = time.time_ns()
    feed(http, "PR.GAP", book(5, 3, now, sequence=10) | {"is_snapshot": True}, kind="updates")
    update = {"timestamp": now, "U": 11, "u": 12, "bids": [[99.9, 6]], "asks": []}
    feed(http, "PR.GAP", update, kind="updates")
    assert http.post("/api/v1/books/PR.GAP/updates", json=[update | {"U": 20, "u": 21}]).json()["code"] == "book_gap"
    feed(http, "PR.SIDE", book(5, 3, now) | {"asks": []})
    for symbol, state in (("PR.GAP", "gap"), ("PR.SIDE", "syncing")):
        answer = http.get(PATH, params={"symbol": symbol}).json()
        assert (answer["code"], answer["errors"]) == ("book_not_valid", [{"pointer": "/state", "reason": state}])
    answer = http.post(PATH, json={"symbol": "PR.A", "snapshots": [book(5, 3) | {"bids": []}]}).json()
    assert (answer["code"], answer["errors"][0]["reason"]) == ("book_not_valid", "syncing")


def test_promotion_and_rollback_take_effect_at_once(http: httpx.Client, running: Running) -> None:
    name = "book:PR.PROMOTE:next_mid_move"
    body = {"symbol": "PR.PROMOTE", "snapshots": [book(8, 2)]}
    refused = http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (404, "no_model")
    assert f"POST /api/v1/models/{name}/retrain" in refused.json()["hint"]
    serve(running.services, name, promoted=False)
    refused = http.post(PATH, json=body)
    assert "kept back" in refused.json()["detail"]
    assert f"`rpsd models show {name}`" in refused.json()["hint"]
    assert http.post(f"/api/v1/models/{name}/promote", json={"version": 1, "reason": "try"}).json()["code"] == "gate_refused"
    serve(running.services, name)
    assert http.post(PATH, json=body).json()["model_version"] == 2
    serve(running.services, name, weight=-2.0)
    after = http.post(PATH, json=body).json()
    assert (after["model_version"], after["prediction"], after["cache_hit"]) == (3, "down", False)
    assert http.post(f"/api/v1/models/{name}/rollback", json={"reason": "worse"}).status_code == 200
    assert http.post(PATH, json=body).json()["model_version"] == 2


def test_a_pooled_model_stands_in(http: httpx.Client, running: Running) -> None:
    label = "horizon_77_events"
    serve(running.services, f"book:POOLED:{label}", tick=None)
    body = {"symbol": "PR.NEW", "snapshots": [book(8, 2)], "model_name": f"book:POOLED:{label}", "tick": 0.1}
    told = http.post(PATH, json=body).json()
    assert (told["symbol"], told["model_name"], told["prediction"]) == ("PR.NEW", f"book:POOLED:{label}", "up")
    del body["tick"]
    assert http.post(PATH, json=body).json()["errors"][0]["pointer"] == "/tick"
    feed(http, "PR.NEW", book(2, 8, time.time_ns()))
    assert live(http, "PR.NEW", model_name=f"book:POOLED:{label}")["prediction"] == "down"
    named = http.get(PATH, params={"symbol": "PR.NEW", "model_name": f"book:PR.NEW:{label}"})
    assert named.json()["code"] == "no_model"  # whoever names a model gets that one or none


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"snapshots": [book(5, 3)]}, 422, "invalid_request", "/symbol"),
        ({"symbol": "PR.A", "snapshots": []}, 422, "invalid_request", "/snapshots"),
        ({"symbol": "PR.A", "snapshots": [book(5, 3, symbol="PR.B")]}, 422, "invalid_request", "/snapshots/0/symbol"),
        ({"symbol": "PR.B", "model_name": MODEL, "snapshots": [book(5, 3)]}, 422, "invalid_request", "/model_name"),
        ({"symbol": "PR.A", "model_name": "book:PR.A:tomorrow"}, 404, "unknown_model", None),
        ({"symbol": "PR.A", "snapshots": [book(5, 3), book(5, 3) | {"asks": [[90.0, 1]]}]}, 422, "bad_book", "/snapshots/1"),
        ({"symbol": "PR.A", "snapshots": [book(5, 3) | {"bids": [[99.85, 1]]}]}, 422, "bad_book", "/snapshots/0"),
        ({"symbol": "PR.A", "snapshots": [book(5, -3)]}, 422, "bad_book", "/snapshots/0"),
        ({"symbol": "PR.A", "snapshots": [book(5, 3, t=9)] * 2}, 422, "bad_time", "/snapshots/0/timestamp"),
        (
            {"symbol": "PR.A", "snapshots": [book(5, 3) | {"bids": [[99.9 - k / 10, 1] for k in range(51)]}]},
            422,
            "bad_book",
            "/snapshots/0/bids",
        ),
        ({"symbol": "PR.UNFED"}, 404, "unknown_book", None),
        ({"symbol": "-"}, 422, "bad_symbol", "/symbol"),
    ],
)
def test_refusals(http: httpx.Client, body: dict[str, Any], status: int, code: str, pointer: str | None) -> None:
    answer = http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer


def test_a_long_body_is_answered_as_a_short_one(http: httpx.Client) -> None:
    books = [book(5 + k % 3, 3, t=(1_700_000_000 + k) * SECOND_NS) for k in range(1000)]
    long = http.post(PATH, json={"symbol": "PR.A", "snapshots": books, "include_features": True}).json()
    short = http.post(PATH, json={"symbol": "PR.A", "snapshots": books[-1:], "include_features": True}).json()
    assert long["features"]["qi1"] == short["features"]["qi1"]
    assert long["features"]["ofi_s"] != 0.0 == short["features"]["ofi_s"]


def test_scope(running: Running, http: httpx.Client) -> None:
    body = {"symbol": "PR.A", "snapshots": [book(5, 3)]}
    with running.client("predict") as allowed, running.client("read") as other, running.client(None) as nobody:
        assert allowed.post(PATH, json=body).status_code == 200
        assert [client.post(PATH, json=body).status_code for client in (other, nobody)] == [403, 401]
        assert other.get(PATH, params={"symbol": "PR.A"}).status_code == 403


def test_predictions_are_counted(running: Running, http: httpx.Client) -> None:
    counter = running.services.metrics.model_predictions_total.labels("book", "next_mid_move")
    before = counter._value.get()
    http.post(PATH, json={"symbol": "PR.A", "snapshots": [book(5, 3)]})
    assert counter._value.get() == before + 1


def test_a_refused_post_with_a_gap_and_its_snapshot_leaves_the_gap(http: httpx.Client, running: Running) -> None:
    """Nothing of it was stored, so that nothing in it can have healed the book."""
    serve(running.services, "book:PR.HEAL:next_mid_move")
    now = time.time_ns()
    feed(http, "PR.HEAL", book(5, 3, now, sequence=10) | {"is_snapshot": True}, kind="updates")
    assert live(http, "PR.HEAL")["prediction"] == "up"
    missing = {"timestamp": now + 1, "U": 20, "u": 21, "bids": [[99.9, 1]]}
    healing = book(1, 9, now + 2, sequence=30) | {"is_snapshot": True}
    after = {"timestamp": now + 3, "U": 31, "u": 31, "bids": [[99.9, 2]]}
    refused = http.post("/api/v1/books/PR.HEAL/updates", json=[missing, healing, after])
    assert (refused.status_code, refused.json()["code"]) == (409, "book_gap")
    answer = http.get(PATH, params={"symbol": "PR.HEAL"})
    assert (answer.status_code, answer.json()["errors"]) == (409, [{"pointer": "/state", "reason": "gap"}])
    assert http.post("/api/v1/books/PR.HEAL/updates", json=[after]).json()["code"] == "book_gap"
    feed(http, "PR.HEAL", healing, kind="updates")
    feed(http, "PR.HEAL", after, kind="updates")
    assert live(http, "PR.HEAL")["prediction"] == "down"
