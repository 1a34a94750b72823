"""Every operation that speaks JSON speaks MessagePack, too, and says the same in both."""

import json
from typing import Any

import httpx
import msgspec
import pytest

from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from rpsd.web.probe import PROBES

Running = Any
MSGPACK = {"content-type": "application/msgpack", "accept": "application/msgpack"}
CHANGING = {"timestamp", "uptime_seconds", "processing_time", "system", "denoiser", "services", "next_jobs"}


@pytest.fixture(scope="module")
def stored(running: Running) -> None:
    with running.client() as http:
        days = [f"2024-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(100)]
        http.post("/api/v1/series/FORM/1d/samples", json={"t": days, "close": [100 + n % 7 for n in range(100)]})


def same(found: Any) -> Any:
    return {name: item for name, item in found.items() if name not in CHANGING} if isinstance(found, dict) else found


def test_every_answer_comes_as_msgpack(running: Running, http: httpx.Client, stored: None) -> None:
    seen = 0
    for path, method, operation in declared(build_inner(running.services)):
        if operation is None or method != "GET" or operation.writes.get("application/json") is None or path in PROBES:
            continue
        url = path.format(symbol="FORM", interval="1d", name="none", job="1", key="none", chapter="none")
        plain, packed = http.get(url), http.get(url, headers={"accept": "application/msgpack"})
        assert packed.status_code == plain.status_code, url
        if "problem" not in plain.headers["content-type"]:
            seen += 1
            assert packed.headers["content-type"] == "application/msgpack", url
            assert same(msgspec.msgpack.decode(packed.content)) == same(plain.json()), url
        else:
            assert packed.headers["content-type"] == "application/problem+json", url
    assert seen >= 10


def test_every_body_is_read_as_msgpack(running: Running, http: httpx.Client, stored: None) -> None:
    """What is damaged is refused as such: nobody answers 415 to the type, or takes the bytes for JSON."""
    for path, method, operation in declared(build_inner(running.services)):
        if operation is None or method not in ("POST", "PUT") or operation.reads.get("application/json") is None:
            continue
        url = path.format(symbol="FORM", interval="1d", name="none", job="upkeep", key="none", chapter="none")
        answer = http.request(method, url, content=b"\xc1", headers=MSGPACK)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), (url, answer.text)
        assert "MessagePack" in answer.json()["detail"], url


def test_denoise_both_ways(http: httpx.Client) -> None:
    body = {"values": [float(n % 5) for n in range(64)], "t": list(range(0, 64 * 10**9, 10**9)), "method": "ema", "params": {}}
    plain = http.post("/api/v1/denoise", json=body).json()
    packed = http.post("/api/v1/denoise", content=msgspec.msgpack.encode(body), headers=MSGPACK)
    assert same(msgspec.msgpack.decode(packed.content)) == same(plain)
    assert len(packed.content) < len(json.dumps(plain))
    mixed = http.post("/api/v1/denoise", content=msgspec.msgpack.encode(body), headers={**MSGPACK, "accept": "application/json"})
    assert mixed.json()["values"] == plain["values"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (msgspec.msgpack.encode({"values": [1.0, float("nan")]}), "not_finite"),
        (msgspec.msgpack.encode({"values": [1.0], "valuse": 1}), "invalid_request"),
        (b"\x82\xa6values\x91\x01\xa6values\x91\x02", "invalid_request"),
        (b"\x81\xa6values\xdd\x7f\xff\xff\xff\x01", "malformed_body"),
        (b"\x81\xa6values\x91\xd6\xff\x00\x00\x00\x00", "invalid_request"),
    ],
)
def test_hostile_msgpack(http: httpx.Client, body: bytes, code: str) -> None:
    answer = http.post("/api/v1/denoise", content=body, headers=MSGPACK)
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == code
