"""From which pages of a browser somebody may call, where the browser itself does not ask."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rpsd.core.errors import Forbidden

if TYPE_CHECKING:
    from rpsd.web.exchange import Exchange

_PORTS: Final = {"http": 80, "https": 443}


def check_origin(exchange: "Exchange", origins: Collection[str], *, secure: bool) -> None:
    """Raise Forbidden for a page that is neither of this host nor of server.cors_origins.

    No browser asks before it opens a WebSocket, or sends a POST as a form would.

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
        raise Forbidden(f"a page of {origin[:60]!r} may not call here", hint="Add its origin to server.cors_origins.")
