"""Binary frames: what was encoded is decoded bit by bit, and damage is named with the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.book import NO_SEQUENCE, Event, Tape, joined
from rpsd.core.errors import BadBook, MalformedBody
from rpsd.core.frame import HEADER, decoded, encoded

_COLUMNS = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")


def _books(n: int, levels: int, counts: np.ndarray | None = None) -> Tape:
    rng = np.random.default_rng(n + levels)
    bids, asks = rng.uniform(1, 2, (2, n, levels, 2))
    counts = np.full((n, 2), levels) if counts is None else counts
    for side, of_side in zip((bids, asks), counts.T, strict=True):
        side[np.arange(levels) >= of_side[:, None]] = 0
    return Tape.of_books(np.arange(n), bids, asks, counts)


def _same(a: Tape, b: Tape) -> None:
    for name in _COLUMNS:
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


@given(st.integers(1, 5), st.integers(1, 50), st.data())
def test_books_come_back_with_their_levels(n: int, levels: int, data: st.DataObject) -> None:
    counts = np.array(data.draw(st.lists(st.tuples(st.integers(0, levels), st.integers(0, levels)), min_size=n, max_size=n)))
    tape = _books(n, levels, counts)
    _same(decoded(encoded(tape))[0], tape)


def test_events_of_all_kinds_keep_their_order() -> None:
    quotes = Tape.of_quotes(np.array([5, 6]), np.arange(8.0).reshape(2, 4), received=np.array([7, 8]), sequence=np.array([1, 2]))
    trades = Tape.of_trades(np.array([9]), np.array([[1.0, 2.0, -1.0]]))
    tape = joined([_books(3, 2), quotes, trades, _books(1, 2)])
    again, tick = decoded(encoded(tape, 0.01))
    _same(again, tape)
    assert tick == 0.01
    assert again.kind.tolist() == [Event.DEPTH] * 3 + [Event.QUOTE] * 2 + [Event.TRADE, Event.DEPTH]
    assert again.received.tolist() == [0, 0, 0, 7, 8, 0, 0]
    assert again.sequence.tolist() == [NO_SEQUENCE] * 3 + [1, 2] + [NO_SEQUENCE] * 2
    assert decoded(encoded(quotes))[1] is None


def test_the_layout_is_the_one_that_is_written_down() -> None:
    body = encoded(Tape.of_quotes(np.array([5]), np.array([[1.0, 2.0, 3.0, 4.0]]), sequence=np.array([9])), 0.5)
    assert HEADER.itemsize == 32
    assert body[:12] == b"RPB1\x01\x00\x02\x00\x01\x00\x00\x00"
    assert np.frombuffer(body[12:20], "<f8")[0] == 0.5
    assert body[20:32] == bytes(12)
    assert np.frombuffer(body[32:48], "<i8").tolist() == [5, 9]
    assert np.frombuffer(body[48:], "<f8").tolist() == [1, 2, 3, 4]


def test_values_that_are_not_finite_are_left_to_the_validator() -> None:
    quotes = Tape.of_quotes(np.array([5]), np.array([[np.nan, 2.0, np.inf, 4.0]]))
    assert np.isnan(decoded(encoded(quotes))[0].quotes[0, 0])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda body: b"", "the body is empty"),
        (lambda body: body[:-1], "frame 1: its columns take"),
        (lambda body: body + b"RPB", "frame 2: expected a header"),
        (lambda body: b"XXXX" + body[4:], "frame 0: .*begins with b'XXXX'"),
        (lambda body: body[:4] + b"\x07" + body[5:], "frame 0: kind 7"),
        (lambda body: body[:6] + b"\x04" + body[7:], "flags 4"),
        (lambda body: body[:8] + bytes(4) + body[12:], "0 events"),
        (lambda body: body[:12] + np.float64(np.nan).tobytes() + body[20:], "its tick is nan"),
    ],
)
def test_damage_is_named(damage: object, message: str) -> None:
    body = encoded(_books(2, 3)) + encoded(_books(1, 1))
    with pytest.raises(MalformedBody, match=message):
        decoded(damage(body))  # type: ignore[operator]


@pytest.mark.parametrize("levels", [0, 51])
def test_levels_are_bounded(levels: int) -> None:
    body = encoded(_books(1, 1))
    with pytest.raises(BadBook, match=f"frame 0: {levels} levels"):
        decoded(body[:5] + bytes([levels]) + body[6:])
