"""Live order books: fed by snapshots, updates, quotes and trades, read with their features, their faults and their state."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath
from litestar.response import Response

from rpsd.core.errors import Fault, InvalidRequest, RpsdError
from rpsd.core.instant import texts
from rpsd.core.market import symbol as checked_symbol
from rpsd.web import book_wire
from rpsd.web.book_stream import streamed
from rpsd.web.exchange import Exchange, digest_of, of
from rpsd.web.operation import declare
from rpsd.web.while_warming import warmed
from rpsd.web.wire import CSV, FLOATS, JSON, NDJSON, Page, Query, answer, cells, media_type, query, span

if TYPE_CHECKING:
    from rpsd.services.idempotency import Once
    from rpsd.web.book_rows import Layout
    from rpsd.web.book_wire import Given

_RESUME: Final = (
    "Send it without; after a break send the whole file again with ?on_error=skip: what is known by its id or time is passed over."
)
Tick = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class BookInfo(msgspec.Struct):
    """A book: its state and what it waits for, its price step, what it holds, and the bad records by rule."""

    symbol: str
    state: str
    waits_for: str | None
    tick: float | None
    levels: int
    events: int
    first: str | None
    last: str | None
    received: str | None
    faults: dict[str, int]


class BookDetails(BookInfo):
    """A book with its levels, price and size with the best first, and its features after the last event."""

    repaired: int
    negative_latency: int
    schema: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    features: dict[str, float] | None


class BookPage(msgspec.Struct):
    """A page of books."""

    books: list[BookInfo]
    next: str | None = None


class BadRecord(msgspec.Struct):
    """A record that was not stored."""

    row: int
    rule: str
    reason: str


class BookFed(msgspec.Struct):
    """What became of the records: `skipped` are duplicates, `counts` tells of all bad ones by rule, `rejected` names the first hundred.

    `ignored`: lines of a file that say nothing of a book.
    """

    accepted: int
    repaired: int
    skipped: int
    rejected: list[BadRecord]
    counts: dict[str, int]
    state: str
    last: str | None
    ignored: int = 0


class BookFault(msgspec.Struct):
    """A record that was put aside: its rule, its place in its request, its time, and how it begins."""

    rule: str
    reason: str
    row: int
    t: str | None
    noted: str
    excerpt: str


class BookFaults(msgspec.Struct):
    """Records that were put aside, the newest first; `counts` tells of all by rule, those that were refused included."""

    symbol: str
    counts: dict[str, int]
    faults: list[BookFault]


class FeedQuery(Query):
    """How records are taken; `tick` states the price step once and for all.

    `format` streams a file of another layout, stored piece by piece: lobster (with the `date`, and `tz` unless New York), tardis, binance.
    """

    on_error: Literal["reject", "skip"] = "reject"
    tick: Tick | None = None
    format: Literal["lobster", "tardis", "binance"] | None = None
    date: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    tz: Annotated[str, msgspec.Meta(max_length=64)] = "America/New_York"


class FaultsQuery(Query):
    """Which records."""

    rule: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class FeaturesQuery(Query):
    """Which events."""

    start: str | None = None
    end: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    time: Literal["iso", "ns"] = "iso"
    further: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    bar: str = "1s"
    window: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 20


@get(
    "/api/v1/books",
    opt=declare("read", "The live order books, by symbol.", "books", query=Page, writes={JSON: BookPage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the books."""
    asked = query(request.scope, Page)
    rows, following = of(request).services.book.page(asked.after, asked.limit)
    return answer(of(request), {"books": rows, "next": following})


