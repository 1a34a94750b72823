"""Series and their samples: columns and rows in JSON and MessagePack, CSV and NDJSON of any size, in and out."""

import asyncio
import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, delete, get, post
from litestar.params import FromPath
from litestar.response import Response, Stream

from rpsd.core.errors import Fault, InvalidRequest
from rpsd.core.instant import texts
from rpsd.core.market import interval as checked_interval
from rpsd.core.market import symbol as checked_symbol
from rpsd.services.intake.csv_text import csv_text
from rpsd.services.intake.ndjson_text import ndjson_text
from rpsd.web.exchange import Exchange, digest_of, of
from rpsd.web.msgpack import decoded_msgpack
from rpsd.web.operation import declare
from rpsd.web.wire import CSV, JSON, MSGPACK, NDJSON, Page, Query, accepted, answer, cells, decoded_json, media_type, moment, query, span

if TYPE_CHECKING:
    from rpsd.core.market import Samples
    from rpsd.services.idempotency import Once
    from rpsd.services.intake.ingest import Parsed

_SLICE: Final = 1 << 20  # text is parsed a MiB at a time: large enough for the kernel, small enough for memory


class SeriesInfo(msgspec.Struct):
    """A series and what it holds."""

    symbol: str
    interval: str
    columns: list[str]
    unit: str | None
    first: str | None
    last: str | None
    rows: int
    gaps: int | None = None
    quality_score: float | None = None


class SeriesDetails(SeriesInfo):
    """A series with the columns that were computed from it and kept; `samples?columns=` reads them by name."""

    derived: list[dict[str, Any]] = []


class SeriesPage(msgspec.Struct):
    """A page of series."""

    series: list[SeriesInfo]
    next: str | None = None


class Rejected(msgspec.Struct):
    """A row that was not stored."""

    row: int
    reason: str


class Appended(msgspec.Struct):
    """What became of the rows."""

    accepted: int
    inserted: int
    updated: int
    unchanged: int
    rejected: list[Rejected]
    last: str | None


class SamplesQuery(Query):
    """Which samples."""

    start: str | None = None
    end: str | None = None
    columns: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    as_of: str | None = None
    time: Literal["iso", "ns"] = "iso"


class AppendQuery(Query):
    """How rows are read."""

    on_error: Literal["reject", "skip"] = "reject"
    date_format: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    tz: Annotated[str, msgspec.Meta(max_length=64)] | None = None


