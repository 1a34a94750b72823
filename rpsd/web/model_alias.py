"""Stages of model versions below production, and the names that versions are known by."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.web.exchange import digest_of, of
from rpsd.web.model_wire import Reason, ServingModel, Version
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Query, answer, query, read


class AliasRow(msgspec.Struct):
    """A name for a version; `set_by` and `set` are null of one that follows the stages by itself."""

    alias: str
    version: int
    set_by: str | None
    set: str | None


class AliasList(msgspec.Struct):
    """The aliases of a model, champion and challenger among them where there is one; a model has 34 of them at most."""

    aliases: list[AliasRow]


class NamedVersion(AliasRow):
    """An alias with its model."""

    name: str


class DroppedAlias(msgspec.Struct):
    """The alias that is no more."""

    name: str
    alias: str


class SetAlias(Body):
    """Which version is to be known by which name."""

    alias: Annotated[str, msgspec.Meta(max_length=64)]
    version: Version


class MoveStage(Body):
    """Into which stage below production a version is to go, and why."""

    version: Version
    stage: Annotated[str, msgspec.Meta(max_length=64)]
    reason: Reason


_LIST: Final = declare("read", "Aliases of a model: champion, challenger, and those set by hand.", "models", writes={JSON: AliasList})


@get("/api/v1/models/{name:str}/aliases", opt=_LIST, sync_to_thread=True)
def aliases(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """The aliases."""
    return answer(of(request), {"aliases": of(request).services.model_alias.listed(name)})


@post(
    "/api/v1/models/{name:str}/aliases",
    opt=declare("train", "Let an alias stand for a version.", "models", reads={JSON: SetAlias}, writes={JSON: NamedVersion}, once=True),
    status_code=200,
    sync_to_thread=True,
)
def set_alias(request: Request[Any, Any, Any], name: FromPath[str], body: RawBody) -> Response[bytes]:
    """Set an alias."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, SetAlias)
    once = exchange.once(f"POST /api/v1/models/{name}/aliases", digest_of(body))
    return answer(exchange, exchange.services.model_alias.put(name, asked.alias, asked.version, exchange.actor, once))


@delete(
    "/api/v1/models/{name:str}/aliases/{alias:str}",
    opt=declare("train", "Forget an alias that was set by hand.", "models", writes={JSON: DroppedAlias}),
    status_code=200,
    sync_to_thread=True,
)
def drop_alias(request: Request[Any, Any, Any], name: FromPath[str], alias: FromPath[str]) -> Response[bytes]:
    """Forget an alias."""
    exchange = of(request)
    return answer(exchange, exchange.services.model_alias.drop(name, alias, exchange.actor))


_STAGE: Final = {"reads": {JSON: MoveStage}, "writes": {JSON: ServingModel}, "once": True}


@post(
    "/api/v1/models/{name:str}/stage",
    opt=declare("train", "Put a version that does not serve into candidate, staging or archived.", "models", **_STAGE),
    status_code=200,
    sync_to_thread=True,
)
def move(request: Request[Any, Any, Any], name: FromPath[str], body: RawBody) -> Response[bytes]:
    """Change a version's stage."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, MoveStage)
    once = exchange.once(f"POST /api/v1/models/{name}/stage", digest_of(body))
    return answer(exchange, exchange.services.model_alias.move(name, asked.version, asked.stage, asked.reason, exchange.actor, once))


ROUTES: Final = (aliases, set_alias, drop_alias, move)