@get(
    "/api/v1/books/{symbol:str}",
    opt=declare("read", "One book as it stands: state, levels, features, totals.", "books", writes={JSON: BookDetails}),
    sync_to_thread=True,
)
def info(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """A book as it stands."""
    query(request.scope, Query)
    return answer(of(request), of(request).services.book.info(symbol))


def _declared(summary: str, row: Any, columns: Any, *, frames: bool = True) -> dict[str, Any]:
    reads: dict[str, Any] = {JSON: list[row] | columns if columns is not None else list[row], NDJSON: None}
    reads |= {FLOATS: None} if frames else {}
    reads |= {CSV: None}
    return declare("ingest", summary, "books", query=FeedQuery, reads=reads, writes={JSON: BookFed}, once=True)


@post(
    "/api/v1/books/{symbol:str}/snapshots",
    opt=_declared(
        "Take in whole books: a list of records or columns in JSON or MessagePack, NDJSON, or binary frames. The first creates the book.",
        book_wire.SNAPSHOTS.row,
        book_wire.SNAPSHOTS.columns,
    ),
    status_code=200,
)
async def snapshots(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Take in snapshots."""
    return await _fed(request, symbol, "snapshots", book_wire.SNAPSHOTS)


@post(
    "/api/v1/books/{symbol:str}/quotes",
    opt=_declared("Take in best bids and offers; each replaces the top of the known book.", book_wire.QUOTES.row, book_wire.QUOTES.columns),
    status_code=200,
)
async def quotes(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Take in quotes."""
    return await _fed(request, symbol, "quotes", book_wire.QUOTES)


@post(
    "/api/v1/books/{symbol:str}/trades",
    opt=_declared("Take in trade prints.", book_wire.TRADES.row, book_wire.TRADES.columns),
    status_code=200,
)
async def trades(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Take in trades."""
    return await _fed(request, symbol, "trades", book_wire.TRADES)


@post(
    "/api/v1/books/{symbol:str}/updates",
    opt=_declared(
        "Take in incremental level changes, checked by their update ids; 409 book_gap when some are missing: send a snapshot then.",
        book_wire.UPDATES.row,
        None,
        frames=False,
    ),
    status_code=200,
)
async def updates(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Take in updates."""
    return await _fed(request, symbol, "updates", book_wire.UPDATES)


async def _fed(request: Request[Any, Any, Any], symbol: str, noun: str, layout: "Layout") -> Response[bytes]:
    """Read the body and take in its records; all or nothing unless on_error=skip."""
    exchange, symbol = of(request), checked_symbol(symbol)
    asked = query(request.scope, FeedQuery)
    await warmed(exchange)
    if asked.format is not None:
        if exchange.header(b"idempotency-key"):
            reason = "a file is stored piece by piece, and no key covers it"
            raise InvalidRequest(f"Idempotency-Key: {reason}", errors=[Fault("/header/Idempotency-Key", reason)], hint=_RESUME)
        from rpsd.services.book.feed.reader import ReaderOptions

        exchange.operation = noun
        options = ReaderOptions(asked.on_error, asked.date, asked.tz)
        return answer(exchange, await streamed(request, symbol, asked.format, options, asked.tick))
    kind = media_type(exchange, *book_wire.KINDS)
    body = await request.body()
    asked_how = request.scope["query_string"].decode("latin-1")  # the same body under another ?tick= is another request
    route = f"POST /api/v1/books/{symbol}/{noun}{asked_how and '?'}{asked_how}"
    return await asyncio.to_thread(_take, exchange, (symbol, noun, route), (body, kind, layout), asked)


def _take(exchange: Exchange, where: tuple[str, str, str], what: "tuple[bytes, str, Layout]", asked: FeedQuery) -> Response[bytes]:
    symbol, noun, route = where
    body, kind, layout = what
    once = exchange.once(route, digest_of(body)) if exchange.header(b"idempotency-key") else None
    most = exchange.services.settings.server.max_body_bytes // 4
    given = book_wire.records(body, kind, replace(layout, symbol=symbol), on_error=asked.on_error, most=most)
    exchange.operation, exchange.samples = noun, given.feed.n
    return answer(exchange, _ingested(exchange, symbol, given, asked, once))


def _ingested(exchange: Exchange, symbol: str, given: "Given", asked: FeedQuery, once: "Once | None") -> dict[str, Any]:
    """The service's answer, or its error, by the places of the body."""
    tick = asked.tick or given.tick
    try:
        done = exchange.services.book.ingest(symbol, given.feed, on_error=asked.on_error, by=exchange.actor, once=once, tick=tick)
    except RpsdError as error:
        raise given.placed(error) from error.__cause__
    return given.merged(done)


@get(
    "/api/v1/books/{symbol:str}/features",
    opt=declare(
        "read",
        "Features after each event of a range, as columns {symbol, schema, t, kind, bid, bid_size, ask, ask_size, <feature>…, next}; "
        "computed anew from the tape, bit for bit as they were live. `end` is inclusive. `further` names features beside the 27.",
        "books",
        query=FeaturesQuery,
        writes={JSON: dict[str, Any]},
    ),
    sync_to_thread=True,
)
def features(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Features over a range; `next` is the start of the rest when the limit cut it."""
    from rpsd.book.features import FEATURES, SCHEMA  # numerics wait for the warm-up
    from rpsd.core.book import Event

    exchange, asked = of(request), query(request.scope, FeaturesQuery)
    start_ns, end_ns = span(asked.start, asked.end)
    found, following = exchange.services.book.features(symbol, start_ns, end_ns, asked.limit)
    exchange.operation, exchange.samples = "features", int(found["t"].size)
    kinds = [event.name.lower() for event in Event]
    table: dict[str, Any] = {
        "symbol": checked_symbol(symbol),
        "schema": SCHEMA,
        "t": found["t"].tolist() if asked.time == "ns" else texts(found["t"]),
        "kind": [kinds[kind] for kind in found["kind"].tolist()],
    }
    table |= {name: cells(found["tops"][:, at]) for at, name in enumerate(("bid", "bid_size", "ask", "ask_size"))}
    table |= {feature.name: cells(found["features"][:, at]) for at, feature in enumerate(FEATURES)}
    if asked.further is not None:
        from rpsd.services.book.further import Bars

        bars = Bars(asked.bar, asked.window)
        beside, facts = exchange.services.book_further.of(table["symbol"], found, asked.further.split(","), bars)
        table |= {name: cells(column) for name, column in beside.items()} | ({} if facts is None else {"fitted": facts})
    return answer(exchange, table | {"next": None if following is None else str(following)})


@get(
    "/api/v1/books/{symbol:str}/faults",
    opt=declare(
        "read", "Bad records of a book: counted by rule, the newest listed.", "books", query=FaultsQuery, writes={JSON: BookFaults}
    ),
    sync_to_thread=True,
)
def faults(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """The bad records of a book."""
    asked, service = query(request.scope, FaultsQuery), of(request).services.book
    counts, listed = service.faults(symbol, asked.rule, asked.limit)
    return answer(of(request), {"symbol": checked_symbol(symbol), "counts": counts, "faults": listed})


@get(
    "/api/v1/book-features",
    opt=declare("read", "The features of order books: formula, unit, range, symmetry and source.", "books", writes={JSON: dict[str, Any]}),
    sync_to_thread=True,
)
def catalogue(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The catalogue of book features."""
    from rpsd.services.book.answer import catalogue as told

    query(request.scope, Query)
    return answer(of(request), told())


@delete(
    "/api/v1/books/{symbol:str}",
    opt=declare("admin", "Delete a book with its tape.", "books", writes={JSON: dict[str, Any]}),
    status_code=200,
    sync_to_thread=True,
)
def remove(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Delete a book; audited."""
    exchange = of(request)
    exchange.services.book.delete(symbol, exchange.actor)
    return answer(exchange, {"deleted": {"symbol": checked_symbol(symbol)}})


ROUTES: Final = (page, info, snapshots, quotes, trades, updates, features, faults, catalogue, remove)