@get(
    "/api/v1/series",
    opt=declare("read", "The stored series, by symbol and interval.", "series", query=Page, writes={JSON: SeriesPage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the series."""
    asked = query(request.scope, Page)
    rows, following = of(request).services.series.page(asked.after, asked.limit)
    return answer(of(request), {"series": rows, "next": following})


@get(
    "/api/v1/series/{symbol:str}/{interval:str}",
    opt=declare("read", "One series: columns, range, rows, gaps, and what is derived from it.", "series", writes={JSON: SeriesDetails}),
    sync_to_thread=True,
)
def info(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str]) -> Response[bytes]:
    """What is known of a series."""
    return answer(of(request), of(request).services.series.info(symbol, interval))


@post(
    "/api/v1/series/{symbol:str}/{interval:str}/samples",
    opt=declare(
        "ingest",
        "Store rows: columns {t, close, …} or rows {rows: [{t, close}]} in JSON or MessagePack, CSV with a header, NDJSON, a row a line. "
        "The first post creates the series.",
        "series",
        query=AppendQuery,
        reads={JSON: dict[str, list[Any]], CSV: None, NDJSON: None},
        writes={JSON: Appended},
        once=True,
    ),
    status_code=200,
)
async def append(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str]) -> Response[bytes]:
    """Store rows; all or nothing unless on_error=skip."""
    exchange = of(request)
    symbol, interval = checked_symbol(symbol), checked_interval(interval)
    asked = query(request.scope, AppendQuery)
    kind = media_type(exchange, JSON, CSV, NDJSON, MSGPACK)
    if kind in (CSV, NDJSON):
        parsed, digest = await _streamed(request, interval, asked, kind)
    else:
        body = await request.body()
        parsed, digest = await asyncio.to_thread(_whole, body, interval, asked, kind)
    asked_how = request.scope["query_string"].decode("latin-1")  # the same body under another ?tz= is another request
    route = f"POST /api/v1/series/{symbol}/{interval}/samples{asked_how and '?'}{asked_how}"
    return await asyncio.to_thread(_store, exchange, symbol, interval, parsed, exchange.once(route, digest))


async def _streamed(request: Request[Any, Any, Any], interval: str, asked: AppendQuery, kind: str) -> "tuple[Parsed, str]":
    """Rows of a CSV or NDJSON body, parsed in a thread while the next piece arrives; memory holds the columns and one piece."""
    from rpsd.services.intake.ingest import CsvReader, NdjsonReader

    made = CsvReader if kind == CSV else NdjsonReader
    reader = made(interval, tz=asked.tz, date_format=asked.date_format, on_error=asked.on_error)
    digest = hashlib.blake2b(digest_size=32)
    held, size = [], 0
    async for chunk in request.stream():
        held.append(chunk)
        size += len(chunk)
        if size >= _SLICE:
            await asyncio.to_thread(_feed, reader, digest, b"".join(held))
            held, size = [], 0
    await asyncio.to_thread(_feed, reader, digest, b"".join(held))
    return await asyncio.to_thread(reader.finish), digest.hexdigest()


def _feed(reader: Any, digest: Any, piece: bytes) -> None:
    digest.update(piece)
    if piece:
        reader.feed(piece)


def _whole(body: bytes, interval: str, asked: AppendQuery, kind: str) -> "tuple[Parsed, str]":
    """Rows of a JSON or MessagePack body, which is read as one."""
    from rpsd.services.intake.ingest import from_json

    given = decoded_msgpack(body, finite=False) if kind == MSGPACK else decoded_json(body)
    return from_json(given, interval, tz=asked.tz, date_format=asked.date_format, on_error=asked.on_error), digest_of(body)


def _store(exchange: Exchange, symbol: str, interval: str, parsed: "Parsed", once: "Once | None") -> Response[bytes]:
    exchange.operation, exchange.samples = "append", parsed.samples.n
    stored = exchange.services.series.append(
        symbol,
        interval,
        parsed.samples,
        rejected=parsed.rejected,
        by=exchange.actor,
        once=once,
    )
    return answer(exchange, stored)


@get(
    "/api/v1/series/{symbol:str}/{interval:str}/samples",
    opt=declare(
        "read",
        "Stored rows as columns {symbol, interval, t, <column>…, next} in JSON or MessagePack, or as CSV or NDJSON, where the header "
        "Rpsd-Next stands for `next`. null is a missing cell. `end` is inclusive.",
        "series",
        query=SamplesQuery,
        writes={JSON: dict[str, Any], CSV: None, NDJSON: None},
    ),
    sync_to_thread=True,
)
def samples(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str]) -> Response[Any]:
    """Rows of a series; `next` is the start of the rest when the limit cut it."""
    exchange = of(request)
    asked = query(request.scope, SamplesQuery)
    kind = accepted(exchange, JSON, CSV, NDJSON, MSGPACK)
    start_ns, end_ns = span(asked.start, asked.end)
    found = exchange.services.series.read(
        symbol,
        interval,
        start_ns=start_ns,
        end_ns=end_ns,
        columns=asked.columns.split(",") if asked.columns else None,
        limit=asked.limit + 1,
        as_of_ns=moment(asked.as_of, "/query/as_of"),
    )
    n = _page_end(found, asked.limit)
    following = str(int(found.t[n])) if found.n > n else None
    exchange.operation, exchange.samples = "samples", n
    if kind in (CSV, NDJSON):
        headers = {"rpsd-next": following} if following else {}
        columns = {name: values[:n] for name, values in found.columns.items()}
        available = None if found.available_at is None else found.available_at[:n]
        write, piece = csv_text if kind == CSV else ndjson_text, exchange.services.settings.performance.chunk_size
        return Stream(write(found.t[:n], columns, available, ns=asked.time == "ns", piece=piece), media_type=kind, headers=headers)
    times = found.t[:n].tolist() if asked.time == "ns" else texts(found.t[:n])
    table: dict[str, Any] = {name: cells(values[:n]) for name, values in found.columns.items()}
    if found.available_at is not None:
        table["available_at"] = found.available_at[:n].tolist() if asked.time == "ns" else texts(found.available_at[:n])
    return answer(exchange, {"symbol": checked_symbol(symbol), "interval": interval, "t": times, **table, "next": following})


def _page_end(found: "Samples", limit: int) -> int:
    """How many rows the page holds: rows of one time, which ticks may have, are not torn apart. Raises InvalidRequest."""
    if found.n <= limit:
        return found.n
    n = int(np.searchsorted(found.t, found.t[limit], "left"))
    if n == 0:
        reason = "more rows than this lie at one time"
        raise InvalidRequest(f"limit: {reason}", errors=[Fault("/query/limit", reason)], hint="Ask for a higher limit.")
    return n


@delete(
    "/api/v1/series/{symbol:str}/{interval:str}",
    opt=declare("admin", "Delete a series with its revisions and derived columns.", "series", writes={JSON: dict[str, Any]}),
    status_code=200,
    sync_to_thread=True,
)
def remove(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str]) -> Response[bytes]:
    """Delete a series; audited."""
    exchange = of(request)
    exchange.services.series.delete(symbol, interval, exchange.actor)
    return answer(exchange, {"deleted": {"symbol": checked_symbol(symbol), "interval": interval}})


ROUTES: Final = (page, info, append, samples, remove)
