"""POST /api/v1/denoise/batch over real HTTP, friendly and hostile."""

import socket
import time
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

Running = Any
PATH = "/api/v1/denoise/batch"
FAST = {"method": "wavelet", "params": {"use_fir_filter": False}, "guardrails": {"policy": "none"}}


def noisy(n: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return (100 + np.cumsum(rng.normal(size=n)) * 0.01 + 0.02 * rng.normal(size=n)).tolist()


def test_results_in_order_with_ids_times_and_own_options(http: httpx.Client) -> None:
    t = [f"2025-01-01T00:{minute:02}:00Z" for minute in range(40)]
    series = [
        {"id": "a", "values": noisy(300, 1)},
        {"id": 7, "values": noisy(40, 2), "t": t, "method": "ema", "causality": "causal", "params": {"span": 3}},
        {"values": noisy(10, 3)},
        *({"values": noisy(300, seed)} for seed in range(10)),
    ]
    answer = http.post(PATH, json={"series": series, **FAST})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["n"], found["failed"], len(found["results"])) == (13, 0, 13)
    first, second, third = found["results"][:3]
    assert (first["id"], first["method"], second["id"], second["method"], second["causal"]) == ("a", "wavelet", 7, "ema", True)
    assert second["params"]["span"] == 3.0
    assert (third["id"], third["action"], third["n"]) == (None, "returned_original", 10)
    for given, result in zip(series, found["results"], strict=True):
        single = http.post("/api/v1/denoise", json={**FAST, **{name: value for name, value in given.items() if name != "id"}}).json()
        assert {name: value for name, value in result.items() if name != "id"} == {
            name: value for name, value in single.items() if name != "processing_time"
        }


def test_each_bad_series_tells_its_own_fault(http: httpx.Client) -> None:
    good = noisy(64, 1)
    series: list[Any] = [
        {"id": "x", "values": good},
        {"id": "x", "values": good},
        {"id": "missing", "values": [1.0, None, *good]},
        {"id": "unknown", "values": good, "method": "magic"},
        {"id": "field", "values": good, "colour": "red"},
        {"id": "text", "values": ["1", *good]},
        {"id": "empty", "values": []},
        {"id": "none"},
        "nothing",
        {"id": "huge", "values": [1e200, *good]},
        {"id": "times", "values": good, "t": [1, 2]},
        {"id": "parameter", "values": good, "method": "ema", "params": {"span": -1}},
        {"id": ["odd"], "values": good},
        {"id": True, "values": good},
        {"id": 1, "values": good},
        {"id": 2**70, "values": good},
        {"id": "last", "values": good},
    ]
    found = http.post(PATH, json={"series": series, "guardrails": {"policy": "none"}}).json()
    codes = {(place, one["id"]): one["error"]["code"] for place, one in enumerate(found["results"]) if "error" in one}
    assert found["failed"] == len(codes) == 14
    assert (
        codes[1, "x"]
        == codes[4, "field"]
        == codes[6, "empty"]
        == codes[8, None]
        == codes[12, None]
        == codes[13, None]
        == codes[15, None]
        == "invalid_request"
    )
    assert (codes[2, "missing"], codes[3, "unknown"], codes[11, "parameter"]) == ("not_finite", "unknown_method", "bad_parameter")
    assert found["results"][2]["error"]["errors"][0] == {"pointer": "/series/2/values/1", "reason": "missing (NaN)"}
    assert found["results"][11]["error"]["errors"][0]["pointer"] == "/series/11/params/span"
    assert all(set(one["error"]) == {"code", "detail", "hint", "errors"} for one in found["results"] if "error" in one)
    assert "values" in found["results"][14]
    assert "values" in found["results"][16]


def test_a_bad_shared_option_is_pointed_at_where_it_stands(http: httpx.Client) -> None:
    found = http.post(PATH, json={"series": [{"values": noisy(64, 1)}], "method": "ema", "params": {"span": -1}}).json()
    assert found["results"][0]["error"]["errors"][0]["pointer"] == "/params/span"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"series": []}, "/series"),
        ({}, "/series"),
        ({"series": 3}, "/series"),
        ({"series": [{"values": [1.0]}], "scale": "odd"}, "/scale"),
        ({"series": [{"values": [1.0]}], "colour": 1}, "/colour"),
    ],
)
def test_a_bad_envelope_is_refused(http: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    answer = http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_messagepack_both_ways(http: httpx.Client) -> None:
    body = {"series": [{"id": "a", "values": noisy(300, 1)}, {"values": [1.0, "x"]}], **FAST}
    plain = http.post(PATH, json=body).json()
    kind = "application/msgpack"
    answer = http.post(PATH, content=msgspec.msgpack.encode(body), headers={"content-type": kind, "accept": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert msgspec.msgpack.decode(answer.content)["results"] == plain["results"]


def test_ten_thousand_tiny_series(http: httpx.Client) -> None:
    body = {"series": [{"id": place, "values": [float(place), 1.0, 2.0]} for place in range(10_000)], "method": "wavelet"}
    found = http.post(PATH, json=body).json()
    assert [one["id"] for one in found["results"]] == list(range(10_000))
    assert {one["action"] for one in found["results"]} == {"returned_original"}


def test_too_many_points(launch: Any) -> None:
    running = launch(SERVER__MAX_BODY_BYTES="64KiB")
    with running.client() as http:
        answer = http.post(PATH, json={"series": [{"values": [0] * 5000}] * 2})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "at most 8192" in answer.json()["detail"]


def test_scope(running: Running) -> None:
    with running.client("ingest") as http:
        assert http.post(PATH, json={"series": [{"values": [1.0]}]}).status_code == 403


def test_work_ends_when_the_client_goes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpsd.denoise import run

    calls, single = [], run.denoise

    def slow(*a: Any, **k: Any) -> Any:
        calls.append(1)
        time.sleep(0.02)
        return single(*a, **k)

    monkeypatch.setattr(run, "denoise", slow)
    body = b'{"method": "ema", "series": [' + b",".join([b'{"values": [1, 2, 3]}'] * 1000) + b"]}"
    with socket.create_connection(("127.0.0.1", running.server.port)) as link:
        head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {running.keys['predict']}\r\ncontent-length: {len(body)}\r\n\r\n"
        link.sendall(head.encode() + body)
        while not calls:
            time.sleep(0.01)
    before = -1
    until = time.monotonic() + 10
    while len(calls) != before and time.monotonic() < until:
        before = len(calls)
        time.sleep(0.3)
    assert len(calls) == before < 500
