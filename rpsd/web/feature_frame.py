"""Point-in-time frames of features: the rows of an entity over a range, or what was known at each of many moments."""

from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response, Stream

from rpsd.core.instant import text, texts
from rpsd.services.feature.text import MEDIA, written
from rpsd.web.exchange import Exchange, of
from rpsd.web.operation import declare
from rpsd.web.wire import CSV, JSON, MSGPACK, NDJSON, Body, Instant, Query, accepted, answer, cells, instant, moment, query, read, span

Time = Literal["iso", "ns"]


class FrameQuery(Query):
    """Which rows; `end` is inclusive."""

    entity: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    start: str | None = None
    end: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    as_of: str | None = None
    expect: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    time: Time = "iso"


class Pairs(Body):
    """Moments to look at: [[entity, time], …]."""

    pairs: Annotated[list[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], Instant]], msgspec.Meta(max_length=10_000)]
    as_of: Instant | None = None
    expect: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    time: Time = "iso"


class Frame(msgspec.Struct):
    """Rows as columns: `t` the labels of the bars, `known_at` when the last input of each row was known, and the features."""

    view: str
    version: int
    graph: str
    entity: str
    reading: Literal["as_known", "as_of"]
    t: list[Any]
    known_at: list[Any]
    features: dict[str, list[float | None]]
    next: str | None = None


class Joined(msgspec.Struct):
    """For each pair the last row that was known then, null where there was none."""

    view: str
    version: int
    graph: str
    reading: Literal["as_known", "as_of"]
    entity: list[str]
    t: list[Any]
    event_time: list[Any]
    known_at: list[Any]
    features: dict[str, list[float | None]]


@get(
    "/api/v1/feature-views/{view:str}/frame",
    opt=declare(
        "read",
        "Rows of a view, point in time: each as it was known at its own moment, or with as_of all as they were known then. JSON columns, "
        "MessagePack, CSV or NDJSON; the header Rpsd-Next stands for `next` there.",
        "features",
        query=FrameQuery,
        writes={JSON: Frame, CSV: None, NDJSON: None},
    ),
    sync_to_thread=True,
)
def frame(request: Request[Any, Any, Any], view: FromPath[str]) -> Response[Any]:
    """Rows over a range."""
    exchange, asked = of(request), query(request.scope, FrameQuery)
    kind = accepted(exchange, JSON, CSV, NDJSON, MSGPACK)
    start_ns, end_ns = span(asked.start, asked.end)
    found = exchange.services.feature.frames.read(
        view,
        asked.entity,
        start_ns=start_ns,
        end_ns=end_ns,
        limit=asked.limit,
        as_of_ns=moment(asked.as_of, "/query/as_of"),
        expect=asked.expect,
    )
    exchange.operation, exchange.samples = "frame", int(found.piece.t.size)
    following = None if found.next_ns is None else text(found.next_ns)
    marks = {"t": _moments(found.piece.t, asked.time), "known_at": _moments(found.piece.known, asked.time)}
    if kind in MEDIA:
        return _stream(exchange, kind, marks, found.graph.names, found.piece.features, {"rpsd-next": following} if following else {})
    facts = {"view": found.view.name, "version": found.view.version, "graph": found.graph.hash, "entity": found.entity}
    return answer(exchange, {**facts, "reading": found.reading, **marks, "features": _cells(found), "next": following})


@post(
    "/api/v1/feature-views/{view:str}/frame",
    opt=declare(
        "read",
        "For each pair of entity and moment the last row that was known then: a point-in-time join for training sets.",
        "features",
        reads={JSON: Pairs},
        writes={JSON: Joined, CSV: None, NDJSON: None},
    ),
    status_code=200,
    sync_to_thread=True,
)
def join(request: Request[Any, Any, Any], view: FromPath[str], body: RawBody) -> Response[Any]:
    """Rows at many moments; writes nothing."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, Pairs)
    kind = accepted(exchange, JSON, CSV, NDJSON, MSGPACK)
    pairs = [(entity, instant(t, f"/pairs/{place}/1")) for place, (entity, t) in enumerate(asked.pairs)]
    as_of_ns = _as_of(asked.as_of)
    found = exchange.services.feature.frames.join(view, pairs, as_of_ns=as_of_ns, expect=asked.expect)
    exchange.operation, exchange.samples = "frame", len(pairs)
    marks = {
        "entity": [entity for entity, _ in pairs],
        "t": _moments(np.array([t for _, t in pairs], np.int64), asked.time),
        "event_time": _moments(found.event, asked.time, found.there),
        "known_at": _moments(found.known, asked.time, found.there),
    }
    if kind in MEDIA:
        return _stream(exchange, kind, marks, found.graph.names, found.features, {})
    facts = {"view": found.view.name, "version": found.view.version, "graph": found.graph.hash}
    columns = {name: cells(found.features[:, i]) for i, name in enumerate(found.graph.names)}
    return answer(exchange, {**facts, "reading": "as_known" if as_of_ns is None else "as_of", **marks, "features": columns})


def _as_of(given: int | str | None) -> int | None:
    return moment(given, "/as_of")


def _cells(found: Any) -> dict[str, list[float | None]]:
    return {name: cells(found.piece.features[:, i]) for i, name in enumerate(found.graph.names)}


def _moments(t: Any, time: Time, there: Any = None) -> list[Any]:
    """Times (n,) as text or ns; None where `there` (n,) says that none is."""
    told: list[Any] = t.tolist() if time == "ns" else texts(t)
    return told if there is None else [one if is_there else None for one, is_there in zip(told, there.tolist(), strict=True)]


def _stream(exchange: Exchange, kind: str, marks: Any, names: Any, features: Any, headers: dict[str, str]) -> Stream:
    piece = exchange.services.settings.performance.chunk_size
    return Stream(written(kind, marks, names, features, piece=piece), media_type=kind, headers=headers)


ROUTES: Final = (frame, join)
