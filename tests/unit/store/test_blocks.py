"""Laws of the block codec."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rpsd.core.errors import CorruptData
from rpsd.store import blocks
from rpsd.store.blocks import AT_CLOSE, Codec, Rows

CELLS = st.floats(allow_nan=True, allow_infinity=False, width=64)


@st.composite
def rows(draw: st.DrawFn, width: int | None = None) -> Rows:
    t = sorted(draw(st.sets(st.integers(-(2**62), 2**62), max_size=12)))
    w = draw(st.integers(1, 4)) if width is None else width
    values = np.array(draw(st.lists(st.lists(CELLS, min_size=len(t), max_size=len(t)), min_size=w, max_size=w)), float).reshape(w, len(t))
    late = draw(st.none() | st.lists(st.integers(-(2**62), 2**62), min_size=len(t), max_size=len(t)))
    return Rows(np.array(t, np.int64), values, None if late is None else np.array(late, np.int64))


def same(a: Rows, b: Rows) -> bool:
    known = (a.known is None) == (b.known is None) and (a.known is None or np.array_equal(a.known, b.known))
    return known and np.array_equal(a.t, b.t) and a.values.tobytes() == b.values.tobytes()


@given(rows(), st.sampled_from(Codec))
def test_decode_undoes_encode_bit_for_bit(given_rows: Rows, codec: Codec) -> None:
    payload = blocks.encode(given_rows, codec)
    back = blocks.decode(payload, n=given_rows.n, width=given_rows.values.shape[0], known=given_rows.known is not None, codec=codec)
    assert same(back, given_rows)


@given(rows(), st.sampled_from(Codec), st.data())
def test_a_wrong_length_is_corrupt(given_rows: Rows, codec: Codec, data: st.DataObject) -> None:
    payload = blocks.encode(given_rows, codec)
    assume(given_rows.n)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(CorruptData):
        blocks.decode(payload[:cut], n=given_rows.n, width=given_rows.values.shape[0], known=given_rows.known is not None, codec=codec)


@given(st.binary(min_size=1, max_size=64), st.data())
def test_every_flipped_bit_and_every_changed_fact_changes_the_checksum(payload: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    flipped = bytearray(payload)
    flipped[bit // 8] ^= 1 << bit % 8
    assert blocks.checksum(bytes(flipped), 7, 8) != blocks.checksum(payload, 7, 8)
    assert blocks.checksum(payload, 7, 9) != blocks.checksum(payload, 7, 8)


@given(rows(2), rows(2))
def test_overlaid_is_a_dictionary_update(under: Rows, over: Rows) -> None:
    expected = {int(t): under.values[:, i].tobytes() for i, t in enumerate(under.t)}
    expected |= {int(t): over.values[:, i].tobytes() for i, t in enumerate(over.t)}
    both = blocks.overlaid(under, over, 2)
    assert both.t.tolist() == sorted(expected)
    assert [both.values[:, i].tobytes() for i in range(both.n)] == [expected[t] for t in sorted(expected)]


def test_known_at_is_dropped_where_it_is_the_close() -> None:
    t = np.array([0, 10], np.int64)
    assert blocks.compact_known(t, t + 10, 10) is None
    kept = blocks.compact_known(t, np.array([10, 99], np.int64), 10)
    assert kept is not None
    assert kept.tolist() == [AT_CLOSE, 99]
    assert Rows(t, np.zeros((1, 2)), kept).known_ns(10).tolist() == [10, 99]


def test_compression_pays_on_bars() -> None:
    t = np.arange(4096, dtype=np.int64) * 60_000_000_000
    price = np.round(100 + np.cumsum(np.random.default_rng(1).normal(scale=0.01, size=4096)), 2)
    bars = Rows(t, np.stack([price, np.roll(price, 1)]))
    assert len(blocks.encode(bars, Codec.ZSTD)) < len(blocks.encode(bars, Codec.RAW)) / 3
