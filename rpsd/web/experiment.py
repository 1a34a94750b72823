"""Experiments: list, make, look at, change, drop, export."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response, Stream

from rpsd.core.experiment import Visibility
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Page, Query, answer, query, read

TAR: Final = "application/x-tar"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Description = Annotated[str, msgspec.Meta(max_length=2000)]


class ExperimentInfo(msgspec.Struct):
    """An experiment: whose it is, who else may see it (private: nobody, read: readers, shared: whoever may train writes too), its runs."""

    id: int
    name: str
    owner: str
    scope: Visibility
    description: str
    created: str
    runs: int


class ExperimentPage(msgspec.Struct):
    """A page of experiments, the newest first."""

    experiments: list[ExperimentInfo]
    next: str | None = None


class ExperimentBody(Body):
    """A new experiment of the caller."""

    name: Name
    description: Description = ""
    scope: Visibility = Visibility.PRIVATE


class ExperimentChange(Body):
    """What is to be another; what is left out stays."""

    description: Description | None = None
    scope: Visibility | None = None


class ExportQuery(Query):
    """Where the store will lie, as a path or a URI: below it a client looks for artifacts."""

    root: Annotated[str, msgspec.Meta(max_length=1000)] = ""


@get(
    "/api/v1/experiments",
    opt=declare("read", "The experiments that the key may see.", "experiments", query=Page, writes={JSON: ExperimentPage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of experiments."""
    exchange, asked = of(request), query(request.scope, Page)
    found, following = exchange.services.experiment.page(exchange.who, asked.after, asked.limit)
    return answer(exchange, {"experiments": found, "next": following})


@post(
    "/api/v1/experiments",
    opt=declare(
        "train",
        "Make an experiment, owned by the key.",
        "experiments",
        reads={JSON: ExperimentBody},
        writes={JSON: ExperimentInfo},
        status=201,
        once=True,
    ),
    status_code=201,
    sync_to_thread=True,
)
def create(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """A new experiment; 201."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, ExperimentBody)
    once = exchange.once("POST /api/v1/experiments", digest_of(body))
    made = exchange.services.experiment.create(asked.name, exchange.who, description=asked.description, scope=asked.scope, once=once)
    return answer(exchange, made, 201, {"location": f"/api/v1/experiments/{made['id']}"})


@get(
    "/api/v1/experiments/{experiment:str}",
    opt=declare("read", "One experiment, by its id or its name.", "experiments", writes={JSON: ExperimentInfo}),
    sync_to_thread=True,
)
def find(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
    """One experiment."""
    exchange = of(request)
    return answer(exchange, exchange.services.experiment.find(experiment, exchange.who))


@post(
    "/api/v1/experiments/{experiment:str}",
    opt=declare(
        "train",
        "Change the scope or the description of an experiment; its owner or an administrator.",
        "experiments",
        reads={JSON: ExperimentChange},
        writes={JSON: ExperimentInfo},
        once=True,
    ),
    status_code=200,
    sync_to_thread=True,
)
def change(request: Request[Any, Any, Any], experiment: FromPath[str], body: RawBody) -> Response[bytes]:
    """Change it; audited."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, ExperimentChange)
    once = exchange.once(f"POST /api/v1/experiments/{experiment}", digest_of(body))
    changed = exchange.services.experiment.change(experiment, exchange.who, description=asked.description, scope=asked.scope, once=once)
    return answer(exchange, changed)


@delete(
    "/api/v1/experiments/{experiment:str}",
    opt=declare("train", "Drop an experiment with its runs; its owner or an administrator.", "experiments", writes={JSON: dict[str, Any]}),
    status_code=200,
    sync_to_thread=True,
)
def remove(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Response[bytes]:
    """Drop it; audited."""
    exchange = of(request)
    return answer(exchange, {"deleted": exchange.services.experiment.delete(experiment, exchange.who)})


@get(
    "/api/v1/experiments/{experiment:str}/export",
    opt=declare("read", "The experiment as an MLflow file store, a tar stream.", "experiments", query=ExportQuery, writes={TAR: None}),
    sync_to_thread=True,
)
def export(request: Request[Any, Any, Any], experiment: FromPath[str]) -> Stream:
    """Export it, run after run."""
    exchange, asked = of(request), query(request.scope, ExportQuery)
    chunks = exchange.services.mlflow_export.tar(experiment, exchange.who, asked.root)
    return Stream(chunks, media_type=TAR, headers={"content-disposition": 'attachment; filename="mlruns.tar"'})


ROUTES: Final = (page, create, find, change, remove, export)
