"""Every operation that speaks JSON speaks MessagePack, too, and says the same in both."""

import json
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpsd.services.intake.csv_text import csv_text
from rpsd.services.intake.ndjson_text import ndjson_text
from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from rpsd.web.probe import PROBES
from tests.flow.web.conftest import NOWHERE

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
        url = path.format(**NOWHERE | {"symbol": "FORM", "job": "1"})
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
        url = path.format(**NOWHERE | {"symbol": "FORM", "job": "upkeep"})
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


def plain_table(t: Any, columns: dict[str, Any]) -> dict[str, Any]:
    """The table as a JSON or MessagePack body holds it."""
    return {"t": t.tolist(), **{name: [None if np.isnan(v) else v for v in values.tolist()] for name, values in columns.items()}}


WRITERS: dict[str, Any] = {
    "application/json": lambda t, columns: msgspec.json.encode(plain_table(t, columns)),
    "application/msgpack": lambda t, columns: msgspec.msgpack.encode(plain_table(t, columns)),
    "text/csv": lambda t, columns: "".join(csv_text(t, columns, ns=True)).encode(),
    "application/x-ndjson": lambda t, columns: "".join(ndjson_text(t, columns)).encode(),
}
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(FLOATS, st.none() | FLOATS), min_size=1, max_size=30), ns=st.booleans())
def test_every_format_in_and_out_gives_the_same_bits(http: httpx.Client, rows: list[tuple[float, float | None]], ns: bool) -> None:
    """Posted in any format and read in any, as ISO times or as nanoseconds, the bytes that come out are those of the first."""
    t = np.arange(len(rows), dtype=np.int64) * 60_000_000_000 + 1_700_000_040_000_000_000
    columns = {"close": np.array([row[0] for row in rows]), "volume": np.array([np.nan if row[1] is None else row[1] for row in rows])}
    path, how = "/api/v1/series/BITS/1m/samples", f"?time={'ns' if ns else 'iso'}&columns=close,volume"
    http.delete("/api/v1/series/BITS/1m")
    first: dict[str, bytes] = {}
    for kind, write in WRITERS.items():
        stored = http.post(path, content=write(t, columns), headers={"content-type": kind})
        assert stored.status_code == 200, (kind, stored.text)
        assert stored.json()["inserted" if not first else "unchanged"] == len(rows), kind
        for wanted in WRITERS:
            found = http.get(path + how, headers={"accept": wanted})
            assert found.headers["content-type"].startswith(wanted)
            assert first.setdefault(wanted, found.content) == found.content, (kind, wanted)
    packed = msgspec.msgpack.decode(first["application/msgpack"])
    assert np.array(packed["close"]).tobytes() == columns["close"].tobytes()
    assert packed["volume"] == plain_table(t, columns)["volume"]
    again = http.post(path, content=first["application/x-ndjson"], headers={"content-type": "application/x-ndjson"})
    assert again.json()["unchanged"] == len(rows)


def test_ndjson_comes_in_pieces_and_pages(http: httpx.Client) -> None:
    lines = [json.dumps({"t": f"2024-01-{n:02d}", "close": n}).encode() + b"\n" for n in range(1, 29)]
    stored = http.post("/api/v1/series/LINES/1d/samples", content=iter(lines), headers={"content-type": "application/x-ndjson"})
    assert stored.json()["inserted"] == 28
    page = http.get("/api/v1/series/LINES/1d/samples?limit=10", headers={"accept": "application/x-ndjson"})
    assert len(page.text.splitlines()) == 10
    assert json.loads(page.text.splitlines()[0]) == {"t": "2024-01-01T00:00:00Z", "close": 1.0}
    rest = http.get(f"/api/v1/series/LINES/1d/samples?start={page.headers['rpsd-next']}", headers={"accept": "application/x-ndjson"})
    assert len(rest.text.splitlines()) == 18


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/msgpack"])
def test_bad_rows_are_named_or_skipped(http: httpx.Client, kind: str) -> None:
    rows = [{"t": "2024-01-02", "close": 1.0}, {"t": "2024-01-03", "close": "x"}, {"t": "2024-01-04", "close": 3.0}]
    packed = kind == "application/msgpack"
    body = msgspec.msgpack.encode({"rows": rows}) if packed else b"\n".join(map(msgspec.json.encode, rows))
    path, headers = f"/api/v1/series/BAD.{'M' if packed else 'N'}/1d/samples", {"content-type": kind}
    refused = http.post(path, content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_rows")
    assert refused.json()["errors"][0]["pointer"] == ("/rows/1/close" if packed else "/2/close")
    kept = http.post(f"{path}?on_error=skip", content=body, headers=headers).json()
    assert (kept["inserted"], [row["row"] for row in kept["rejected"]]) == (2, [1 if packed else 2])


def test_not_finite_cells_of_msgpack_are_bad_rows(http: httpx.Client) -> None:
    body = msgspec.msgpack.encode({"t": ["2024-01-02", "2024-01-03"], "close": [1.0, float("nan")]})
    path, headers = "/api/v1/series/BAD.F/1d/samples", {"content-type": "application/msgpack"}
    refused = http.post(path, content=body, headers=headers).json()
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("bad_rows", "/close/1")
    assert http.post(f"{path}?on_error=skip", content=body, headers=headers).json()["inserted"] == 1
    twice = b"\x83\xa1t\x91\xaa2024-01-02\xa5close\x91\x01\xa5close\x91\x02"
    assert http.post(path, content=twice, headers=headers).json()["errors"] == [{"pointer": "/close", "reason": "given twice"}]


def test_a_dying_ndjson_upload_stores_nothing(http: httpx.Client) -> None:
    answer = http.post(
        "/api/v1/series/CUT/1d/samples",
        content=b'{"t":"2024-01-02","close":1}\n{"t":"2024-01-',
        headers={"content-type": "application/x-ndjson"},
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/2")
    assert http.get("/api/v1/series/CUT/1d").status_code == 404


def test_small_numbers_do_not_multiply_in_memory(launch: Any) -> None:
    running = launch(SERVER__MAX_BODY_BYTES="1MiB")
    most = 2**20 // 8
    with running.client() as http:
        for body in (
            {"values": [1] * 500_000},
            {"series": [{"values": [1] * 500_000}]},
            {"values": [1] * 500_000, "configurations": [{}, {"method": "ema"}]},
            {"values": [1] * (most + 1), "configurations": [{}, {"method": "ema"}]},
        ):
            path = "/api/v1/denoise" + ("/batch" if "series" in body else "/compare" if "configurations" in body else "")
            for packed in (msgspec.json.encode(body), msgspec.msgpack.encode(body)):
                kind = "json" if packed[:1] == b"{" else "msgpack"
                answer = http.post(path, content=packed, headers={"content-type": f"application/{kind}"})
                assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), (path, kind)
        assert http.post("/api/v1/denoise", json={"values": [1] * most}).status_code == 200
        assert http.post("/api/v1/denoise", json={"values": [1] * (most + 1)}).status_code == 413
