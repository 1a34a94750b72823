"""What is refused: bad input on every write path with code, pointer and hint and nothing stored; scopes; one problem shape everywhere."""

import gzip
import socket
import struct
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Running = Any
SAMPLES = "/api/v1/series/BAD/1d/samples"
JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}
OCTETS = {"content-type": "application/octet-stream"}
DEEP = b"[" * 40 + b"]" * 40

WIDE = ('{"t":["2024-01-01"],' + ",".join(f'"a{n}":[1]' for n in range(1000)) + "}").encode()
RANGE = b'{"ticker":"A","start_date":"2020-01-01","end_date":"2021-01-01","interval":"1w","observations":'
LONG_WEEKS = RANGE + b"[" + b"1," * 20_000 + b"1]}"
BACKWARD = RANGE + b'{"t":["2020-02-02","2020-02-01"],"close":[1,2]}}'

# path, headers, body, status, code, pointers that must be among the named
BAD: list[tuple[str, dict[str, str], bytes, int, str, list[str]]] = [
    (SAMPLES, JSON, b'{"t":["2024-01-01"],"close":[NaN]}', 422, "not_finite", ["/close/0"]),
    (SAMPLES, JSON, b'{"t":["2024-01-01"],"close":[-Infinity]}', 422, "not_finite", ["/close/0"]),
    (SAMPLES, JSON, b'{"t":["2024-01-01"],"close":[1e999]}', 422, "not_finite", ["/close/0"]),
    (SAMPLES, JSON, b'{"t":["2024-01-01"],"close":["text"]}', 422, "bad_rows", ["/close/0"]),
    (SAMPLES, JSON, b'{"t":["2024-01-02","2024-01-01"],"close":[1,2]}', 422, "bad_rows", ["/t/1"]),
    (SAMPLES, JSON, b'{"t":["2024-01-02","2024-01-02"],"close":[1,2]}', 422, "bad_rows", ["/t/1"]),
    (SAMPLES, JSON, b'{"t":["2024-01-02"],"close":[1,2]}', 422, "bad_rows", ["/close"]),
    (SAMPLES, JSON, b'{"t":[9223372036854775808],"close":[1]}', 422, "bad_rows", ["/t/0"]),
    (SAMPLES, JSON, b'{"t":["2024-01-02T10:00:00"],"close":[1]}', 422, "bad_rows", ["/t/0"]),
    (SAMPLES, JSON, b"", 400, "malformed_body", []),
    (SAMPLES, JSON, b'{"t":', 400, "malformed_body", []),
    (SAMPLES, JSON, b'{"t":["\xff"],"close":[1]}', 400, "malformed_body", []),
    (SAMPLES, JSON, b'{"t":["2024-01-01"],"close":' + DEEP + b"}", 400, "malformed_body", []),
    (SAMPLES, {**JSON, "content-encoding": "gzip"}, b"not gzip", 400, "malformed_body", []),
    # mtime: the bytes are in the name of the test, and every worker must give it the same
    (SAMPLES, {**JSON, "content-encoding": "gzip"}, gzip.compress(b'{"t":[]}', mtime=0)[:-4], 400, "malformed_body", []),
    (SAMPLES, {**JSON, "content-encoding": "compress"}, b"{}", 415, "unsupported_media_type", []),
    (SAMPLES, {"content-type": "application/xml"}, b"<a/>", 415, "unsupported_media_type", []),
    (SAMPLES + "?on_eror=skip", JSON, b'{"t":["2024-01-01"],"close":[1]}', 422, "invalid_request", ["/query/on_eror"]),
    (SAMPLES, CSV, b"", 400, "malformed_body", []),
    (SAMPLES, CSV, b"nothing,here\n1,2\n", 422, "bad_csv", []),
    (SAMPLES, CSV, b"date,close\n08/18/2025,1\n", 422, "bad_rows", []),
    (SAMPLES, CSV, b"date,close\n2024-01-01,nan\n", 422, "bad_rows", []),
    ("/api/v1/series/bad%20symbol/1d/samples", JSON, b'{"t":["2024-01-01"],"close":[1]}', 422, "bad_symbol", []),
    ("/api/v1/series/%FF/1d/samples", JSON, b'{"t":["2024-01-01"],"close":[1]}', 422, "bad_symbol", []),
    ("/api/v1/series/BAD/7m/samples", JSON, b'{"t":["2024-01-01"],"close":[1]}', 422, "bad_symbol", []),
    (SAMPLES, JSON, b'{"t":["2024-01-01T00:00:00.\xd9\xa1Z"],"close":[1]}', 422, "bad_rows", ["/t/0"]),
    (SAMPLES, JSON, b'{"rows":{"rows":[{"t":"2024-01-01","close":1}]}}', 422, "invalid_request", ["/rows"]),
    (SAMPLES, JSON, WIDE, 422, "invalid_request", [""]),
    (SAMPLES, JSON, b"[" * 40 + b'"' + b"a" * 5000, 400, "malformed_body", []),
    (SAMPLES + "?tz=Mars/Port", JSON, b'{"t":["2024-01-01"],"close":[1]}', 422, "bad_time", ["/tz"]),
    (SAMPLES + "?date_format=%25d%25d", JSON, b'{"t":["0101"],"close":[1]}', 422, "bad_time", ["/date_format"]),
    (SAMPLES + "?date_format=%25d%25d", CSV, b"date,close\n0101,1\n", 422, "bad_time", ["/date_format"]),
    (SAMPLES + "?date_format=%25H:%25M", CSV, b"date,close\n10:30,1\n", 422, "bad_time", ["/date_format"]),
    (SAMPLES + "?date_format=%25Q", CSV, b"date,close\n10:30,1\n", 422, "bad_time", ["/date_format"]),
    (SAMPLES, CSV, b"date,close\r2024-01-01,1\r", 422, "bad_csv", ["/1"]),
    (SAMPLES, CSV, b"date,close\n2024-01-01,1\r2024-01-02,2\n", 422, "bad_rows", ["/2"]),
    (SAMPLES, CSV, b"date," + b"a" * 200_000 + b"\n2024-01-01,1\n", 422, "bad_csv", ["/1"]),
    ("/api/v1/series/BAD/7m/samples", CSV, b"date,close\n2024-01-01,1\n", 422, "bad_symbol", ["/interval"]),
    ("/api/v1/series/A%2CB/1d/samples", CSV, b"date,close\n2024-01-01,1\n", 422, "bad_symbol", ["/symbol"]),
    (
        "/api/v1/denoise",
        JSON,
        b'{"values":[1,2],"method":"ema","params":{"span":1' + b"0" * 400 + b"}}",
        422,
        "bad_parameter",
        ["/params/span"],
    ),
    (
        "/api/v1/denoise",
        JSON,
        b'{"values":[1,2],"guardrails":{"rmse_threshold":1' + b"0" * 400 + b"}}",
        422,
        "bad_parameter",
        ["/guardrails/rmse_threshold"],
    ),
    ("/api/v1/detect-regimes", JSON, LONG_WEEKS, 422, "invalid_request", ["/observations"]),
    ("/api/v1/detect-regimes", JSON, BACKWARD, 422, "bad_rows", ["/observations/t/1"]),
    ("/api/v1/admin/keys", JSON, b'{"name":"x","scopes":["read"],"limit":9223372036854775808}', 422, "invalid_request", ["/limit"]),
    ("/api/v1/admin/backups", JSON, b'{"x":1}', 422, "invalid_request", [""]),
    ("/api/v1/admin/backups/prune", JSON, b'{"x":1}', 422, "invalid_request", [""]),
    ("/api/v1/admin/snapshots", JSON, b'{"x":1}', 422, "invalid_request", [""]),
    ("/api/v1/denoise", JSON, b'{"values":[1,2],"colour":1}', 422, "invalid_request", ["/colour"]),
    ("/api/v1/denoise", JSON, b'{"values":[1,"2",null,"x"]}', 422, "invalid_request", ["/values/1", "/values/3"]),
    ("/api/v1/denoise", JSON, b'{"values":[]}', 422, "invalid_request", ["/values"]),
    ("/api/v1/denoise", JSON, b'{"values":[1],"t":[1,2]}', 422, "invalid_request", ["/t"]),
    ("/api/v1/denoise", JSON, b'{"values":[1,2],"t":[9223372036854775808,1]}', 422, "invalid_request", ["/t/0"]),
    ("/api/v1/denoise", JSON, b'{"values":[1,2],"unknown":' + DEEP + b"}", 400, "malformed_body", []),
    ("/api/v1/denoise", JSON, b'{"values":[1,2,3,4,5,6,7,8],"method":"magic"}', 422, "unknown_method", []),
    ("/api/v1/denoise", JSON, b'{"values":[1,2],"lag":3}', 422, "invalid_request", ["/lag"]),
    ("/api/v1/denoise", JSON, b'{"values":[1,2],"causality":"lag","lag":0}', 422, "invalid_request", ["/lag"]),
    ("/api/v1/denoise?band=true", OCTETS, struct.pack("<2d", 1.0, 2.0), 422, "invalid_request", ["/band"]),
    ("/api/v1/denoise", OCTETS, b"1234567", 400, "malformed_body", []),
    ("/api/v1/denoise", OCTETS, b"", 400, "malformed_body", []),
    ("/api/v1/denoise", OCTETS, struct.pack("<3d", 1.0, float("inf"), 2.0), 422, "not_finite", []),
    ("/api/v1/denoise?params=%5B%5D", OCTETS, struct.pack("<2d", 1.0, 2.0), 422, "invalid_request", ["/query/params"]),
    ("/api/v1/series/NONE/1d/denoise", JSON, b"{}", 404, "unknown_series", []),
    ("/api/v1/detect-regimes", JSON, b'{"ticker":"NONE","start_date":"2020-01-01","end_date":"2021-01-01"}', 404, "unknown_series", []),
    ("/api/v1/detect-regimes", JSON, b'{"ticker":"A","start_date":"2021-01-01","end_date":"2020-01-01"}', 422, "bad_range", []),
    ("/api/v1/detect-regimes", JSON, b'{"ticker":"A","start_date":"2021-01-01","end_date":"2199-01-01"}', 422, "bad_range", ["/end_date"]),
    ("/api/v1/detect-regimes", JSON, b'{"ticker":"A","start_date":"01/02/2021","end_date":"2022-01-01"}', 422, "bad_time", ["/start_date"]),
    ("/api/v1/detect-regimes", JSON, b'{"ticker":"A","regime_type":"9_state"}', 422, "invalid_request", ["/start_date"]),
    ("/api/v1/regimes/current", JSON, b'{"symbols":[]}', 422, "invalid_request", ["/symbols"]),
    ("/api/v1/models/regime:A:1d:3_state/retrain", JSON, b'{"force":true}', 422, "invalid_request", [""]),
    ("/api/v1/models/regime:A:1d:3_state/promote", JSON, b'{"version":0}', 422, "invalid_request", ["/version"]),
    ("/api/v1/models/regime:A:1d:3_state/promote", JSON, b'{"version":1,"reason":"x"}', 404, "unknown_model", []),
    ("/api/v1/models/regime:A:1d:3_state/rollback", JSON, b"{}", 422, "invalid_request", ["/reason"]),
    ("/api/v1/models/regime:A:1d:3_state/rollback", JSON, b'{"reason":"x","gate":0}', 422, "invalid_request", ["/gate"]),
    ("/api/v1/admin/keys", JSON, b'{"name":"x","scopes":["fly"]}', 422, "invalid_request", ["/scopes/0"]),
]


