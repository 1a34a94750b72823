"""Packets: what goes in comes out, and nothing else does."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rpsd.core.errors import CorruptData
from rpsd.core.model import Packet, fingerprint

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
HEADS = st.dictionaries(st.text(max_size=8), SCALARS | st.lists(SCALARS, max_size=3), max_size=4)
ARRAYS = st.dictionaries(
    st.text(max_size=8),
    st.sampled_from([np.float64, np.int64, np.uint8]).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=3,
)


@given(HEADS, ARRAYS)
def test_unpack_undoes_pack(head: dict, arrays: dict) -> None:
    back = Packet.unpack(Packet(head, arrays).pack())
    assert back.head == head
    assert list(back.arrays) == list(arrays)
    for name, array in arrays.items():
        assert (back.arrays[name].dtype, back.arrays[name].shape) == (array.dtype, array.shape)
        assert back.arrays[name].tobytes() == array.tobytes()


@given(HEADS, ARRAYS, st.data())
def test_a_corrupted_byte_is_found(head: dict, arrays: dict, data: st.DataObject) -> None:
    packed = bytearray(Packet(head, arrays).pack())
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptData):
        Packet.unpack(bytes(packed))


@given(HEADS, ARRAYS, st.data())
def test_a_cut_or_lengthened_packet_is_found(head: dict, arrays: dict, data: st.DataObject) -> None:
    packed = Packet(head, arrays).pack()
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    for damaged in (cut, packed + b"\0"):
        with pytest.raises(CorruptData):
            Packet.unpack(damaged)


@given(st.binary(max_size=64))
def test_noise_is_never_a_packet(noise: bytes) -> None:
    with pytest.raises(CorruptData):
        Packet.unpack(noise)


def signed(header: bytes, blobs: bytes = b"") -> bytes:
    """A packet as malice would write it: any header, and a digest that fits."""
    body = b"RPSD1\n" + len(header).to_bytes(4, "little") + header + blobs
    return body + hashlib.sha256(body).digest()


def layout(*arrays: object) -> bytes:
    return json.dumps({"head": {}, "arrays": arrays}).encode()


EIGHT = b"\0" * 8


@pytest.mark.parametrize(
    ("header", "blobs"),
    [
        (layout(["a", "<f8", [-1]]), EIGHT),  # numpy takes -1 for as many as there are
        (layout(["a", "<f8", [2, -1]]), EIGHT * 2),
        (layout(["a", "<f8", [2**62, 4]]), b""),  # 64-bit products wrap around to nothing
        (layout(["a", "<f8", [0, 2**70]]), b""),
        (layout(["a", "<f8", [2]]), EIGHT),
        (layout(["a", "<f8", [1.0]]), EIGHT),
        (layout(["a", "<f8", [True]]), EIGHT),
        (layout(["a", "<f8", 1]), EIGHT),
        (layout(["a", "<f8", ["1"]]), EIGHT),
        (layout(["a", "<f8", [1] * 9]), EIGHT),
        (layout(["a", "|O", [1]]), EIGHT),  # objects would be pointers
        (layout(["a", ["<f8"], [1]]), EIGHT),
        (layout([["a"], "<f8", [1]]), EIGHT),
        (layout([None, "<f8", [1]]), EIGHT),
        (layout(["a", "<f8", [1]], ["a", "<f8", [1]]), EIGHT * 2),
        (layout(["a", "<f8"]), EIGHT),
        (layout("abc"), EIGHT),
        (b'{"head": {}, "arrays": {}}', EIGHT),
        (b'{"head": [], "arrays": []}', b""),
        (b'{"head": {}}', b""),
        (b"[]", b""),
        (b"", b""),
        (b'{"head": {"x": NaN}, "arrays": []}', b""),
        (b'{"head": {"x": -Infinity}, "arrays": []}', b""),
        (b'{"head": {"x": ' + b"9" * 10_000 + b'}, "arrays": []}', b""),
        (b'{"head": ' + b"[" * 200_000, b""),
        (b'{"head": {}, "arrays": ' + b'{"a":' * 100_000, b""),
        (b'{"head": {"\xff": 1}, "arrays": []}', b""),
    ],
)
def test_a_well_signed_packet_of_nonsense_is_refused(header: bytes, blobs: bytes) -> None:
    with pytest.raises(CorruptData):
        Packet.unpack(signed(header, blobs))


def test_a_header_longer_than_the_packet_is_refused() -> None:
    body = b"RPSD1\n" + (2**32 - 1).to_bytes(4, "little") + layout()
    with pytest.raises(CorruptData):
        Packet.unpack(body + hashlib.sha256(body).digest())


JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12
)
ENTRIES = st.lists(
    st.tuples(JSON | st.just("a"), JSON | st.sampled_from(["<f8", "<i8", "|u1"]), JSON | st.lists(st.integers(-2, 9))), max_size=3
)


@given(JSON, JSON | ENTRIES, st.binary(max_size=40))
def test_whatever_is_signed_becomes_a_packet_that_fits_or_nothing(head: object, arrays: object, blobs: bytes) -> None:
    try:
        made = Packet.unpack(signed(json.dumps({"head": head, "arrays": arrays}).encode(), blobs))
    except CorruptData:
        return
    assert sum(array.nbytes for array in made.arrays.values()) == len(blobs)
    assert made.head == head


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_a_signed_header_of_noise_is_refused(header: bytes, blobs: bytes) -> None:
    with pytest.raises(CorruptData):
        Packet.unpack(signed(header, blobs))


def test_other_types_do_not_travel() -> None:
    for array in (np.zeros(2, np.float32), np.array(["x"]), np.array([None])):
        with pytest.raises(TypeError):
            Packet({}, {"a": array}).pack()
    with pytest.raises(ValueError, match="JSON compliant"):
        Packet({"x": float("nan")}, {}).pack()


def test_big_endian_and_strided_arrays_travel_by_value() -> None:
    back = Packet({}, {"a": np.arange(3, dtype=">i8"), "b": np.arange(6.0).reshape(2, 3).T}).pack()
    arrays = Packet.unpack(back).arrays
    assert arrays["a"].tolist() == [0, 1, 2]
    assert arrays["b"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_fingerprint_sees_bytes_shape_and_type() -> None:
    a = np.arange(4)
    seen = {fingerprint(x) for x in (a, a + 1, a.reshape(2, 2), a.astype(float))} | {fingerprint(a, a), fingerprint()}
    assert len(seen) == 6
    assert fingerprint(a) == fingerprint(a.copy())
