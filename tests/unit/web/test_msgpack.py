"""MessagePack bodies say what JSON bodies say, and are refused where they hold more."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import InvalidRequest, MalformedBody, NotFinite, RpsdError
from rpsd.web.msgpack import decoded_msgpack
from rpsd.web.wire import Body, decoded_json


class Inner(Body):
    a: int


class Sent(Body):
    values: list[float | None]
    inner: Inner | None = None
    params: dict[str, Any] = msgspec.field(default_factory=dict)


pack = msgspec.msgpack.encode
NAN = b"\xcb\x7f\xf8" + bytes(6)

REFUSED: list[tuple[bytes, type[RpsdError], list[str]]] = [
    (b"", MalformedBody, []),
    (b"\xc1", MalformedBody, []),
    (b"\x81\xa6values\x91", MalformedBody, []),
    (pack({"values": [1.0]})[:-1], MalformedBody, []),
    (pack({"values": [1.0]}) + b"\x01", MalformedBody, []),
    (b"\xdd\xff\xff\xff\xff", MalformedBody, []),
    (b"\xdf\xff\xff\xff\xff\xa1a", MalformedBody, []),
    (b"\x81\xa1\xff\x01", MalformedBody, []),
    (b"\x91" * 100_000, MalformedBody, []),
    (b"\x82\xa6values\x90\xa1x" + b"\x91" * 33 + b"\x01", MalformedBody, []),
    (b"\x81\xa6values\xdc\x40\x00" + b"\x90" * (1 << 14) + b"\xc2", MalformedBody, []),
    (b"\xdd\x00\x02\x00\x00" + b"\x90" * (1 << 17), MalformedBody, []),
    (b"\x82\xa6values\x91\x01\xa6values\x91\x02", InvalidRequest, ["/values"]),
    (b"\x82\xa6values\x91\x01\xa6params\x81\xa1p\x82\xa1q\x01\xa1q\x02", InvalidRequest, ["/params/p/q"]),
    (b"\x82\xa6values\x91\x01\x01\x02", InvalidRequest, [""]),
    (b"\x82\xa6values\x91\x01\x91\x01\x02", InvalidRequest, [""]),
    (b"\x81\x81\x01\x02\x03", MalformedBody, []),
    (b"\x81\xa6values\x92\xc4\x01a\xd6\xff\x00\x00\x00\x00", InvalidRequest, ["/values/0", "/values/1"]),
    (b"\x81\xa6values\x91\xc7\x01\x05\x00", InvalidRequest, ["/values/0"]),
    (b"\xc4\x01a", InvalidRequest, [""]),
    (b"\x81\xa6values\x93\x01" + NAN + b"\xca\x7f\x80\x00\x00", NotFinite, ["/values/1", "/values/2"]),
    (b"\x82\xa6values\x91\x01\xa6params\x81\xa1p" + NAN, NotFinite, ["/params/p"]),
    (NAN, NotFinite, [""]),
    (pack({"values": ["a", 1, "b"]}), InvalidRequest, ["/values/0", "/values/2"]),
    (pack({"values": [1], "x": 2}), InvalidRequest, ["/x"]),
    (pack({"values": [1], "inner": {"b": 1, "a": "x"}}), InvalidRequest, ["/inner/b", "/inner/a"]),
    (b"\xc0", InvalidRequest, [""]),
]


@pytest.mark.parametrize(("body", "error", "pointers"), REFUSED)
def test_bad_bodies_are_refused_with_every_place(body: bytes, error: type[RpsdError], pointers: list[str]) -> None:
    with pytest.raises(error) as caught:
        decoded_msgpack(body, Sent)
    assert [fault.pointer for fault in caught.value.errors] == pointers


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)


@given(JSON_VALUES)
def test_what_json_holds_comes_through_alike(value: Any) -> None:
    assert decoded_msgpack(pack(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = decoded_msgpack(body)
    except RpsdError:
        return
    assert decoded_msgpack(pack(value)) == value


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_a_struct_is_the_same_from_both_formats(values: list[float | None]) -> None:
    sent = {"values": values, "inner": {"a": 1}, "params": {"level": 3}}
    assert decoded_msgpack(pack(sent), Sent) == decoded_json(msgspec.json.encode(sent), Sent)


def test_rows_may_keep_what_is_not_finite_for_their_reader() -> None:
    assert str(decoded_msgpack(b"\x91" + NAN, finite=False)) == "[nan]"


def test_small_integers_of_a_large_body_are_not_taken_for_containers() -> None:
    assert len(decoded_msgpack(pack(list(range(100)) * 2000))) == 200_000
