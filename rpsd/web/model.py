"""The model registry: what serves, what it rests on, a retrain, and the way into production and back."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.web.exchange import digest_of, of
from rpsd.web.model_wire import Reason, ServingModel, Version
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job, refuse_body
from rpsd.web.wire import JSON, Body, Page, Query, answer, query, read


class ModelPage(msgspec.Struct):
    """A page of models: the newest version of each name."""

    models: list[dict[str, Any]]
    next: str | None = None


class VersionList(msgspec.Struct):
    """Every version of a model, the newest first."""

    versions: list[dict[str, Any]]


Expected = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class Promote(Body):
    """Which version is to serve, and why; `force` overrules the gate and needs the scope admin.

    `expected`: the version that is to be replaced, 0 for none; when another serves by then the answer is state_conflict.
    """

    version: Version
    reason: Reason
    force: bool = False
    expected: Expected | None = None


class Rollback(Body):
    """Why, and which version that has served before; without one the newest such version below the present. `expected` as for promote."""

    reason: Reason
    version: Version | None = None
    force: bool = False
    expected: Expected | None = None


@get("/api/v1/models", opt=declare("read", "The models.", "models", query=Page, writes={JSON: ModelPage}), sync_to_thread=True)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the models."""
    asked = query(request.scope, Page)
    models, following = of(request).services.model.page(asked.after, asked.limit)
    return answer(of(request), {"models": models, "next": following})


@get(
    "/api/v1/models/{name:str}/versions",
    opt=declare("read", "Every version of a model.", "models", writes={JSON: VersionList}),
    sync_to_thread=True,
)
def versions(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """The versions."""
    return answer(of(request), {"versions": of(request).services.model.versions(name)})


@post(
    "/api/v1/models/{name:str}/retrain",
    opt=declare("train", "Retrain a model from the stored data; takes no body.", "models", writes={JSON: Accepted}, status=202, once=True),
    status_code=202,
    sync_to_thread=True,
)
def retrain(request: Request[Any, Any, Any], name: FromPath[str], body: RawBody) -> Response[bytes]:
    """Queue a retrain; 202."""
    exchange = of(request)
    query(request.scope, Query)
    refuse_body(body)
    once = exchange.once(f"POST /api/v1/models/{name}/retrain", digest_of(body))
    return accepted_job(exchange, exchange.services.model.retrain(name, exchange.actor, once))


_SERVE: Final = {"writes": {JSON: ServingModel}, "once": True}


@post(
    "/api/v1/models/{name:str}/promote",
    opt=declare("train", "Put a version that has passed the gate into production.", "models", reads={JSON: Promote}, **_SERVE),
    status_code=200,
    sync_to_thread=True,
)
def promote(request: Request[Any, Any, Any], name: FromPath[str], body: RawBody) -> Response[bytes]:
    """Promote; force needs admin."""
    return _serve(request, name, body, Promote, "promote")


@post(
    "/api/v1/models/{name:str}/rollback",
    opt=declare("train", "Put a version that has served before back into production.", "models", reads={JSON: Rollback}, **_SERVE),
    status_code=200,
    sync_to_thread=True,
)
def rollback(request: Request[Any, Any, Any], name: FromPath[str], body: RawBody) -> Response[bytes]:
    """Roll back; force needs admin."""
    return _serve(request, name, body, Rollback, "rollback")


def _serve(request: Request[Any, Any, Any], name: str, body: bytes, kind: type[Promote] | type[Rollback], action: str) -> Response[bytes]:
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, kind)
    if asked.force:
        assert exchange.principal is not None  # the guard has let the request through
        exchange.principal.require("admin")
    once = exchange.once(f"POST /api/v1/models/{name}/{action}", digest_of(body))
    call = getattr(exchange.services.model, action)
    return answer(exchange, call(name, asked.version, asked.reason, exchange.actor, force=asked.force, expected=asked.expected, once=once))


ROUTES: Final = (page, versions, retrain, promote, rollback)
