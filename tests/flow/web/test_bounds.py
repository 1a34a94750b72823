"""What a body may be, through the front door; and the same write sent by many at once."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest

from tests.flow.web.conftest import Running

JSON = {"content-type": "application/json"}
DENOISE = "/api/v1/denoise"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("depth", "status"), [(20, 422), (40, 400), (100_000, 400)])
@pytest.mark.parametrize("path", [DENOISE, "/api/v1/series/DEEP/1d/samples", "/api/v1/books/DEEP/snapshots", "/api/v1/experiments"])
def test_json_is_bounded_in_depth_before_its_fields_are_known(http: httpx.Client, path: str, depth: int, status: int) -> None:
    body = b'{"unknown":' + b"[" * depth + b"]" * depth + b"}"
    assert http.post(path, content=body, headers=JSON).status_code == status


@pytest.mark.parametrize("path", [DENOISE, "/api/v1/series/DEEP/1d/samples", "/api/v1/experiments"])
def test_msgpack_is_bounded_in_depth_too(http: httpx.Client, path: str) -> None:
    body = msgspec.msgpack.encode({"unknown": nested(40)})
    assert http.post(path, content=body, headers={"content-type": "application/msgpack"}).status_code == 400
    bottomless = b"\x81\xa7unknown" + b"\x91" * 1_000_000 + b"\x01"
    assert http.post(path, content=bottomless, headers={"content-type": "application/msgpack"}).status_code == 400


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "1e400", "-0.5"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DENOISE, '{"values":[1,2,3],"lag":%s}'),
        ("/api/v1/series/WIDE/1d/samples", '{"t":[%s],"close":[1.0]}'),
        ("/api/v1/books/WIDE/snapshots", '[{"timestamp":%s,"bids":[[1,1]],"asks":[[2,1]]}]'),
        ("/api/v1/detect-regimes", '{"ticker":"WIDE","start_date":0,"end_date":1,"refit_every":%s}'),
        ("/api/v1/denoise", '{"values":[1,2,3],"unknown":%s}'),
    ],
)
def test_numbers_beyond_64_bits_are_refused_wherever_they_stand(http: httpx.Client, path: str, body: str, number: str) -> None:
    answer = http.post(path, content=(body % number).encode(), headers=JSON)
    assert answer.status_code in {400, 422}, answer.text


@pytest.mark.parametrize(
    "query", ["limit=9223372036854775808", "limit=-1", "limit=1001", "limit=1.5", "limit=", "limit=0", "after=" + "9" * 300]
)
def test_pages_are_bounded(http: httpx.Client, query: str) -> None:
    assert http.get(f"/api/v1/series?{query}").status_code == 422


def test_a_small_body_that_unfolds_beyond_the_bound_is_refused(http: httpx.Client) -> None:
    bomb = gzip.compress(b'{"values":[' + b" " * (33 << 20) + b"1]}")
    answer = http.post(DENOISE, content=bomb, headers=JSON | {"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_the_same_write_sent_by_many_at_once_happens_once(running: Running) -> None:
    body = json.dumps({"name": "sent at once"}).encode()

    def send(_: int) -> httpx.Response:
        with running.client() as client:
            return client.post("/api/v1/experiments", content=body, headers=JSON | {"idempotency-key": "sent-at-once"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert {answer.status_code for answer in answers} == {answers[0].status_code}
    assert answers[0].is_success
    assert len({answer.content for answer in answers}) == 1
