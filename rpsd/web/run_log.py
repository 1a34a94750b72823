"""What is logged into runs, and read from them: parameters, metrics, tags, artifacts."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core import instant
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.run_wire import PointBody, Text, points_of
from rpsd.web.wire import FLOATS, JSON, Body, Page, Query, answer, query, read

OCTETS: Final = FLOATS


class ParamsBody(Body):
    """Parameters by name; once set they never change."""

    params: dict[str, Text]


class TagsBody(Body):
    """Tags by name."""

    tags: dict[str, Text]


class MetricsBody(Body):
    """Points of metrics, of any number of names and steps; an empty list is a sign of life."""

    metrics: list[PointBody]


class Logged(msgspec.Struct):
    """How much was taken."""

    run: str
    params: int
    metrics: int
    tags: int


class ArtifactQuery(Query):
    """What the artifact is called: a relative path with slashes."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class ArtifactInfo(msgspec.Struct):
    """An artifact: its name, its size, the SHA-256 of its content."""

    name: str
    size: int
    sha256: str
    media_type: str
    created: str


class ArtifactPage(msgspec.Struct):
    """A page of artifacts, by name."""

    artifacts: list[ArtifactInfo]
    next: str | None = None


class HistoryQuery(Page, kw_only=True):
    """Which metric, and which page of its points."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=250)]


class History(msgspec.Struct):
    """Points of a metric by step, then time, as columns."""

    name: str
    step: list[int]
    t: list[str]
    value: list[float]
    next: str | None = None


def _log(request: Request[Any, Any, Any], run: str, body: bytes, kind: type[Any], what: str) -> Response[bytes]:
    exchange = of(request)
    query(request.scope, Query)
    given = getattr(read(exchange, body, kind), what)
    entry: dict[str, Any] = {what: points_of(given) if what == "metrics" else given}
    once = exchange.once(f"POST /api/v1/runs/{run}/{what}", digest_of(body))
    return answer(exchange, exchange.services.run.log(run, exchange.who, **entry, once=once))


def _logs(kind: type[Any], summary: str) -> dict[str, Any]:
    return declare("train", summary, "experiments", reads={JSON: kind}, writes={JSON: Logged}, once=True)


@post(
    "/api/v1/runs/{run:str}/params",
    opt=_logs(ParamsBody, "Set parameters of a run, once and for all."),
    status_code=200,
    sync_to_thread=True,
)
def params(request: Request[Any, Any, Any], run: FromPath[str], body: RawBody) -> Response[bytes]:
    """Set parameters."""
    return _log(request, run, body, ParamsBody, "params")


@post(
    "/api/v1/runs/{run:str}/tags",
    opt=_logs(TagsBody, "Set tags of a run, also of one that has ended."),
    status_code=200,
    sync_to_thread=True,
)
def tags(request: Request[Any, Any, Any], run: FromPath[str], body: RawBody) -> Response[bytes]:
    """Set tags."""
    return _log(request, run, body, TagsBody, "tags")


@post("/api/v1/runs/{run:str}/metrics", opt=_logs(MetricsBody, "Log points of metrics."), status_code=200, sync_to_thread=True)
def metrics(request: Request[Any, Any, Any], run: FromPath[str], body: RawBody) -> Response[bytes]:
    """Log points."""
    return _log(request, run, body, MetricsBody, "metrics")


@get(
    "/api/v1/runs/{run:str}/metrics",
    opt=declare("read", "Every point of a metric.", "experiments", query=HistoryQuery, writes={JSON: History}),
    sync_to_thread=True,
)
def history(request: Request[Any, Any, Any], run: FromPath[str]) -> Response[bytes]:
    """A page of points."""
    exchange, asked = of(request), query(request.scope, HistoryQuery)
    points, following = exchange.services.run_reading.history(run, asked.name, exchange.who, asked.after, asked.limit)
    table = {"step": [point[0] for point in points], "t": [instant.text(point[1]) for point in points]}
    return answer(exchange, {"name": asked.name, **table, "value": [point[2] for point in points], "next": following})


@get(
    "/api/v1/runs/{run:str}/artifacts",
    opt=declare("read", "The artifacts of a run.", "experiments", query=Page, writes={JSON: ArtifactPage}),
    sync_to_thread=True,
)
def artifacts(request: Request[Any, Any, Any], run: FromPath[str]) -> Response[bytes]:
    """A page of artifacts."""
    exchange, asked = of(request), query(request.scope, Page)
    found, following = exchange.services.run_reading.artifacts(run, exchange.who, asked.after, asked.limit)
    return answer(exchange, {"artifacts": found, "next": following})


@post(
    "/api/v1/runs/{run:str}/artifacts",
    opt=declare(
        "train",
        "Keep an artifact: the body is its content, of any content type.",
        "experiments",
        query=ArtifactQuery,
        reads={OCTETS: None},
        writes={JSON: ArtifactInfo},
        status=201,
        once=True,
    ),
    status_code=201,
    sync_to_thread=True,
)
def keep(request: Request[Any, Any, Any], run: FromPath[str], body: RawBody) -> Response[bytes]:
    """Keep an artifact; 201."""
    exchange, asked = of(request), query(request.scope, ArtifactQuery)
    kind = exchange.header(b"content-type")[:100]
    once = exchange.once(f"POST /api/v1/runs/{run}/artifacts?name={asked.name}", digest_of(body))
    return answer(exchange, exchange.services.run.keep(run, asked.name, body, exchange.who, media_type=kind, once=once), 201)


@get(
    "/api/v1/runs/{run:str}/artifacts/{name:path}",
    opt=declare("read", "The content of an artifact; Rpsd-Digest is its SHA-256.", "experiments", writes={OCTETS: None}),
    sync_to_thread=True,
)
def content(request: Request[Any, Any, Any], run: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """What an artifact holds, always as a download: a browser must not run what somebody has put there."""
    exchange = of(request)
    told, data = exchange.services.run_reading.artifact(run, str(name).removeprefix("/"), exchange.who)
    headers = {"content-disposition": "attachment", "rpsd-digest": f"sha256:{told['sha256']}"}
    return Response(data, media_type=OCTETS, headers=headers)


ROUTES: Final = (params, tags, metrics, history, artifacts, keep, content)
