"""The gate of WebSockets: who may open one, and from which page; a refusal is a problem document, before anything is accepted."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from rpsd.core.errors import Fault, Forbidden, InvalidRequest, LockedOut, Unauthenticated, UnknownRoute
from rpsd.web.auth import principal_of
from rpsd.web.problem import MEDIA_TYPE, body_of, headers_of, status_of
from rpsd.web.stream.socket import KIND, Socket

if TYPE_CHECKING:
    from rpsd.core.errors import RpsdError
    from rpsd.web.exchange import Exchange
    from rpsd.web.stream.streams import Streams

PATH: Final = "/api/v1/ws"
_PORTS: Final = {"http": 80, "https": 443}


async def served(streams: "Streams | None", exchange: "Exchange", scope: Any, receive: Any, send: Any) -> None:
    """Open the WebSocket and serve it until it ends.

    Raises UnknownRoute for another path, Unauthenticated, LockedOut, RateLimited, Unavailable: all of them before it is accepted.
    """
    await receive()  # websocket.connect
    if streams is None or scope["path"] != PATH:
        raise UnknownRoute("there is no WebSocket at this path", hint=f"Open {PATH}.")
    _identify(exchange, scope["query_string"])
    exchange.charge("read")
    client = scope.get("client")
    reader = streams.enter(exchange.who, (client[0], str(client[1])) if client else ("", ""), KIND)
    try:
        exchange.status = 101
        await Socket(streams, exchange, reader, receive, send).run()
    finally:
        streams.leave(reader, KIND)


def _identify(exchange: "Exchange", query_string: bytes) -> None:
    """Find out who calls: by a ticket, which a browser can send, or as any request does."""
    ticket = _ticket(query_string)
    try:
        exchange.principal = principal_of(exchange) if ticket is None else exchange.services.access.redeem(ticket, exchange.peer)
    except (Unauthenticated, LockedOut):
        exchange.charge("public")
        raise


def _ticket(query_string: bytes) -> str | None:
    """The ticket of the query string, or None without one. Raises InvalidRequest for any other field."""
    try:
        fields = parse_qs(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=4)
    except ValueError:
        fields = {"": []}
    if not fields.keys() <= {"ticket"}:
        reason = "only `ticket` is known here"
        raise InvalidRequest(f"/query: {reason}", errors=[Fault("/query", reason)])
    return fields["ticket"][0] if fields else None


def check_origin(exchange: "Exchange", origins: Collection[str], *, secure: bool) -> None:
    """Raise Forbidden for a page that is neither of this host nor of server.cors_origins: no browser asks before it opens a WebSocket.

    Where we are `secure`, a page of this very host that came by plain HTTP is a stranger's too: anybody on its way can have written it.
    """
    origin, host = exchange.header(b"origin").lower(), exchange.header(b"host").lower()
    if not origin or "*" in origins or origin in {known.lower().rstrip("/") for known in origins}:
        return
    try:
        parts, own = urlsplit(origin), urlsplit(f"//{host}")
        port = _PORTS.get(parts.scheme)
        is_same = port is not None and parts.hostname == own.hostname and (parts.port or port) == (own.port or port)
    except ValueError:
        is_same = False
    if not is_same or (secure and parts.scheme != "https"):
        raise Forbidden(f"a page of {origin[:60]!r} may not open a WebSocket here", hint="Add its origin to server.cors_origins.")


async def refuse(send: Any, exchange: "Exchange", error: "RpsdError") -> None:
    """Answer the handshake with the problem."""
    body = body_of(error, exchange.request_id)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"x-request-id", exchange.request_id.encode())]
    headers += [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
    exchange.status = status_of(error)
    await send({"type": "websocket.http.response.start", "status": exchange.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
