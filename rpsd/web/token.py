"""What a key is swapped for: a token of minutes, or a ticket of seconds for one WebSocket."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, delete, post
from litestar.params import RawBody
from litestar.response import Response

from rpsd.core.errors import Unauthenticated
from rpsd.web.auth import principal_of, token_of
from rpsd.web.exchange import of
from rpsd.web.operation import PUBLIC, declare
from rpsd.web.queued import refuse_body
from rpsd.web.wire import JSON, Body, Query, answer, query, read

Scope = Literal["read", "ingest", "predict", "train", "admin"]


class TokenBody(Body):
    """A token for some of the key's scopes; all of them when none are named."""

    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=5)] | None = None


class Token(msgspec.Struct):
    """A token, when it ends, and what it may do."""

    token: str
    type: str
    expires: str
    scopes: list[str]


class Ticket(msgspec.Struct):
    """A ticket and when it ends."""

    ticket: str
    expires: str


@post(
    "/api/v1/auth/token",
    opt=declare(
        PUBLIC,
        "Swap the API key that the request carries for a JSON Web Token of auth.jwt_ttl; the body is optional.",
        "access",
        reads={JSON: TokenBody},
        writes={JSON: Token},
    ),
    status_code=200,
    sync_to_thread=True,
)
def make_token(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """A token made from a key."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, TokenBody) if body.strip() else TokenBody()
    key = token_of(exchange)
    if not key:
        raise Unauthenticated("no API key was sent")
    return answer(exchange, exchange.services.access.token(key, exchange.peer, asked.scopes))


@delete(
    "/api/v1/auth/token",
    opt=declare(PUBLIC, "End the token that the request carries, before its time and for good.", "access", status=204),
    status_code=204,
    sync_to_thread=True,
)
def end_token(request: Request[Any, Any, Any], body: RawBody) -> None:
    """End a token."""
    exchange = of(request)
    query(request.scope, Query)
    refuse_body(body)
    exchange.principal = principal = principal_of(exchange)
    exchange.services.access.end_token(principal)


@post(
    "/api/v1/auth/ws-ticket",
    opt=declare("read", "A ticket that opens /api/v1/ws once, within 30 seconds.", "access", writes={JSON: Ticket}),
    status_code=200,
    sync_to_thread=False,
)
def make_ticket(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """A ticket for a WebSocket."""
    exchange = of(request)
    query(request.scope, Query)
    refuse_body(body)
    return answer(exchange, exchange.services.access.ticket(exchange.who))


ROUTES: Final = (make_token, end_token, make_ticket)