def is_problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document, complete and of one shape."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert set(document) - {"errors"} == {"type", "title", "status", "detail", "code", "hint", "request_id"}
    assert document["status"] == answer.status_code
    assert document["type"] == f"/manual/errors#{document['code']}"
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["hint"]
    assert "Traceback" not in answer.text
    return document


@pytest.mark.parametrize(("path", "headers", "body", "status", "code", "pointers"), BAD)
def test_bad_input(
    http: httpx.Client, path: str, headers: dict[str, str], body: bytes, status: int, code: str, pointers: list[str]
) -> None:
    document = is_problem(http.post(path, headers=headers, content=body))
    assert (document["status"], document["code"]) == (status, code), document
    assert set(pointers) <= {fault["pointer"] for fault in document.get("errors", [])}, document
    assert http.get("/api/v1/series/BAD/1d").status_code == 404  # nothing was stored


def test_sums_beyond_float64_are_no_silent_null(http: httpx.Client) -> None:
    answer = http.post("/api/v1/denoise", json={"values": [1e308, -1e308, 1.7e308] * 30, "method": "ema"})
    document = is_problem(answer)
    assert (document["status"], document["code"], document["errors"][0]["pointer"]) == (422, "not_finite", "/values/0")


@pytest.mark.parametrize("code", ["headers", "body"])
def test_bodies_above_the_limit(launch: Any, small: Running, code: str) -> None:
    with small.client() as http:
        body = b'{"values":[' + b"1," * 2000 + b"1]}"
        sent: Any = body if code == "headers" else iter([body[:1000], body[1000:]])
        answer = http.post("/api/v1/denoise", headers=JSON, content=sent)
        assert is_problem(answer)["code"] == "body_too_large"
        bomb = gzip.compress(bytes(1 << 20))
        unfolded = http.post("/api/v1/denoise", headers={**JSON, "content-encoding": "gzip"}, content=bomb)
        assert is_problem(unfolded)["code"] == "body_too_large"


