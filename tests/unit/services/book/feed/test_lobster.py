"""LOBSTER's lines: prints before the book they made, sides of the takers, places that are filled up."""

import pytest

from rpsd.core.book import Event, Tape
from rpsd.core.errors import BadBook, BadTime
from rpsd.services.book.feed.lobster import LobsterReader
from rpsd.services.book.feed.reader import Piece, ReaderOptions

ADDED = "34200.017459617,1,16113575,18,5853300,1,5859400,200,5853300,18"
HIT = "34200.189607670,4,16113575,10,5853300,1,5859400,200,5853300,8"
LIFTED = "34200.25,5,0,7,5859400,-1,5859400,200,5853300,8"
HALT = "34201.0,7,0,0,-1,-1,5859400,200,5853300,8"
EMPTY = "34202.0,3,16113575,8,5853300,1,5859400,200,-9999999999,0"
CROSS = "34203.0,6,-1,500,5855000,-1,9999999999,0,5853300,8"


def read(*lines: str, date: str | None = "2012-06-21", on_error: str = "reject") -> list[Piece]:
    reader = LobsterReader(ReaderOptions(date=date, on_error=on_error))
    return [*reader.feed(("\n".join(lines) + "\n").encode()), *reader.finish()]


def test_lines_become_prints_and_books() -> None:
    (piece,) = read(ADDED, HIT, LIFTED, HALT, EMPTY, CROSS)
    tape = piece.feed
    assert isinstance(tape, Tape)
    book, trade = Event.DEPTH, Event.TRADE
    assert tape.kind.tolist() == [book, trade, book, trade, book, book, trade, book]
    assert piece.lines.tolist() == [1, 2, 2, 3, 3, 5, 6, 6]
    midnight = 1_340_251_200_000_000_000  # 2012-06-21 in New York
    assert tape.t[:4].tolist() == [midnight + ns for ns in (34200017459617, 34200189607670, 34200189607670, 34200250000000)]
    assert tape.trades.tolist() == [[585.33, 10, -1], [585.94, 7, 1], [585.5, 500, 0]]
    assert tape.bids[:, 0].tolist() == [[585.33, 18], [585.33, 8], [585.33, 8], [0, 0], [585.33, 8]]
    assert tape.counts.tolist() == [[1, 1], [1, 1], [1, 1], [0, 1], [1, 0]]
    assert tape.row.tolist() == [0, 0, 1, 1, 2, 3, 2, 4]


@pytest.mark.parametrize(
    "line",
    [
        "34200.0,1,1,18,5853300,1",
        ADDED + ",1",
        "x" + ADDED,
        ADDED.replace(",1,", ",9,", 1),
        "-1" + ADDED[5:],
        ADDED + ",5859500,1,5853200,1",
    ],
)
def test_bad_lines_are_named(line: str) -> None:
    with pytest.raises(BadBook, match="line 2: "):
        read(ADDED, line, HIT)
    (piece,) = read(ADDED, line, HIT, on_error="skip")
    assert piece.lines.tolist() == [1, 3, 3]


def test_the_date_is_needed() -> None:
    with pytest.raises(BadTime, match="the date is missing"):
        read(ADDED, date=None)
