"""The model registry: what serves, what it rests on, and a retrain."""

from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job, refuse_body
from rpsd.web.wire import JSON, Page, Query, answer, query


class ModelPage(msgspec.Struct):
    """A page of models: the newest version of each name."""

    models: list[dict[str, Any]]
    next: str | None = None


class VersionList(msgspec.Struct):
    """Every version of a model, the newest first."""

    versions: list[dict[str, Any]]


@get("/api/v1/models", opt=declare("read", "The models.", "models", query=Page, writes={JSON: ModelPage}), sync_to_thread=True)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the models."""
    asked = query(request.scope, Page)
    models, following = of(request).services.model.page(asked.after, asked.limit)
    return answer(of(request), {"models": models, "next": following})


@get(
    "/api/v1/models/{name:str}",
    opt=declare("read", "Card of a model: window, fingerprints, evaluation, lineage.", "models", writes={JSON: dict[str, Any]}),
    sync_to_thread=True,
)
def card(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """The card."""
    return answer(of(request), of(request).services.model.card(name))


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
    return accepted_job(exchange, exchange.services.model.retrain(name, exchange.by, once))


ROUTES: Final = (page, card, versions, retrain)