@pytest.fixture(scope="module")
def small(launch: Any) -> Running:
    """A server that takes little."""
    return launch(SERVER__MAX_BODY_BYTES="2000")


@pytest.fixture(scope="module")
def hasty(launch: Any) -> Running:
    """A server that waits for nobody; a busy machine may be too slow for it."""
    return launch(SERVER__BODY_TIMEOUT="300ms", SERVER__FIRST_BYTE_TIMEOUT="1s", SERVER__HEADER_TIMEOUT="1s")


def test_a_body_that_does_not_arrive_is_408(hasty: Running) -> None:
    with socket.create_connection(("127.0.0.1", hasty.server.port), timeout=20) as raw:
        head = (
            f"POST /api/v1/denoise HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {hasty.keys['predict']}\r\nContent-Type: application/json\r\n"
        )
        raw.sendall(head.encode() + b"Content-Length: 100\r\n\r\n{")
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"request_timeout"' in answer


@pytest.mark.parametrize("framing", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
def test_a_body_that_is_cut_off_is_no_defect_of_ours(running: Running, http: httpx.Client, framing: str) -> None:
    rows = b"date,close\n2024-01-01,1\n2024-01-02,2\n"
    sent = rows if framing.startswith("Content") else b"%x\r\n%s\r\n" % (len(rows), rows)
    with socket.create_connection(("127.0.0.1", running.server.port), timeout=20) as raw:
        key = running.keys["ingest"]
        head = f"POST {SAMPLES} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Type: text/csv\r\n{framing}\r\n\r\n"
        raw.sendall(head.encode() + sent)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"malformed_body"' in answer
    assert http.get("/api/v1/series/BAD/1d").status_code == 404


def test_silent_connections_are_reaped_and_good_ones_are_not(hasty: Running) -> None:
    with hasty.client() as http:
        assert http.get("/health").status_code == 200
        silent = [socket.create_connection(("127.0.0.1", hasty.server.port), timeout=20) for _ in range(20)]
        try:
            assert [raw.recv(1) for raw in silent] == [b""] * 20
        finally:
            for raw in silent:
                raw.close()
        assert http.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "unknown_route"),
        ("GET", "/api/v1/nowhere/%00/..", 404, "unknown_route"),
        ("GET", "/static/app.py", 404, "unknown_route"),
        ("GET", "/manual/none", 404, "unknown_route"),
        *(
            ("GET", path, 404, "unknown_route")
            for path in ("/.git/config", "/.env", "/static/", "/static/..%2fapp.py", "/manual/..%2f..%2fapp")
        ),
        ("POST", "/health", 405, "method_not_allowed"),
        ("PUT", "/api/v1/series", 405, "method_not_allowed"),
        ("BREW", "/api/v1/denoise", 405, "method_not_allowed"),
        ("GET", "/api/v1/jobs/none", 404, "unknown_job"),
        ("GET", "/api/v1/jobs/99999999", 404, "unknown_job"),
        ("GET", "/api/v1/models/none", 404, "unknown_model"),
        ("DELETE", "/api/v1/admin/keys/none", 404, "unknown_key"),
        ("GET", "/api/v1/series?after=nonsense", 422, "invalid_request"),
        ("GET", "/api/v1/admin/audit?after=9223372036854775808", 422, "invalid_request"),
        ("GET", "/api/v1/series/A/1d/samples?start=%D9%A2%D9%A0%D9%A2%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0", 422, "bad_time"),
        ("GET", "/api/v1/jobs?after=nonsense", 422, "invalid_request"),
    ],
)
def test_one_shape_on_every_path(http: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    answer = http.request(method, path)
    document = is_problem(answer)
    assert (document["status"], document["code"]) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)


