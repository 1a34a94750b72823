"""Bodies about order books: every layout gives the same tape, every bad record is named by its place."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from rpsd.core.book import NO_SEQUENCE, Event, Tape, Updates, joined
from rpsd.core.errors import BadBook, BadTime, BodyTooLarge, InvalidRequest, MalformedBody, NotFinite, RpsdError
from rpsd.core.frame import encoded
from rpsd.web import book_wire
from rpsd.web.book_wire import QUOTES, SNAPSHOTS, TRADES, UPDATES, Layout, records
from rpsd.web.wire import FLOATS, JSON, MSGPACK, NDJSON

T = 1_723_161_257_000_000_000
ROWS: dict[str, list[dict[str, Any]]] = {
    "snapshots": [
        {"timestamp": T, "bids": [[100.0, 1.0], [99.5, 2.0]], "asks": [[100.5, 3.0]], "sequence": 7},
        {"timestamp": "2024-08-08T23:54:18Z", "bids": [], "asks": [[100.5, 3.0], [101.0, 4.0]], "received": T + 5, "symbol": "BTCUSDT"},
    ],
    "quotes": [
        {"timestamp": T, "bid": 100.0, "bid_size": 1.0, "ask": 100.5, "ask_size": 2.0},
        {"timestamp": T + 1, "bid": None, "ask": 100.5, "ask_size": 2.0, "sequence": 8},
    ],
    "trades": [{"timestamp": T, "price": 100.0, "size": 1.0, "side": "sell"}, {"timestamp": T, "price": 100.5, "size": 2.0}],
    "updates": [
        {"timestamp": T, "u": 10, "is_snapshot": True, "bids": [[100.0, 1.0]], "asks": [[101.0, 2.0]]},
        {"timestamp": T + 1, "U": 11, "u": 12, "pu": 10, "bids": [[100.0, 0.0], [99.0, 5.0]]},
        {"timestamp": T + 2, "U": 13, "u": 13, "pu": 12, "asks": [[102.0, 6.0]], "bids": [[99.5, 7.0]]},
    ],
}
LAYOUTS = {"snapshots": SNAPSHOTS, "quotes": QUOTES, "trades": TRADES, "updates": UPDATES}
_STAMPS = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _lines(rows: list[Any]) -> bytes:
    return b"\n".join(map(_json, rows))


def _tape(body: bytes, kind: str, layout: Layout, **options: Any) -> Tape:
    feed = records(body, kind, layout, **options).feed
    assert isinstance(feed, Tape)
    return feed


def _same(a: Tape, b: Tape) -> None:
    for name in _STAMPS:
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def test_rows_of_snapshots() -> None:
    tape = _tape(_json(ROWS["snapshots"]), JSON, SNAPSHOTS)
    assert tape.t.tolist() == [T, T + 1_000_000_000]
    assert (tape.received.tolist(), tape.sequence.tolist()) == ([0, T + 5], [7, NO_SEQUENCE])
    assert tape.counts.tolist() == [[2, 1], [0, 2]]
    assert tape.bids.tolist() == [[[100.0, 1.0], [99.5, 2.0]], [[0.0, 0.0], [0.0, 0.0]]]
    assert tape.asks.tolist() == [[[100.5, 3.0], [0.0, 0.0]], [[100.5, 3.0], [101.0, 4.0]]]


def test_rows_of_quotes_and_trades() -> None:
    quotes = _tape(_json(ROWS["quotes"]), JSON, QUOTES)
    assert quotes.quotes.tolist() == [[100.0, 1.0, 100.5, 2.0], [0.0, 0.0, 100.5, 2.0]]
    trades = _tape(_json(ROWS["trades"]), JSON, TRADES)
    assert trades.trades.tolist() == [[100.0, 1.0, -1.0], [100.5, 2.0, 0.0]]


def test_rows_of_updates() -> None:
    found = records(_json(ROWS["updates"]), JSON, UPDATES).feed
    assert isinstance(found, Updates)
    ids = (found.first.tolist(), found.last.tolist(), found.previous.tolist())
    assert ids == ([NO_SEQUENCE, 11, 13], [10, 12, 13], [NO_SEQUENCE, 10, 12])
    assert found.is_snapshot.tolist() == [True, False, False]
    assert found.start.tolist() == [0, 2, 4, 6]
    assert found.side.tolist() == [1, -1, 1, 1, 1, -1]
    assert found.price.tolist() == [100, 101, 100, 99, 99.5, 102]
    assert found.size.tolist() == [1, 2, 0, 5, 7, 6]


@pytest.mark.parametrize("noun", ["snapshots", "quotes", "trades"])
def test_every_layout_gives_the_same_tape(noun: str) -> None:
    layout, tape = LAYOUTS[noun], _tape(_json(ROWS[noun]), JSON, LAYOUTS[noun])
    _same(_tape(_lines(ROWS[noun]), NDJSON, layout), tape)
    _same(_tape(msgspec.msgpack.encode(ROWS[noun]), MSGPACK, layout), tape)
    _same(_tape(encoded(joined([tape])), FLOATS, layout), tape)
    single = _tape(_json(ROWS[noun][0]), JSON, layout)
    assert (single.n, single.t[0]) == (1, T)
    columns: dict[str, Any] = {"timestamp": tape.t.tolist(), "sequence": tape.sequence.tolist(), "received": tape.received.tolist()}
    for name, at in {"bid": 0, "bid_size": 1, "ask": 2, "ask_size": 3}.items() if noun == "quotes" else ():
        columns[name] = tape.quotes[:, at].tolist()
    if noun == "trades":
        columns |= {"price": tape.trades[:, 0].tolist(), "size": tape.trades[:, 1].tolist(), "side": ["sell", None]}
    for side in ("bids", "asks") if noun == "snapshots" else ():
        for name, at in (("prices", 0), ("sizes", 1)):
            columns[f"{side[:-1]}_{name}"] = [[level[at] for level in row[side]] for row in ROWS[noun]]
    _same(_tape(_json(columns), JSON, layout), tape)
    _same(_tape(msgspec.msgpack.encode(columns), MSGPACK, layout), tape)


def test_lines_keep_their_numbers() -> None:
    given = records(b"\n" + _lines(ROWS["quotes"]).replace(b"\n", b"\n\r\n"), NDJSON, QUOTES)
    assert given.numbers is not None
    assert given.numbers.tolist() == [2, 4]
    placed = given.placed(BadBook("x", errors=[book_wire.Fault("/1/bid", "y")]))
    assert placed.errors[0].pointer == "/4/bid"


BAD: dict[str, tuple[Any, type[RpsdError], str]] = {
    "a text as price": ([ROWS["snapshots"][0], {"timestamp": T, "bids": [["x", 1.0]], "asks": []}], InvalidRequest, "/1/bids/0/0"),
    "a level of three": ([{"timestamp": T, "bids": [[1.0, 1.0, 1.0]], "asks": []}], InvalidRequest, "/0/bids/0"),
    "an unknown field": ([{"timestamp": T, "bids": [], "asks": [], "colour": 1}], InvalidRequest, "/0/colour"),
    "a naive time": ([{"timestamp": "2024-01-01T10:00", "bids": [], "asks": []}], BadTime, "/0/timestamp"),
    "milliseconds": ([{"timestamp": T // 10**6, "bids": [], "asks": []}], BadTime, "/0/timestamp"),
    "too many levels": ([{"timestamp": T, "bids": [[1.0, 1.0]] * 51, "asks": []}], BadBook, "/0/bids"),
    "no records": ([], BadBook, ""),
    "columns of two lengths": (
        {"timestamp": [T], "bid_prices": [], "bid_sizes": [[]], "ask_prices": [[]], "ask_sizes": [[]]},
        BadBook,
        "/bid_prices",
    ),
    "sizes missing": (
        {"timestamp": [T], "bid_prices": [[1.0]], "bid_sizes": [[]], "ask_prices": [[]], "ask_sizes": [[]]},
        BadBook,
        "/bid_sizes/0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_places_are_named(name: str) -> None:
    value, error, pointer = BAD[name]
    for body, kind in ((_json(value), JSON), (msgspec.msgpack.encode(value), MSGPACK)):
        with pytest.raises(error) as caught:
            records(body, kind, SNAPSHOTS)
        assert caught.value.errors[0].pointer == pointer
    if isinstance(value, list) and value:
        with pytest.raises(BadBook) as caught:
            records(_lines(value), NDJSON, SNAPSHOTS)
        assert caught.value.errors[0].pointer == "/" + pointer[1:].replace("0", "1", 1) if pointer[1] == "0" else "/2/bids/0/0"


def test_nan_in_json_is_refused_and_in_msgpack_left_to_the_validator() -> None:
    with pytest.raises(NotFinite) as caught:
        records(_json(ROWS["snapshots"]).replace(b"99.5", b"NaN"), JSON, SNAPSHOTS)
    assert caught.value.errors[0].pointer == "/0/bids/1/0"
    rows = [{"timestamp": T, "bids": [[float("nan"), 1.0]], "asks": []}]
    assert np.isnan(_tape(msgspec.msgpack.encode(rows), MSGPACK, SNAPSHOTS).bids[0, 0, 0])


@pytest.mark.parametrize(("kind", "first"), [(JSON, 0), (MSGPACK, 0), (NDJSON, 1)])
def test_skip_keeps_the_good_records_and_lists_the_others(kind: str, first: int) -> None:
    rows = [{"timestamp": "soon", "bid": 1.0}, *ROWS["quotes"], {"timestamp": T, "bid": "x"}, ROWS["quotes"][0]]
    body = {JSON: _json(rows), MSGPACK: msgspec.msgpack.encode(rows), NDJSON: _lines(rows)}[kind]
    given = records(body, kind, QUOTES, on_error="skip")
    assert given.feed.n == 3
    assert [(one["row"], one["rule"]) for one in given.rejected] == [(first, "unreadable"), (first + 3, "unreadable")]
    told = given.merged({"rejected": [{"row": 2, "rule": "stale", "reason": "old"}], "counts": {"stale": 1}})
    assert [one["row"] for one in told["rejected"]] == [first, first + 3, first + 4]
    assert told["counts"] == {"stale": 1, "unreadable": 2}


def test_a_deep_snapshot_with_its_update_id_states_the_whole_book() -> None:
    deep = {"timestamp": T, "bids": [[1000.0 - k, 1.0] for k in range(60)], "asks": [[1001.0, 1.0]], "sequence": 99}
    found = records(_json([deep]), JSON, SNAPSHOTS).feed
    assert isinstance(found, Updates)
    assert (found.is_snapshot.tolist(), found.last.tolist(), found.start.tolist()) == ([True], [99], [0, 61])


@pytest.mark.parametrize("body", [b"", b" \n", b'[{"timestamp"', b"5", b'"x"', b"\xff\xfe"])
def test_damaged_bodies(body: bytes) -> None:
    for kind in (JSON, NDJSON):
        with pytest.raises((MalformedBody, InvalidRequest, BadBook)):
            records(body, kind, SNAPSHOTS)
        with pytest.raises((MalformedBody, InvalidRequest, BadBook)):
            records(body, kind, SNAPSHOTS, on_error="skip")


def test_frames_of_another_kind_are_refused() -> None:
    body = encoded(_tape(_json(ROWS["quotes"]), JSON, QUOTES))
    with pytest.raises(BadBook, match="event 0 is of another kind; trades"):
        records(body, FLOATS, TRADES)
    assert records(body, FLOATS, SNAPSHOTS).feed.n == 2  # a fused feed, in the order of its arrival
    with pytest.raises(BadBook, match="no binary frames"):
        records(body, FLOATS, UPDATES)
    assert _tape(body, FLOATS, QUOTES).kind.tolist() == [Event.QUOTE, Event.QUOTE]


def test_the_number_of_values_is_bounded() -> None:
    with pytest.raises(BodyTooLarge):
        records(_json(ROWS["snapshots"] * 50), JSON, SNAPSHOTS, most=100)


def test_records_of_another_symbol_are_refused() -> None:
    rows = [ROWS["trades"][0] | {"symbol": name} for name in ("BTC-USDT", "btcusdt", "ETHUSDT")]
    layout = replace(TRADES, symbol="BTC-USDT")
    for body, kind, place in (
        (_json(rows), JSON, "/2/symbol"),
        (_lines(rows), NDJSON, "/3/symbol"),
        (msgspec.msgpack.encode(rows), MSGPACK, "/2/symbol"),
    ):
        with pytest.raises(RpsdError, match="ETHUSDT") as refused:
            records(body, kind, layout)
        assert [fault.pointer for fault in refused.value.errors] == [place]
        skipped = records(body, kind, layout, on_error="skip")
        assert (skipped.feed.n, skipped.unreadable) == (2, 1)
    columns = {"timestamp": [T], "price": [1.0], "size": [1.0], "symbol": "ETH"}
    with pytest.raises(InvalidRequest, match="/symbol"):
        records(_json(columns), JSON, layout)
    assert records(_json(columns), JSON, replace(layout, symbol="ETH")).feed.n == 1


def test_one_deep_book_among_many_shallow_ones_is_refused_before_it_takes_gigabytes() -> None:
    many = 100_000
    deep, shallow = [[100.0 - k, 1.0] for k in range(50)], [[100.0, 1.0]]
    rows = [{"timestamp": T, "bids": deep, "asks": []}, *[{"timestamp": T, "bids": shallow, "asks": []}] * many]
    table = {"timestamp": [T] * (many + 1), "bid_prices": [[p for p, _ in deep], *[[100.0]] * many]}
    table |= {"bid_sizes": [[1.0] * 50, *[[1.0]] * many], "ask_prices": [[]] * (many + 1), "ask_sizes": [[]] * (many + 1)}
    one, rest = (_tape(_json(part), JSON, SNAPSHOTS) for part in (rows[:1], rows[1:]))
    for body, kind in ((_json(rows), JSON), (_json(table), JSON), (encoded(one) + encoded(rest), FLOATS)):
        with pytest.raises(BodyTooLarge, match="50 levels"):
            records(body, kind, SNAPSHOTS)
    assert records(_json(rows[:20_000]), JSON, SNAPSHOTS).feed.n == 20_000
