"""Runs: begin, find, compare, end, drop; what is logged into them is in web/run_log.py."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.experiment import RunState
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.run_wire import PointBody, RunPage, RunQuery, RunTold, Text, asked_runs, points_of
from rpsd.web.wire import JSON, Body, Instant, Query, answer, moment, query, read

Name = Annotated[str, msgspec.Meta(max_length=250)]


class RunBody(Body):
    """A new run; with a final `state` a whole one, which ends with the request."""

    name: Name = ""
    parent: str | None = None
    started: Instant | None = None
    params: dict[str, Text] = msgspec.field(default_factory=dict)
    tags: dict[str, Text] = msgspec.field(default_factory=dict)
    metrics: list[PointBody] = msgspec.field(default_factory=list)
    state: RunState = RunState.RUNNING


class FinishBody(Body):
    """How the run ended."""

    state: RunState = RunState.FINISHED


class CompareQuery(Query):
    """The runs, their ids with commas between them."""

    ids: Annotated[str, msgspec.Meta(max_length=4000)]


class RunDetails(RunTold):
    """A run with what its metrics have come to: the last point and the extremes of each."""

    children: int
    artifacts: int
    artifact_bytes: int
    points: int
    summaries: dict[str, dict[str, Any]]


class RunTable(msgspec.Struct):
    """Runs side by side: rows of parameters, metrics and tags, each with its values in the order of the runs, null where one has none."""

    runs: list[dict[str, Any]]
    params: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    tags: list[dict[str, Any]]


@get(
    "/api/v1/runs",
    opt=declare("read", "Runs of all experiments that the key may see.", "experiments", query=RunQuery, writes={JSON: RunPage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Search over every run."""
    return asked_runs(request, None)


@get(
    "/api/v1/experiments/{experiment:str}/runs",
    opt=declare("read", "Runs of an experiment.", "experiments", query=RunQuery, writes={JSON: RunPage}),
    sync_to_thread=True,
)
def page_of(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
    """Search over the runs of an experiment."""
    return asked_runs(request, experiment)


@post(
    "/api/v1/experiments/{experiment:str}/runs",
    opt=declare(
        "train", "Begin a run, or log a whole one.", "experiments", reads={JSON: RunBody}, writes={JSON: RunTold}, status=201, once=True
    ),
    status_code=201,
    sync_to_thread=True,
)
def begin(request: Request[Any, Any, Any], experiment: FromPath[str], body: RawBody) -> Response[bytes]:
    """A new run; 201."""
    from rpsd.services.experiment.run_log import Begun

    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, RunBody) if body.strip() else RunBody()
    once = exchange.once(f"POST /api/v1/experiments/{experiment}/runs", digest_of(body))
    begun = Begun(
        name=asked.name,
        parent=asked.parent,
        started_ns=moment(asked.started, "/started"),
        params=asked.params,
        tags=asked.tags,
        metrics=points_of(asked.metrics),
        state=asked.state,
    )
    made = exchange.services.run.begin(experiment, begun, exchange.who, once)
    return answer(exchange, made, 201, {"location": f"/api/v1/runs/{made['id']}"})


@get(
    "/api/v1/runs/compare",
    opt=declare("read", "Runs side by side.", "experiments", query=CompareQuery, writes={JSON: RunTable}),
    sync_to_thread=True,
)
def compare(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A table of runs."""
    exchange, asked = of(request), query(request.scope, CompareQuery)
    return answer(exchange, exchange.services.run_reading.compare(asked.ids.split(","), exchange.who))


@get("/api/v1/runs/{run:str}", opt=declare("read", "One run.", "experiments", writes={JSON: RunDetails}), sync_to_thread=True)
def find(request: Request[Any, Any, Any], run: FromPath[str]) -> Response[bytes]:
    """One run."""
    exchange = of(request)
    return answer(exchange, exchange.services.run_reading.find(run, exchange.who))


@post(
    "/api/v1/runs/{run:str}/finish",
    opt=declare("train", "End a run.", "experiments", reads={JSON: FinishBody}, writes={JSON: RunTold}, once=True),
    status_code=200,
    sync_to_thread=True,
)
def finish(request: Request[Any, Any, Any], run: FromPath[str], body: RawBody) -> Response[bytes]:
    """End a run; an empty body means FINISHED."""
    exchange = of(request)
    query(request.scope, Query)
    state = read(exchange, body, FinishBody).state if body.strip() else RunState.FINISHED
    once = exchange.once(f"POST /api/v1/runs/{run}/finish", digest_of(body))
    return answer(exchange, exchange.services.run.finish(run, state, exchange.who, once))


@delete(
    "/api/v1/runs/{run:str}",
    opt=declare("train", "Drop a run; the experiment's owner or an administrator.", "experiments", writes={JSON: dict[str, Any]}),
    status_code=200,
    sync_to_thread=True,
)
def remove(request: Request[Any, Any, Any], run: FromPath[str]) -> Response[bytes]:
    """Drop it; audited."""
    exchange = of(request)
    return answer(exchange, {"deleted": exchange.services.run.delete(run, exchange.who)})


ROUTES: Final = (page, page_of, begin, compare, find, finish, remove)