def test_words_of_a_client_stay_words(http: httpx.Client) -> None:
    words = 'a"b\\c</script>{"x":1},\u00e9 ${7*7} %s'
    made = http.post("/api/v1/experiments", json={"name": "of odd words", "description": words})
    assert (made.status_code, made.json()["description"], made.headers["content-type"]) == (201, words, "application/json")
    assert words in [one["description"] for one in http.get("/api/v1/experiments").json()["experiments"]]
    refused = is_problem(http.post("/api/v1/experiments", json={words: 1}))
    assert set(refused) == {"type", "title", "status", "detail", "code", "hint", "errors", "request_id"}


def test_an_unexpected_exception_shows_nothing(
    running: Running, http: httpx.Client, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret cause")

    monkeypatch.setattr(type(running.services.series), "page", broken)
    answer = http.get("/api/v1/series")
    assert is_problem(answer)["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    told = logged()
    assert "RuntimeError" in told
    assert "secret cause" in told


def test_a_foreign_host_is_refused(http: httpx.Client) -> None:
    assert is_problem(http.get("/health", headers={"host": "evil.example"}))["code"] == "forbidden"


def test_accept_that_nothing_can_satisfy(http: httpx.Client) -> None:
    http.post("/api/v1/series/ACC/1d/samples", json={"t": ["2024-01-01"], "close": [1]})
    assert is_problem(http.get("/api/v1/series/ACC/1d/samples", headers={"accept": "image/png"}))["status"] == 406


@pytest.mark.parametrize("key", ["", "x", "rpsd_00000000_" + "0" * 32, "rpsd_\u00e9"])
def test_keys_that_are_none(running: Running, key: str) -> None:
    with running.client(None) as http:
        answer = http.get("/api/v1/series", headers={"x-api-key": key.encode()} if key else {})
        assert is_problem(answer)["code"] == "unauthenticated"
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_admin_socket_acts_as_the_operator(running: Running) -> None:
    path = running.services.settings.server.admin_socket
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://any") as http:
        assert http.get("/api/v1/admin/keys").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/api/v1/series", "/nowhere", "/docs"])
def test_trace_gives_nothing_back(http: httpx.Client, path: str) -> None:
    found = http.request("TRACE", path, headers={"x-mine": "not-to-be-echoed"})
    assert found.status_code in (404, 405)
    assert "not-to-be-echoed" not in found.text
