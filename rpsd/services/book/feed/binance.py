"""Captures of Binance's streams: lines `<local ns> <json>` with depth updates, best bids and offers, trades and REST snapshots.

Source: Binance's API documentation of spot, USD-M and COIN-M futures: streams depth, bookTicker, trade, aggTrade, GET depth.
"""

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from rpsd.core import instant
from rpsd.core.book import NO_SEQUENCE, Integers, Tape, joined
from rpsd.core.errors import BadTime
from rpsd.core.market import Times
from rpsd.services.book.feed.levels import column, cubes, messages
from rpsd.services.book.feed.reader import Piece, Reader

_MILLISECOND_NS: Final = 1_000_000
_TOP: Final = re.compile(r"@depth(5|10|20)(@|$)")
"""Streams that state the first levels anew with each message instead of what changed."""
_BEYOND: Final = 2**63
_LOCAL: Final = re.compile(rb"(\d{16,19})\s+(?=[\[{])")

Stamp = tuple[int, int, int | None]
"""t, received, sequence."""


@dataclass(slots=True)
class _Window:
    """What the lines of a window say, by kind; `after`: how many messages came before each event beside them."""

    message: list[tuple[Stamp, tuple[Any, ...], bool, Any, Any]] = field(default_factory=list)
    quote: list[tuple[Stamp, list[float]]] = field(default_factory=list)
    trade: list[tuple[Stamp, list[float]]] = field(default_factory=list)
    book: list[tuple[Stamp, Any, Any]] = field(default_factory=list)
    beside: list[tuple[str, int, int]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


class BinanceReader(Reader):
    """A capture of one symbol. Lines without the local time have none; what says nothing of a book is counted as ignored."""

    _symbol: str | None = None

    def pieces(self, numbered: list[tuple[int, bytes]]) -> list[Piece]:
        """The updates of these lines with what came beside them, or a tape where there are none."""
        window = _Window()
        for number, line in numbered:
            try:
                self._take(line, number, window)
            except (ValueError, TypeError, KeyError, IndexError, RecursionError, BadTime) as error:
                self.bad.add(number, _reason(error))
                if self.bad.is_settled:
                    break
        return [_piece(window)] if window.message or window.beside else []

    def _take(self, line: bytes, number: int, window: _Window) -> None:
        """Read one line into the window."""
        local = _LOCAL.match(line)
        received = instant.bounded(int(local[1])) if local else 0
        data = json.loads((line[local.end() :] if local else line).decode("utf-8"))
        stream, data = (data.get("stream", ""), data.get("data", data)) if isinstance(data, dict) else ("", data)
        if not isinstance(data, dict):
            raise TypeError
        what = data.get("e", "bookTicker" if "B" in data and "A" in data else "snapshot" if "lastUpdateId" in data else "")
        symbol = data.get("s") or data.get("symbol")
        if self._symbol is not None and symbol is not None and symbol != self._symbol:
            raise ValueError(f"the line is of {str(symbol)[:20]}, the file began with {self._symbol[:20]}")
        if _TOP.search(stream):
            sequence = _id(data.get("u", data.get("lastUpdateId")))
            bids, asks = (_side(data.get(long, data.get(short))) for long, short in (("bids", "b"), ("asks", "a")))
            window.book.append((_stamp(data, received, sequence), bids, asks))
            window.beside.append(("book", len(window.message), number))
        elif what == "depthUpdate":
            ids = tuple(_id(data.get(name)) for name in ("U", "u", "pu"))
            window.message.append((_stamp(data, received, None), ids, False, _side(data["b"]), _side(data["a"])))
            window.lines.append(number)
        elif what == "snapshot":
            ids = (None, _id(data["lastUpdateId"]), None)
            window.message.append((_stamp(data, received, None), ids, True, _side(data["bids"]), _side(data["asks"])))
            window.lines.append(number)
        elif what == "bookTicker":
            cells = [float(data[name]) for name in ("b", "B", "a", "A")]
            window.quote.append((_stamp(data, received, _id(data.get("u"))), cells))
            window.beside.append(("quote", len(window.message), number))
        elif what in ("trade", "aggTrade"):
            cells = [float(data["p"]), float(data["q"]), -1.0 if data["m"] else 1.0]  # m: the buyer rested, so that the seller took
            window.trade.append((_stamp(data, received, None), cells))
            window.beside.append(("trade", len(window.message), number))
        else:
            self.ignored += 1
            return
        self._symbol = self._symbol or symbol


def _piece(window: _Window) -> Piece:
    beside = _beside(window)
    if not window.message:
        assert beside is not None
        return Piece(beside, np.array([number for _, _, number in window.beside]))
    t, received, _ = _columns([one[0] for one in window.message])
    _, ids, flags, bids, asks = zip(*window.message, strict=True)
    updates = messages(t, received, ids, flags, bids, asks)
    if beside is not None:
        updates = replace(updates, beside=beside, after=np.array([after for _, after, _ in window.beside]))
    return Piece(updates, np.array(window.lines))


def _beside(window: _Window) -> Tape | None:
    """The books, quotes and trades of the window in the order of their lines."""
    tapes = []
    if window.book:
        stamps, bids, asks = zip(*window.book, strict=True)
        t, received, sequence = _columns(stamps)
        tapes.append(("book", Tape.of_books(t, *cubes(bids, asks), received, sequence)))
    for name, rows, made in (("quote", window.quote, Tape.of_quotes), ("trade", window.trade, Tape.of_trades)):
        if rows:
            t, received, sequence = _columns([stamp for stamp, _ in rows])
            tapes.append((name, made(t, np.array([cells for _, cells in rows]), received, sequence)))
    if not tapes:
        return None
    names = np.array([name for name, _, _ in window.beside])
    at = np.concatenate([np.flatnonzero(names == name) for name, _ in tapes])
    return joined([tape for _, tape in tapes]).ordered(np.argsort(at))


def _columns(stamps: Any) -> tuple[Times, Times, Integers]:
    t, received, sequence = zip(*stamps, strict=True)
    return np.array(t, np.int64), np.array(received, np.int64), column(sequence, len(t), NO_SEQUENCE)


def _stamp(data: dict[str, Any], received: int, sequence: int | None) -> Stamp:
    """Times of a message: when the exchange acted (T), else when it told (E), else when it was received."""
    told = data.get("T", data.get("E"))
    if told is None and not received:
        raise ValueError("the line has no time: neither T nor E, and no local time before it")
    return (received if told is None else instant.bounded(int(told) * _MILLISECOND_NS)), received, sequence


def _side(levels: Any) -> list[tuple[float, float]]:
    return [(float(level[0]), float(level[1])) for level in levels]


def _id(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _BEYOND:
        raise ValueError(f"{str(value)[:30]!r} is no update id")
    return value


def _reason(error: Exception) -> str:
    """What to say of a line that cannot be read."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON, column {error.colno}: {error.msg[:60]}"
    if isinstance(error, KeyError):
        return f"the field {error.args[0]!r} is missing"
    if isinstance(error, ValueError | BadTime):
        return str(error)[:120]
    return "not a message of Binance"
