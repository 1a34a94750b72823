"""What the channels of order books say: the top of the book and what is foretold from it, both as of the newest record."""

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.errors import InternalError, RpsdError, UnknownBook
from rpsd.services.channel import named
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.services.book.forecast import ForecastService
    from rpsd.services.book.live import LiveBook
    from rpsd.services.book.service import BookService
    from rpsd.services.events import EventHub

PACE_SECONDS: Final = 0.05
"""Between two events of one book: what comes in between is told by the next."""
_REMEMBERED: Final = 4096
_LONGEST_REST_SECONDS: Final = 0.05


class BookTeller:
    """Tells of books that somebody hears, from a thread of its own, in at most half of its time: no write ever waits for it.

    A book that was written to is told as it then stands; the last write is always told. The thread begins with the first that is heard.
    """

    def __init__(self, events: "EventHub", book: "BookService", forecast: "ForecastService", pace_seconds: float = PACE_SECONDS) -> None:
        self._events, self._book, self._forecast, self._pace = events, book, forecast, pace_seconds
        self._news = threading.Condition()
        self._waiting: dict[str, None] = {}
        self._told: dict[str, tuple[float, int]] = {}  # when each book was told last, and in what version
        self._refused: dict[str, str] = {}  # why there was no prediction the last time
        self._thread: threading.Thread | None = None
        self._ended = False
        book.on_moved = self.note

    def note(self, symbol: str) -> None:
        """The book has been written to, and that is durable. Returns at once; costs next to nothing when nobody hears the book."""
        if not (self._events.is_wanted(named("book", symbol)) or self._events.is_wanted(named("prediction", symbol))):
            return
        with self._news:
            if self._ended or symbol in self._waiting:
                return
            self._waiting[symbol] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rpsd-books-told", daemon=True)
                self._thread.start()
            self._news.notify()

    def close(self) -> None:
        """End the thread; safe to repeat."""
        with self._news:
            self._ended = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (symbol := self._next()) is not None:
            began = time.monotonic()
            try:
                self._tell(symbol, began)
            except Exception as error:  # noqa: BLE001 - logged; the next book must be told
                code = error.code if isinstance(error, RpsdError) else InternalError.code
                logger(operation="streams", symbol=symbol).error("a book could not be told", error_code=code, exc_info=error)
            time.sleep(min(time.monotonic() - began, _LONGEST_REST_SECONDS))  # the interpreter belongs to requests

    def _next(self) -> str | None:
        """The book that is due first, once it is; None at the end."""
        with self._news:
            while not self._ended:
                due = {symbol: self._told[symbol][0] + self._pace if symbol in self._told else 0.0 for symbol in self._waiting}
                symbol = min(due, key=due.__getitem__, default=None)
                left = None if symbol is None else due[symbol] - time.monotonic()
                if symbol is not None and left is not None and left <= 0:
                    del self._waiting[symbol]
                    return symbol
                self._news.wait(left)
        return None

    def _tell(self, symbol: str, now: float) -> None:
        try:
            live = self._book.live(symbol)
        except UnknownBook:  # it was deleted meanwhile
            self._told.pop(symbol, None)
            return
        if symbol in self._told and self._told[symbol][1] == live.version:
            return
        self._told[symbol] = (now, live.version)
        if len(self._told) > _REMEMBERED:
            self._told = {name: (at, version) for name, (at, version) in self._told.items() if now - at < self._pace}
        if self._events.is_wanted(channel := named("book", symbol)):
            self._events.publish(channel, _top(live))
        if self._events.is_wanted(channel := named("prediction", symbol)):
            self._foretell(channel, symbol)

    def _foretell(self, channel: str, symbol: str) -> None:
        """Publish what the model in production says; why it says nothing is told once, until the reason is another."""
        try:
            told = json.loads(self._forecast.live(self._forecast.question(symbol, None)).text)
            self._refused.pop(symbol, None)
        except RpsdError as error:
            if self._refused.get(symbol) == error.code:
                return
            if len(self._refused) >= _REMEMBERED:
                self._refused.clear()
            self._refused[symbol] = error.code
            told = {"symbol": symbol, "error": {"code": error.code, "detail": error.detail, "hint": error.advice}}
        self._events.publish(channel, told)


def _top(live: "LiveBook") -> dict[str, Any]:
    """Where the book stands, and the best price and size of each side; null for an empty one."""
    bid, bids, ask, asks = live.tops.tolist()
    return {
        "symbol": live.symbol,
        "state": live.phase.value,
        "bid": [bid, bids] if bids > 0.0 else None,
        "ask": [ask, asks] if asks > 0.0 else None,
        "last": None if live.last_ns is None else instant.text(live.last_ns),
    }
