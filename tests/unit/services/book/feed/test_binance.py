"""Binance's captures: the real one gives the same quotes and trades as its tables; messages keep their order among what is beside them."""

import json
from typing import Any

import numpy as np
import pytest

from rpsd.core.book import NO_SEQUENCE, Event, Tape, Updates
from rpsd.core.errors import BadBook
from rpsd.services.book.feed import FORMATS, opened
from rpsd.services.book.feed.binance import BinanceReader
from rpsd.services.book.feed.reader import Piece, ReaderOptions
from tests import captures

DEPTH = {"e": "depthUpdate", "E": 1723161257440, "s": "X", "U": 11, "u": 12, "b": [["100.1", "2"]], "a": []}
TICKER = {"u": 400900217, "s": "X", "b": "25.35190000", "B": "31.21", "a": "25.36520000", "A": "40.66"}
TRADE = {"e": "aggTrade", "E": 1, "T": 1723161257441, "s": "X", "p": "25.1", "q": "3", "m": True}
REST = {"lastUpdateId": 10, "bids": [["100", "1"]], "asks": [["101", "1"], ["102", "5"]]}
TOP = {"stream": "x@depth5@100ms", "data": {"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": [["0.0026", "100"]]}}
NS = 1_723_161_257_000_000_000


def read(text: bytes, cut: int = 1 << 20, on_error: str = "reject") -> tuple[list[Piece], BinanceReader]:
    reader = BinanceReader(ReaderOptions(on_error=on_error))
    pieces = [piece for at in range(0, len(text), cut) for piece in reader.feed(text[at : at + cut])]
    return pieces + reader.finish(), reader


def lines(*messages: Any) -> bytes:
    return b"".join(b"%d %s\n" % (NS + at, json.dumps(one).encode()) for at, one in enumerate(messages))


def test_the_capture_gives_its_quotes_and_trades() -> None:
    pieces, reader = read(captures.perp_raw())
    updates = [piece.feed for piece in pieces if isinstance(piece.feed, Updates)]
    assert len(updates) == len(pieces) > 10
    besides = [one.beside for one in updates if one.beside is not None]
    quotes = np.concatenate([one.quotes for one in besides])
    trades = np.concatenate([one.trades for one in besides])
    received = np.concatenate([one.received[one.kind == Event.QUOTE] for one in besides])
    t = np.concatenate([one.t[one.kind == Event.QUOTE] for one in besides])
    _, table, prints = captures.perp_tapes()
    assert (quotes.shape, trades.shape) == ((19136, 4), (2286, 3))
    assert np.array_equal(quotes, table.quotes[:19136])
    assert np.array_equal(received, table.received[:19136])
    assert np.array_equal(t, table.t[:19136])
    assert np.array_equal(trades, prints.trades[:2286])
    assert sum(one.n for one in updates) == 26848
    assert sum(int(one.is_snapshot.sum()) for one in updates) == 1
    assert (reader.ignored, reader.bad.count) == (0, 0)


def test_messages_and_what_is_beside_them() -> None:
    (piece,), _ = read(lines(TICKER, DEPTH, TRADE, TOP, REST, TICKER))
    feed = piece.feed
    assert isinstance(feed, Updates)
    assert (feed.first.tolist(), feed.last.tolist(), feed.previous.tolist()) == ([11, NO_SEQUENCE], [12, 10], [NO_SEQUENCE] * 2)
    assert (feed.is_snapshot.tolist(), feed.start.tolist(), feed.side.tolist()) == ([False, True], [0, 1, 4], [1, 1, -1, -1])
    assert feed.t.tolist() == [1723161257440_000_000, NS + 4]  # a REST snapshot of spot has no time
    assert feed.beside is not None
    assert feed.beside.kind.tolist() == [Event.QUOTE, Event.TRADE, Event.DEPTH, Event.QUOTE]
    assert feed.after.tolist() == [0, 1, 1, 2]
    assert feed.beside.sequence.tolist() == [400900217, NO_SEQUENCE, 160, 400900217]
    assert feed.beside.trades.tolist() == [[25.1, 3, -1]]
    assert feed.beside.bids.tolist() == [[[0.0024, 10]]]
    assert piece.lines.tolist() == [2, 5]


def test_without_updates_there_is_a_tape_and_other_messages_are_counted() -> None:
    (piece,), reader = read(lines(TICKER, {"e": "markPriceUpdate", "s": "X"}, {"result": None, "id": 1}, TRADE))
    assert isinstance(piece.feed, Tape)
    assert piece.lines.tolist() == [1, 4]
    assert reader.ignored == 2


def test_lines_without_the_local_time() -> None:
    (piece,), _ = read(json.dumps(DEPTH).encode())
    assert piece.feed.n == 1
    assert isinstance(piece.feed, Updates)
    assert piece.feed.received.tolist() == [0]


BAD = [
    (b"{", "not JSON"),
    (b"[1]", "not a message of Binance"),
    (json.dumps(TICKER).encode(), "the line has no time"),
    (lines({**DEPTH, "u": "12"}), "'12' is no update id|12 is no update id"),
    (lines({**DEPTH, "u": 2**63}), "is no update id"),
    (lines({**DEPTH, "b": [["x", "1"]]}), "could not convert"),
    (lines({**DEPTH, "b": [["1"]]}), "not a message of Binance"),
    (lines({key: value for key, value in DEPTH.items() if key != "a"}), "the field 'a' is missing"),
    (lines({**DEPTH, "s": "Y"}), "the line is of Y"),
    (lines({**DEPTH, "E": "soon"}), "invalid literal"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_bad_lines_are_named(line: bytes, reason: str) -> None:
    text = lines(DEPTH) + line.strip() + b"\n" + lines(DEPTH)
    with pytest.raises(BadBook, match=f"line 2: .*({reason})"):
        read(text)
    (piece,), reader = read(text, on_error="skip")
    assert piece.lines.tolist() == [1, 3]
    assert reader.bad.count == 1


def test_the_catalogue_opens_each_format() -> None:
    assert [one.name for one in FORMATS] == ["lobster", "tardis", "binance"]
    for one in FORMATS:
        opened(one.name, ReaderOptions(date="2024-01-02"))
