"""Tardis' files: the bundled ones equal their arrays however they are cut, every bad line is named."""

import gzip

import numpy as np
import pytest

from rpsd import samples
from rpsd.core.book import Tape, Updates, joined
from rpsd.core.errors import BadBook, BadCsv, MalformedBody
from rpsd.services.book.feed.reader import Piece, ReaderOptions
from rpsd.services.book.feed.tardis import TardisReader

HEAD = "exchange,symbol,timestamp,local_timestamp,"
BOOKS = HEAD + "asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,asks[1].price,asks[1].amount,bids[1].price,bids[1].amount\n"
UPDATES = HEAD + "is_snapshot,side,price,amount\n"
US = 1_723_161_255_000_000


def read(text: bytes, cut: int = 1 << 20, on_error: str = "reject") -> tuple[list[Piece], TardisReader]:
    reader = TardisReader(ReaderOptions(on_error=on_error))
    pieces = [piece for at in range(0, len(text), cut) for piece in reader.feed(text[at : at + cut])]
    return pieces + reader.finish(), reader


def tape(pieces: list[Piece]) -> Tape:
    tapes = [piece.feed for piece in pieces]
    assert all(isinstance(one, Tape) for one in tapes)
    return joined(tapes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "at"), [("btcusdt_l10", 0), ("btcusdt_bbo", 1), ("btcusdt_trades", 2)])
def test_the_bundled_files(name: str, at: int) -> None:
    found, expected = tape(read(gzip.decompress(samples.path(name).read_bytes()))[0]), samples.book_tapes()[at]
    for column in ("kind", "t", "received", "sequence", "row", "counts", "quotes", "trades"):
        assert np.array_equal(getattr(found, column), getattr(expected, column)), column
    assert np.array_equal(found.bids, expected.bids)
    assert np.array_equal(found.asks, expected.asks)


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_pieces_do_not_depend_on_how_the_file_is_cut(cut: int) -> None:
    rows = [f"b,S,{US + k},{US + k // 3},{'true' if k < 4 else 'false'},{'bid' if k % 2 else 'ask'},{100 + k},{k}\n" for k in range(20)]
    text = (UPDATES + "".join(rows)).encode()
    whole, cuts = read(text)[0], read(text, cut)[0]
    for column in ("t", "received", "is_snapshot", "side", "price", "size"):
        parts = [np.concatenate([getattr(piece.feed, column) for piece in pieces]) for pieces in (whole, cuts)]
        assert np.array_equal(*parts), column
    lengths = [np.concatenate([np.diff(piece.feed.start) for piece in pieces]) for pieces in (whole, cuts)]  # type: ignore[union-attr]
    assert lengths[0].tolist() == lengths[1].tolist() == [3, 1, 2, 3, 3, 3, 3, 2]  # the end of the snapshot parts a message, too
    assert np.concatenate([piece.lines for piece in whole]).tolist() == [2, 5, 6, 8, 11, 14, 17, 20]


def test_levels_that_are_missing_and_the_order_of_the_columns() -> None:
    found = tape(read(f"{BOOKS}b,S,{US},{US},101,1,100,2,,,99,3\nb,S,{US},{US},,,100,2,,,,\n".encode())[0])
    assert found.counts.tolist() == [[2, 1], [1, 0]]
    assert found.bids.tolist() == [[[100, 2], [99, 3]], [[100, 2], [0, 0]]]
    assert found.asks[0].tolist() == [[101, 1], [0, 0]]
    assert found.t[0] == US * 1000


def test_updates() -> None:
    (piece,), _ = read(f"{UPDATES}b,S,{US},{US},true,bid,100,2\nb,S,{US},{US},true,ask,101,3\n".encode())
    assert isinstance(piece.feed, Updates)
    assert (piece.feed.is_snapshot.tolist(), piece.feed.side.tolist(), piece.feed.size.tolist()) == ([True], [1, -1], [2, 3])


BAD = {
    "fields": ("b,S,1", "expected 12 fields, found 3"),
    "number": (f"b,S,{US},{US},x,1,100,2,102,1,99,3", "expected a number, got 'x'"),
    "milliseconds": (f"b,S,{US // 1000},{US},101,1,100,2,102,1,99,3", "expected microseconds"),
    "no time": (f"b,S,,{US},101,1,100,2,102,1,99,3", "expected microseconds"),
    "another symbol": (f"b,T,{US},{US},101,1,100,2,102,1,99,3", "is of 'T'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_named(name: str) -> None:
    line, reason = BAD[name]
    good = f"b,S,{US},{US},101,1,100,2,102,1,99,3\n"
    text = f"{BOOKS}{good}\n{good}{line}\n{good}".encode()
    with pytest.raises(BadBook, match=f"line 5: .*{reason}") as caught:
        read(text)
    assert [fault.pointer for fault in caught.value.errors] == ["/5"]
    pieces, reader = read(text, on_error="skip")
    assert tape(pieces).n == 3
    assert pieces[0].lines.tolist() == [2, 4, 6]
    assert [(one["row"], one["rule"]) for one in reader.bad.listed] == [(5, "unreadable")]


def test_bad_words_are_named() -> None:
    text = f"{UPDATES}b,S,{US},{US},maybe,bid,1,1\nb,S,{US},{US},true,left,1,1\n".encode()
    with pytest.raises(BadBook, match="line 2: expected one of true, false, got 'maybe'") as caught:
        read(text)
    assert [fault.reason for fault in caught.value.errors][1] == "line 3: expected one of bid, ask, got 'left'"


@pytest.mark.parametrize(
    "header", ["t,close", HEAD, HEAD + "open,high", HEAD + "asks[0].price,asks[0].amount,bids[0].price", "", "b,S,1,2,3"]
)
def test_other_headers_are_refused(header: str) -> None:
    with pytest.raises((BadCsv, MalformedBody)):
        read(f"{header}\n1,2\n".encode() if header else b"")


def test_a_hundred_bad_lines_end_the_reading() -> None:
    with pytest.raises(BadBook) as caught:
        read((BOOKS + "x\n" * 5000).encode())
    assert len(caught.value.errors) == 100
