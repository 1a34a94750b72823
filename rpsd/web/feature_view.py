"""Feature views: their versions, how far each is materialised, and the vector of an entity now."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job
from rpsd.web.wire import JSON, Body, Page, Query, answer, moment, query, read

Entity = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class ViewInfo(msgspec.Struct):
    """A version of a view; `graph` is the hash of all that its numbers depend on."""

    name: str
    version: int
    definition: dict[str, Any]
    features: list[str]
    inputs: list[str]
    lookback: int
    graph: str
    created: str
    created_by: str


class ViewPage(msgspec.Struct):
    """A page of views: the newest version of each name."""

    views: list[ViewInfo]
    next: str | None = None


class ViewVersions(msgspec.Struct):
    """Every version of a view, the newest first."""

    versions: list[ViewInfo]


class Materialised(msgspec.Struct):
    """How far a view is for one series; `waits`: a late or revised bar has not been taken in yet."""

    entity: str
    version: int
    rows: int
    until: str | None
    known: str | None
    quality: float | None
    waits: bool


class EntityPage(msgspec.Struct):
    """A page of the series that a view is kept for."""

    entities: list[Materialised]
    next: str | None = None


class Definition(Body):
    """A view: features of the catalogue or transforms of them, and views whose columns it takes over."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    features: list[str | dict[str, Any]] = msgspec.field(default_factory=list)
    views: list[str] = msgspec.field(default_factory=list)


class Entities(Body):
    """The series to compute; without them all that have the view's columns."""

    entities: Annotated[list[Entity], msgspec.Meta(min_length=1, max_length=10_000)] | None = None


class VectorQuery(Query):
    """Whose vector, when, and of which graph."""

    entity: Entity
    as_of: str | None = None
    expect: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Vector(msgspec.Struct):
    """Features of the last closed bar; null where one cannot be told."""

    view: str
    version: int
    graph: str
    entity: str
    event_time: str
    known_time: str
    freshness_seconds: float
    quality: float
    faults: list[dict[str, Any]]
    features: dict[str, float | None]
    warnings: list[dict[str, str]]
    as_of: str | msgspec.UnsetType = msgspec.UNSET


@get(
    "/api/v1/feature-views",
    opt=declare("read", "The feature views, the newest version of each.", "features", query=Page, writes={JSON: ViewPage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the views."""
    exchange, asked = of(request), query(request.scope, Page)
    found, following = exchange.services.feature.views.page(asked.after, asked.limit)
    return answer(exchange, {"views": found, "next": following})


@post(
    "/api/v1/feature-views",
    opt=declare(
        "train",
        "Register a view. The same definition again gives the version that has it; another one makes a further version.",
        "features",
        reads={JSON: Definition},
        writes={JSON: ViewInfo},
        once=True,
    ),
    status_code=200,
    sync_to_thread=True,
)
def register(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Register a view; audited."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, Definition)
    definition = {"features": asked.features, "views": asked.views}
    once = exchange.once("POST /api/v1/feature-views", digest_of(body))
    return answer(exchange, exchange.services.feature.views.register(asked.name, definition, exchange.actor, once))


@get(
    "/api/v1/feature-views/{view:str}",
    opt=declare("read", "Every version of a view.", "features", writes={JSON: ViewVersions}),
    sync_to_thread=True,
)
def versions(request: Request[Any, Any, Any], view: FromPath[str]) -> Response[bytes]:
    """The versions."""
    return answer(of(request), {"versions": of(request).services.feature.views.versions(view)})


@get(
    "/api/v1/feature-views/{view:str}/entities",
    opt=declare("read", "The series that a view is kept for, and how far it is.", "features", query=Page, writes={JSON: EntityPage}),
    sync_to_thread=True,
)
def entities(request: Request[Any, Any, Any], view: FromPath[str]) -> Response[bytes]:
    """A page of entities."""
    exchange, asked = of(request), query(request.scope, Page)
    found, following = exchange.services.feature.views.entities(view, asked.after, asked.limit)
    return answer(exchange, {"entities": found, "next": following})


@post(
    "/api/v1/feature-views/{view:str}/materialize",
    opt=declare(
        "train",
        "Compute what is new of a view, for the entities named, or for all series that have its columns; it is kept for them from then on.",
        "features",
        reads={JSON: Entities},
        writes={JSON: Accepted},
        status=202,
        once=True,
    ),
    status_code=202,
    sync_to_thread=True,
)
def materialise(request: Request[Any, Any, Any], view: FromPath[str], body: RawBody) -> Response[bytes]:
    """Queue the job; 202."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, Entities) if body.strip() else Entities()
    once = exchange.once(f"POST /api/v1/feature-views/{view}/materialize", digest_of(body))
    return accepted_job(exchange, exchange.services.feature.materialiser.submit(view, asked.entities, by=exchange.actor, once=once))


@get(
    "/api/v1/feature-views/{view:str}/vector",
    opt=declare(
        "read",
        "The features of the last closed bar of an entity (SYMBOL:INTERVAL, SYMBOL alone means 1d), or as of a moment. `view` may name its "
        "version: core_technical@2. `expect` is a graph hash; another graph answers 409.",
        "features",
        query=VectorQuery,
        writes={JSON: Vector},
    ),
    sync_to_thread=True,
)
def vector(request: Request[Any, Any, Any], view: FromPath[str]) -> Response[bytes]:
    """The vector."""
    exchange, asked = of(request), query(request.scope, VectorQuery)
    as_of_ns = moment(asked.as_of, "/query/as_of")
    return answer(exchange, exchange.services.feature.vectors.of(view, asked.entity, as_of_ns=as_of_ns, expect=asked.expect))


ROUTES: Final = (page, register, versions, entities, materialise, vector)
