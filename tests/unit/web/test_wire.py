"""Bodies and queries become structs, or every bad place is named."""

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from rpsd.core.errors import (
    BadRange,
    BadTime,
    InternalError,
    InvalidRequest,
    MalformedBody,
    NotAcceptable,
    NotFinite,
    RpsdError,
    UnsupportedMediaType,
)
from rpsd.web.exchange import Exchange
from rpsd.web.series import SamplesQuery
from rpsd.web.wire import CSV, FLOATS, JSON, Body, Instant, accepted, answer, cells, decoded_json, media_type, moment, query, span, strict


class Inner(Body):
    a: int


class Sent(Body):
    values: list[float | None]
    t: list[Instant] | None = None
    inner: Inner | None = None


def exchange(**headers: str) -> Exchange:
    raw = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    nothing: Any = SimpleNamespace()
    return Exchange(nothing, "id", raw, "POST", admin=False)


REFUSED: list[tuple[bytes, type[RpsdError], list[str]]] = [
    (b"", MalformedBody, []),
    (b"  ", MalformedBody, []),
    (b"[[[[", InvalidRequest, [""]),
    (b'{"values":[1]', MalformedBody, []),
    (b'{"values":[1,NaN,Infinity,-Infinity]}', NotFinite, ["/values/1", "/values/2", "/values/3"]),
    (b'{"values":[1,1e400]}', NotFinite, ["/values/1"]),
    (b'{"values":["a",1,"b"]}', InvalidRequest, ["/values/0", "/values/2"]),
    (b'{"values":[true]}', InvalidRequest, ["/values/0"]),
    (b'{"values":[1],"x":2,"y~/z":1}', InvalidRequest, ["/x", "/y~0~1z"]),
    (b'{"t":["x"]}', InvalidRequest, ["/values"]),
    (b'{"values":[1],"t":[9223372036854775808,"x",99999999999999999999]}', InvalidRequest, ["/t/0", "/t/2"]),
    (b'{"values":[1],"inner":{"b":1,"a":"x"}}', InvalidRequest, ["/inner/b", "/inner/a"]),
    (b'{"values":[1],"t":["\xff\xfe"]}', MalformedBody, []),
    (b'{"values":[1],"t":["\\ud800"]}', MalformedBody, []),
    (b'{"\xff":1}', MalformedBody, []),
    (b'{"values":[1],"x":' + b"[" * 5000 + b"]" * 5000 + b"}", MalformedBody, []),
    (b'{"values":' + b"[" * 100_000, MalformedBody, []),
    (b"null", InvalidRequest, [""]),
]


@pytest.mark.parametrize(("body", "error", "pointers"), REFUSED)
def test_bad_bodies_are_refused_with_every_place(body: bytes, error: type[RpsdError], pointers: list[str]) -> None:
    with pytest.raises(error) as caught:
        decoded_json(body, Sent)
    assert [fault.pointer for fault in caught.value.errors] == pointers


def test_a_good_body_becomes_a_struct() -> None:
    found = decoded_json(b'{"values":[1,null,9223372036854775808],"t":[1,"2024-01-01","2024-01-02"]}', Sent)
    assert found.values == [1.0, None, 9.223372036854775808e18]
    assert found.t == [1, "2024-01-01", "2024-01-02"]


def test_at_most_a_hundred_faults_are_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded_json(msgspec.json.encode({"values": ["x"] * 500}), Sent)
    assert len(caught.value.errors) == 100


def test_queries_are_typed_and_strict() -> None:
    found = query({"query_string": b"limit=5&start=2024-01-01T00:00:00%2B01:00&time=ns"}, SamplesQuery)
    assert (found.limit, found.start, found.time) == (5, "2024-01-01T00:00:00+01:00", "ns")


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        (b"limit=0&colums=close", ["/query/colums", "/query/limit"]),
        (b"limit=many", ["/query/limit"]),
        (b"time=unix", ["/query/time"]),
        (b"limit=1&limit=2", ["/query/limit"]),
        (b"start=%ff", ["/query"]),
        (b"limit=99999999999999999999", ["/query/limit"]),
    ],
)
def test_bad_queries_name_the_parameter(text: bytes, pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        query({"query_string": text}, SamplesQuery)
    assert [fault.pointer for fault in caught.value.errors] == pointers


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [("", JSON), ("*/*", JSON), ("text/csv", CSV), ("text/*;q=0.9, application/json;q=0.1", CSV), ("application/json, text/csv", JSON)],
)
def test_accept_is_followed(accept: str, chosen: str) -> None:
    assert accepted(exchange(accept=accept) if accept else exchange(), JSON, CSV) == chosen


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "text/html"])
def test_what_cannot_be_written_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        accepted(exchange(accept=accept), JSON, CSV)


def test_content_types() -> None:
    assert media_type(exchange(content_type="Application/JSON; charset=utf-8"), JSON, CSV) == JSON
    assert media_type(exchange(), JSON, CSV) == JSON
    with pytest.raises(UnsupportedMediaType):
        media_type(exchange(content_type=FLOATS), JSON, CSV)


@pytest.mark.parametrize("n", [0, 1, 3 * 2**14, 3 * 2**14 + 5])
def test_a_long_column_is_the_same_text_as_a_short_one(n: int) -> None:
    column: list[Any] = [None if row % 7 == 0 else row / 3 for row in range(n)]
    sent = {"symbol": "A", "close": column, "t": [str(row) for row in range(n)], "next": None}
    assert answer(exchange(), sent).content == msgspec.json.encode(sent)
    held = np.array([np.nan if cell is None else cell for cell in column], np.float64)
    assert cells(held) == column


def test_moments() -> None:
    assert moment(None, "/t") is None
    assert moment("1704067200000000000", "/t") == moment("2024-01-01", "/t") == moment("2024-01-01T01:00:00+01:00", "/t")
    with pytest.raises(BadTime) as caught:
        moment("2024-01-01T00:00:00", "/query/start")
    assert caught.value.errors[0].pointer == "/query/start"
    with pytest.raises(BadTime):
        moment(2**63 - 1, "/t")


def test_a_span_runs_forward() -> None:
    assert span("2024-01-01", "2024-01-01")[0] is not None
    with pytest.raises(BadRange):
        span("2024-01-02", "2024-01-01")


def test_answers_hold_no_silent_null() -> None:
    strict({"a": [1.0, {"b": None}]})
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InternalError):
            strict({"a": [1.0, {"b": bad}]})
    assert cells(np.array([1.0, np.nan])) == [1.0, None]
    with pytest.raises(InternalError):
        cells(np.array([1.0, np.inf]))
