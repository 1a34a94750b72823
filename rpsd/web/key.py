"""API keys and the keys that sign tokens, for an operator."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.config import kinds
from rpsd.core.errors import Fault, InvalidRequest
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.queued import refuse_body
from rpsd.web.wire import JSON, Body, Instant, Page, Query, answer, moment, query, read

Scope = Literal["read", "ingest", "predict", "train", "admin"]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}/[a-z]{1,4}$")]


class KeyBody(Body):
    """A new key; its limit is a number of requests a minute or a rate such as 1000/s."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\w .@:-]+$")]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=5)]
    expires: Instant | None = None
    limit: Limit | None = None


class AdoptBody(Body):
    """Keys of an earlier system that go on working as they are; they share name, scopes, end and limit."""

    keys: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=32, max_length=256, pattern="^[!-~]*$")]], msgspec.Meta(min_length=1, max_length=1000)
    ]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=5)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\w .@:-]+$")] = "adopted"
    expires: Instant | None = None


class Adopted(msgspec.Struct):
    """The keys that are new, and the ids of those that worked already."""

    keys: list[dict[str, Any]]
    known: list[str]


class RotateBody(Body):
    """How long the old key goes on working: seconds, or text such as 24h, 90 days at most; a day when nothing is said."""

    overlap: Annotated[int, msgspec.Meta(ge=0, le=7_776_000)] | Annotated[str, msgspec.Meta(max_length=16)] = "24h"


class KeyList(msgspec.Struct):
    """The keys, without their secrets."""

    keys: list[dict[str, Any]]
    next: str | None = None


class SigningKeyList(msgspec.Struct):
    """The keys that sign tokens, without their secrets; the last of those that `signs` is in use."""

    keys: list[dict[str, Any]]


@get(
    "/api/v1/admin/keys",
    opt=declare("admin", "The API keys, without secrets, oldest first.", "admin", query=Page, writes={JSON: KeyList}),
    sync_to_thread=True,
)
def keys(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the keys."""
    asked = query(request.scope, Page)
    rows, following = of(request).services.access.page(asked.after, asked.limit)
    return answer(of(request), {"keys": rows, "next": following})


@post(
    "/api/v1/admin/keys",
    opt=declare(
        "admin",
        "Create an API key; the answer shows `key` once and never again.",
        "admin",
        reads={JSON: KeyBody},
        writes={JSON: dict[str, Any]},
        status=201,
    ),
    status_code=201,
    sync_to_thread=True,
)
def create_key(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Create a key."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, KeyBody)
    row, token = exchange.services.access.create(
        asked.name, asked.scopes, expires_ns=moment(asked.expires, "/expires"), limit=asked.limit, by=exchange.actor
    )
    return answer(exchange, {**row, "key": token}, 201)


@post(
    "/api/v1/admin/keys/adopt",
    opt=declare(
        "admin",
        "Let API keys of an earlier system, of 32 characters and more, go on working; only their hashes are kept. Safe to repeat.",
        "admin",
        reads={JSON: AdoptBody},
        writes={JSON: Adopted},
    ),
    status_code=200,
    sync_to_thread=True,
)
def adopt_keys(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Adopt keys."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, AdoptBody)
    ends_ns = moment(asked.expires, "/expires")
    return answer(exchange, exchange.services.access.adopt(asked.keys, asked.name, asked.scopes, expires_ns=ends_ns, by=exchange.actor))


@post(
    "/api/v1/admin/keys/{key:str}/rotate",
    opt=declare(
        "admin",
        "Replace a key: the answer shows the new `key` once; the old one goes on working for `overlap`.",
        "admin",
        reads={JSON: RotateBody},
        writes={JSON: dict[str, Any]},
        status=201,
    ),
    status_code=201,
    sync_to_thread=True,
)
def rotate_key(request: Request[Any, Any, Any], key: FromPath[str], body: RawBody) -> Response[bytes]:
    """Rotate a key by its id; asked again after an answer that was lost, it tells that it was done."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, RotateBody) if body.strip() else RotateBody()
    try:
        overlap_seconds = kinds.DURATION.parse(asked.overlap)
    except kinds.Unfit as error:
        raise InvalidRequest(f"/overlap: {error}", errors=[Fault("/overlap", str(error))]) from error
    row, token = exchange.services.access.rotate(key, overlap_seconds, by=exchange.actor)
    return answer(exchange, {**row, "key": token}, 201)


@delete(
    "/api/v1/admin/keys/{key:str}",
    opt=declare("admin", "Revoke a key; it stops working within a second.", "admin", writes={JSON: dict[str, Any]}),
    status_code=200,
    sync_to_thread=True,
)
def revoke_key(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[bytes]:
    """Revoke a key by its id."""
    exchange = of(request)
    return answer(exchange, exchange.services.access.revoke(key, exchange.actor))


@get(
    "/api/v1/admin/signing-keys",
    opt=declare("admin", "The keys that sign tokens, without secrets.", "admin", query=Query, writes={JSON: SigningKeyList}),
    sync_to_thread=True,
)
def signing_keys(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The signing keys."""
    query(request.scope, Query)
    return answer(of(request), {"keys": of(request).services.access.signing_keys()})


@post(
    "/api/v1/admin/signing-keys/rotate",
    opt=declare("admin", "Sign tokens with a new key; those signed before work until they end.", "admin", writes={JSON: SigningKeyList}),
    status_code=200,
    sync_to_thread=True,
)
def rotate_signing_keys(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Rotate the signing keys; done twice it does no harm but that tokens of the key before last end."""
    exchange = of(request)
    query(request.scope, Query)
    refuse_body(body)
    return answer(exchange, {"keys": exchange.services.access.rotate_signing(exchange.actor)})


ROUTES: Final = (keys, create_key, adopt_keys, rotate_key, revoke_key, signing_keys, rotate_signing_keys)
