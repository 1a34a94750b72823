"""The gate of WebSockets: who may open one, and from which page; a refusal is a problem document, before anything is accepted."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from rpsd.core.errors import Fault, Forbidden, InvalidRequest, LockedOut, Unauthenticated, UnknownRoute
from rpsd.web.auth import principal_of
from rpsd.web.problem import MEDIA_TYPE, body_of, headers_of, status_of
from rpsd.web.stream.socket import KIND, Socket

if TYPE_CHECKING:
    from rpsd.core.errors import RpsdError
    from rpsd.web.exchange import Exchange
    from rpsd.web.stream.streams import Streams

PATH: Final = "/api/v1/ws"


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
    except (Unauthenticated, LockedOut, Forbidden):
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


async def refuse(send: Any, exchange: "Exchange", error: "RpsdError") -> None:
    """Answer the handshake with the problem."""
    body = body_of(error, exchange.request_id)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"x-request-id", exchange.request_id.encode())]
    headers += [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
    exchange.status = status_of(error)
    await send({"type": "websocket.http.response.start", "status": exchange.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
