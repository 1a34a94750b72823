"""Packets: what goes in comes out, and nothing else does."""

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
