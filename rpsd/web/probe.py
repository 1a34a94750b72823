"""Probes: health and liveness without the framework, so that they come first at start-up and cost little ever after."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from rpsd.web.exchange import KEY
from rpsd.web.problem import Refused

_ALIVE: Final = msgspec.json.encode({"status": "alive"})
_encode: Final = msgspec.json.Encoder().encode


async def _answer(scope: Any, send: Any, body: bytes, status: int = 200) -> None:
    if scope["method"] != "GET":
        raise Refused("GET")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def health(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
    """Basic health from cached facts; 503 when unhealthy."""
    facts = scope[KEY].services.health.basic()
    await _answer(scope, send, _encode(facts), 503 if facts["status"] == "unhealthy" else 200)


async def live(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
    """Liveness: the process answers."""
    await _answer(scope, send, _ALIVE)


PROBES: Final[dict[str, Callable[[Any, Any, Any], Awaitable[None]]]] = {
    "/health": health,
    "/health/live": live,
    "/api/v1/health/live": live,
}
"""Path -> its probe; web/system.py declares them, the edge answers them."""
