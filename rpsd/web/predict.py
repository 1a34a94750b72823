"""Forecasts of order books: from the snapshots of a request, or from a live book."""

from functools import partial
from hashlib import blake2b
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import RawBody
from litestar.response import Response

from rpsd.core.book import MOST_LEVELS, Tape, Updates
from rpsd.core.errors import BadBook, Fault, InvalidRequest, RpsdError
from rpsd.web.book_rows import SnapshotRow, snapshots_of_rows
from rpsd.web.exchange import Exchange, of
from rpsd.web.operation import declare
from rpsd.web.while_warming import warmed
from rpsd.web.wire import JSON, Body, Query, query, read, told

if TYPE_CHECKING:
    from rpsd.services.book.forecast import Answer, ForecastService, Question

_LONG_BODY: Final = (
    1 << 15
)  # bytes: some forty snapshots of ten levels, from where an answer takes a millisecond that others would wait for
_PATHS: Final = ["/api/v1/predict", "/predict"]

Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
ModelName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Tick = Annotated[float, msgspec.Meta(gt=0.0, le=1e12)]


class PredictBody(Body):
    """Snapshots in the order of time, or the symbol of a live book; `tick` is the price step, where only a pooled model serves."""

    symbol: Symbol | None = None
    snapshots: Annotated[list[SnapshotRow], msgspec.Meta(min_length=1, max_length=10_000)] | None = None
    model_name: ModelName | None = None
    include_features: bool = False
    tick: Tick | None = None


class PredictQuery(Query):
    """Which live book, by which model."""

    symbol: Symbol
    model_name: ModelName | None = None
    include_features: bool = False


class Probabilities(msgspec.Struct):
    """Of each outcome of the label; they sum to one."""

    down: float
    flat: float
    up: float


class Prediction(msgspec.Struct):
    """What the model in production says; `timestamp` is the book's, `age_seconds` how old a live book is."""

    symbol: str
    prediction: str
    probabilities: Probabilities
    confidence: float
    calibrated: bool
    horizon: str
    model_name: str
    model_version: int
    timestamp: str
    latency_ms: float
    cache_hit: bool
    features: dict[str, float] | None = None
    age_seconds: float | None = None
    warnings: list[dict[str, str]] | None = None


@post(
    _PATHS,
    opt=declare(
        "predict",
        "Foretell a book by the model in production: `snapshots` in the request, or the live book of `symbol`, never a stale one.",
        "books",
        reads={JSON: PredictBody},
        writes={JSON: Prediction},
    ),
    status_code=200,
)
async def predict(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """A forecast: on the event loop while the model lies in memory and the body is short, else in a thread."""
    started = perf_counter()
    exchange = of(request)
    query(request.scope, Query)
    await warmed(exchange)
    service = exchange.services.forecast
    if len(body) > _LONG_BODY:
        return _written(exchange, await sync_to_thread(_read_and_answered, exchange, body, started))
    key = _digest(exchange, body)
    found = service.again(key, started)
    if found is None:
        given = read(exchange, body, PredictBody)
        asked = _asked(service, given)
        if given.snapshots is None:
            return _written(exchange, await _live(service, asked, started))
        answered = partial(service.of, _tape(given.snapshots), asked, tick=given.tick, key=key, started=started)
        found = answered() if service.is_prompt(asked) else await sync_to_thread(answered)
    return _written(exchange, found)


@get(
    _PATHS,
    opt=declare("predict", "Foretell a live book by the model in production.", "books", query=PredictQuery, writes={JSON: Prediction}),
)
async def predict_live(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A forecast of a live book: on the event loop while book and model lie in memory, else in a thread."""
    started = perf_counter()
    exchange, given = of(request), query(request.scope, PredictQuery)
    await warmed(exchange)
    service = exchange.services.forecast
    return _written(exchange, await _live(service, service.question(given.symbol, given.model_name, given.include_features), started))


async def _live(service: "ForecastService", asked: "Question", started: float) -> "Answer":
    found = service.live_at_hand(asked, started)
    return await sync_to_thread(service.live, asked, started) if found is None else found


def _read_and_answered(exchange: Exchange, body: bytes, started: float) -> "Answer":
    """The answer to a long body; nothing of it is kept."""
    given, service = read(exchange, body, PredictBody), exchange.services.forecast
    asked = _asked(service, given)
    if given.snapshots is None:
        return service.live(asked, started)
    return service.of(_tape(given.snapshots), asked, tick=given.tick, started=started)


def _digest(exchange: Exchange, body: bytes) -> bytes:
    """All that an answer rests on beside model and live book: the body, and how it is read."""
    return blake2b(body, digest_size=16, key=exchange.headers.get(b"content-type", b"")[:64]).digest()


def _asked(service: "ForecastService", given: PredictBody) -> "Question":
    """The question, its symbol told by the request or by its snapshots. Raises InvalidRequest where they differ."""
    symbol = given.symbol
    for row, snapshot in enumerate(given.snapshots or ()):
        if snapshot.symbol is None:
            continue
        symbol = snapshot.symbol if symbol is None else symbol
        if snapshot.symbol.upper() != symbol.upper():
            pointer, reason = f"/snapshots/{row}/symbol", f"{snapshot.symbol[:40]!r} among those of {symbol[:40]!r}"
            raise InvalidRequest(f"{pointer}: {reason}", errors=[Fault(pointer, reason)])
    return service.question(symbol, given.model_name, given.include_features)


def _tape(snapshots: list[SnapshotRow]) -> Tape:
    """The snapshots as a tape. Raises BadTime, BadBook, both with the places in the request."""
    try:
        tape = snapshots_of_rows(snapshots)
    except RpsdError as error:
        error.errors = tuple(Fault(f"/snapshots{fault.pointer}", fault.reason) for fault in error.errors)
        raise
    if isinstance(tape, Updates):
        reason = f"a snapshot has more than {MOST_LEVELS} levels a side"
        raise BadBook(reason, errors=[Fault("/snapshots", reason)], hint="Send fewer levels: features look at ten.")
    return tape


def _written(exchange: Exchange, found: "Answer") -> Response[bytes]:
    exchange.operation, exchange.samples = "predict", 1
    exchange.extra |= {"symbol": found.symbol, "latency_ms": found.latency_ms, "confidence": round(found.confidence, 6)}
    return told(exchange, found.text)


ROUTES: Final = (predict, predict_live)
