"""What posts about order books may hold, and the tapes and updates they become."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from rpsd.core import instant
from rpsd.core.book import MOST_LEVELS, NO_SEQUENCE, Event, Integers, Tape, Updates, check_room
from rpsd.core.errors import BadBook, BadTime, Fault, InvalidRequest
from rpsd.core.market import SECOND_NS, Times
from rpsd.services.book.feed.levels import column, cubes, filled, messages
from rpsd.web.wire import Body, Instant, Nanoseconds

Level = tuple[float, float]
Prices = list[list[float]]

_MOST_NAMED: Final = 100
_EARLY_1970: Final = 5_000_000 * SECOND_NS
"""The first 58 days of 1970: where seconds, milliseconds and microseconds land when they are taken for nanoseconds."""
_SIDES: Final = {"buy": 1.0, "sell": -1.0, None: 0.0}


class _Record(Body, gc=False, kw_only=True):
    """What all records share: the exchange's time, when it was received, the exchange's update id."""

    timestamp: Instant
    received: Instant | None = None
    sequence: Nanoseconds | None = None
    exchange: str | None = None
    symbol: str | None = None


class SnapshotRow(_Record, gc=False, kw_only=True):
    """A book, each side from the best price on."""

    bids: list[Level]
    asks: list[Level]


class QuoteRow(_Record, gc=False, kw_only=True):
    """The best bid and offer; a side that is empty has no price."""

    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None


class TradeRow(_Record, gc=False, kw_only=True):
    """A trade print; `side` is who took: buy or sell."""

    price: float
    size: float
    side: Literal["buy", "sell"] | None = None


class UpdateRow(_Record, gc=False, kw_only=True):
    """A message of level changes, size 0 where a level is gone; U and u its first and last update id, pu the last of the one before.

    `is_snapshot`: the message states the whole book as of the update id u.
    """

    U: Nanoseconds | None = None
    u: Nanoseconds | None = None
    pu: Nanoseconds | None = None
    is_snapshot: bool = False
    bids: list[Level] = msgspec.field(default_factory=list)
    asks: list[Level] = msgspec.field(default_factory=list)


class _Columns(Body, kw_only=True):
    """A list for each field, all of one length."""

    timestamp: list[Instant]
    received: list[Instant] | None = None
    sequence: list[Nanoseconds] | None = None
    exchange: str | None = None
    symbol: str | None = None


class SnapshotColumns(_Columns, kw_only=True):
    """Books as columns; the lists within are the levels of a record, the best first."""

    bid_prices: Prices
    bid_sizes: Prices
    ask_prices: Prices
    ask_sizes: Prices


class QuoteColumns(_Columns, kw_only=True):
    """Quotes as columns."""

    bid: list[float | None]
    bid_size: list[float | None]
    ask: list[float | None]
    ask_size: list[float | None]


class TradeColumns(_Columns, kw_only=True):
    """Trades as columns."""

    price: list[float]
    size: list[float]
    side: list[Literal["buy", "sell"] | None] | None = None


def snapshots_of_rows(rows: list[SnapshotRow]) -> Tape | Updates:
    """A tape of the books; when one is deeper than a tape may be and all have update ids, updates that each state the whole book.

    Raises BadTime, BadBook (deeper, and no update id).
    """
    deepest = max(max(len(row.bids), len(row.asks)) for row in rows)
    if deepest > MOST_LEVELS and all(row.sequence is not None for row in rows):
        t, received, sequence = _stamps(rows)
        ids = [(one, one, None) for one in sequence.tolist()]
        return messages(t, received, ids, [True] * len(rows), [row.bids for row in rows], [row.asks for row in rows])
    sides = [[row.bids for row in rows], [row.asks for row in rows]]
    _check_depth(sides, lambda at, side: f"/{at}/{('bids', 'asks')[side]}")
    t, received, sequence = _stamps(rows)
    return Tape.of_books(t, *cubes(*sides), received, sequence)


def quotes_of_rows(rows: list[QuoteRow]) -> Tape:
    """A tape of the quotes. Raises BadTime."""
    t, received, sequence = _stamps(rows)
    cells = [cell or 0.0 for row in rows for cell in (row.bid, row.bid_size, row.ask, row.ask_size)]
    return Tape.of_quotes(t, np.array(cells, np.float64).reshape(-1, 4), received, sequence)


def trades_of_rows(rows: list[TradeRow]) -> Tape:
    """A tape of the trades. Raises BadTime."""
    t, received, sequence = _stamps(rows)
    cells = np.array([(row.price, row.size, _SIDES[row.side]) for row in rows], np.float64)
    return Tape.of_trades(t, cells.reshape(-1, 3), received, sequence)


def updates_of_rows(rows: list[UpdateRow]) -> Updates:
    """The messages. Raises BadTime."""
    t, received, sequence = _stamps(rows)
    named = [NO_SEQUENCE if row.u is None else row.u for row in rows]
    last = [
        one if one != NO_SEQUENCE else (None if other == NO_SEQUENCE else other)
        for one, other in zip(named, sequence.tolist(), strict=True)
    ]
    ids = [(row.U, one, row.pu) for row, one in zip(rows, last, strict=True)]
    return messages(t, received, ids, [row.is_snapshot for row in rows], [row.bids for row in rows], [row.asks for row in rows])


def snapshots_of_columns(given: SnapshotColumns) -> Tape:
    """A tape of the books. Raises BadTime, BadBook (lengths, depth)."""
    t, received, sequence = _stamps_of_columns(given, ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes"))
    _check_depth([given.bid_prices, given.ask_prices], lambda at, side: f"/{('bid', 'ask')[side]}_prices/{at}")
    bids, asks = _halves(given.bid_prices, given.bid_sizes, "bid"), _halves(given.ask_prices, given.ask_sizes, "ask")
    counts = np.stack([bids[2], asks[2]], 1)
    levels = max(1, int(counts.max(initial=0)))
    check_room(len(counts), levels, int(counts.sum()))
    cube = [np.stack([filled(cells, lengths, levels) for cells in (prices, sizes)], 2) for prices, sizes, lengths in (bids, asks)]
    return Tape.of_books(t, cube[0], cube[1], counts, received, sequence)


def quotes_of_columns(given: QuoteColumns) -> Tape:
    """A tape of the quotes. Raises BadTime, BadBook."""
    t, received, sequence = _stamps_of_columns(given, ("bid", "bid_size", "ask", "ask_size"))
    columns = [np.array([cell or 0.0 for cell in cells], np.float64) for cells in (given.bid, given.bid_size, given.ask, given.ask_size)]
    return Tape.of_quotes(t, np.stack(columns, 1), received, sequence)


def trades_of_columns(given: TradeColumns) -> Tape:
    """A tape of the trades. Raises BadTime, BadBook."""
    names = ("price", "size") if given.side is None else ("price", "size", "side")
    t, received, sequence = _stamps_of_columns(given, names)
    side = np.zeros(t.size) if given.side is None else np.array([_SIDES[one] for one in given.side], np.float64)
    columns = [np.array(given.price, np.float64), np.array(given.size, np.float64), side]
    return Tape.of_trades(t, np.stack(columns, 1), received, sequence)


@dataclass(frozen=True, slots=True)
class Layout:
    """How posts about one kind of event are read; `symbol`: whose book they go to, None where records may name any."""

    noun: str
    event: Event | None
    row: type[Any]
    columns: type[Any] | None
    of_rows: Callable[[list[Any]], Tape | Updates]
    of_columns: Callable[[Any], Tape] | None
    symbol: str | None = None

    def check_symbols(self, named: Sequence[str | None], place: Callable[[int], str]) -> None:
        """Raise InvalidRequest where a record (n,) names another symbol than the book; signs are passed over: BTCUSDT is BTC-USDT."""
        if self.symbol is None or set(named) == {None}:
            return
        want = _letters(self.symbol)
        faults = [
            Fault(place(at), f"{one[:40]!r} in a post to {self.symbol}")
            for at, one in enumerate(named)
            if one is not None and _letters(one) != want
        ]
        if faults:
            raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults[:_MOST_NAMED])


SNAPSHOTS: Final = Layout("snapshots", Event.DEPTH, SnapshotRow, SnapshotColumns, snapshots_of_rows, snapshots_of_columns)
QUOTES: Final = Layout("quotes", Event.QUOTE, QuoteRow, QuoteColumns, quotes_of_rows, quotes_of_columns)
TRADES: Final = Layout("trades", Event.TRADE, TradeRow, TradeColumns, trades_of_rows, trades_of_columns)
UPDATES: Final = Layout("updates", None, UpdateRow, None, updates_of_rows, None)


def _letters(symbol: str) -> str:
    return "".join(filter(str.isalnum, symbol)).upper()


def _stamps(rows: Sequence[_Record]) -> tuple[Times, Times, Integers]:
    """t, received and sequence (n,) of the rows."""
    t = moments([row.timestamp for row in rows], lambda at: f"/{at}/timestamp")
    given = [row.received for row in rows]
    received = np.zeros(t.size, np.int64) if not any(given) else moments([one or 0 for one in given], lambda at: f"/{at}/received")
    return t, received, column((row.sequence for row in rows), t.size, NO_SEQUENCE)


def _stamps_of_columns(given: _Columns, names: Sequence[str]) -> tuple[Times, Times, Integers]:
    n = len(given.timestamp)
    optional = [name for name in ("received", "sequence") if getattr(given, name) is not None]
    faults = [Fault(f"/{name}", f"{m} entries, {n} timestamps") for name in (*names, *optional) if (m := len(getattr(given, name))) != n]
    if faults:
        raise BadBook(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
    t = moments(given.timestamp, lambda at: f"/timestamp/{at}")
    received = np.zeros(n, np.int64) if given.received is None else moments(given.received, lambda at: f"/received/{at}")
    sequence = np.full(n, NO_SEQUENCE, np.int64) if given.sequence is None else np.array(given.sequence, np.int64)
    return t, received, sequence


def moments(given: Sequence[int | str], place: Callable[[int], str]) -> Times:
    """Nanoseconds (n,) of integers and ISO 8601 texts. Raises BadTime with the places."""
    if len(given) == 1 and type(given[0]) is int and _EARLY_1970 <= given[0] <= instant.LAST_NS:
        return np.array(given, np.int64)  # the usual forecast: one book of these days
    if set(map(type, given)) <= {int}:
        t = np.fromiter(given, np.int64, len(given))
        faults = []
        if t.size and (t.min() < instant.FIRST_NS or t.max() > instant.LAST_NS):
            outside = np.flatnonzero((t < instant.FIRST_NS) | (t > instant.LAST_NS)).tolist()
            faults = [Fault(place(at), "outside 1800 to 2250") for at in outside]
    else:
        t, faults = np.zeros(len(given), np.int64), []
        for at, one in enumerate(given):
            try:
                t[at] = instant.bounded(one) if isinstance(one, int) else instant.parse(one)
            except BadTime as error:
                faults.append(Fault(place(at), error.detail))
    if faults:
        raise BadTime(f"{faults[0].pointer}: {faults[0].reason}", errors=faults[:_MOST_NAMED])
    if t.size and abs(int(t[-1])) < _EARLY_1970 and (np.abs(t) < _EARLY_1970).all() and (t % SECOND_NS != 0).any():
        reason = "all times lie in early 1970: seconds, milliseconds or microseconds were meant"
        raise BadTime(reason, errors=[Fault(place(0), reason)], hint="Send int64 nanoseconds or ISO 8601.")
    return t


def _check_depth(sides: Sequence[Sequence[Any]], place: Callable[[int, int], str]) -> None:
    """Raise BadBook for records of more levels than a tape holds."""
    faults = [
        Fault(place(at, side), f"{len(levels)} levels; at most {MOST_LEVELS} are read")
        for side, records in enumerate(sides)
        if max(map(len, records), default=0) > MOST_LEVELS
        for at, levels in enumerate(records)
        if len(levels) > MOST_LEVELS
    ]
    if faults:
        hint = "Send fewer levels, or the whole depth with its `sequence` (the update id that it states)."
        raise BadBook(f"{faults[0].pointer}: {faults[0].reason}", errors=faults[:_MOST_NAMED], hint=hint)


def _halves(prices: Prices, sizes: Prices, side: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Integers]:
    """All prices (k,), all sizes (k,) and the levels of each record (n,) of one side. Raises BadBook when they do not match."""
    lengths = np.fromiter(map(len, prices), np.int64, len(prices))
    others = np.fromiter(map(len, sizes), np.int64, len(sizes))
    faults = [
        Fault(f"/{side}_sizes/{at}", f"{others[at]} sizes, {lengths[at]} prices") for at in np.flatnonzero(lengths != others).tolist()
    ]
    if faults:
        raise BadBook(f"{faults[0].pointer}: {faults[0].reason}", errors=faults[:_MOST_NAMED])
    flat = [np.fromiter(chain.from_iterable(cells), np.float64, int(lengths.sum())) for cells in (prices, sizes)]
    return flat[0], flat[1], lengths
