"""granian, embedded: one server per listening socket on the loop of the process.

granian has no public way to serve an inherited socket, so the listener overrides one private method (granian ~= 2.8, tested).
"""

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

# The engine's allocator reads this once, as it is loaded: what a crowd of connections held goes back to the kernel a second after they have
# gone, and not when enough others have come. Source: jemalloc(3), background_thread, dirty_decay_ms.
os.environ.setdefault("_RJEM_MALLOC_CONF", "background_thread:true,dirty_decay_ms:1000")

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from rpsd.web.process.listen import BACKLOG

if TYPE_CHECKING:
    from rpsd.config.settings import Server as Settings


class Engine(Protocol):
    """What the server needs of an HTTP engine."""

    async def serve(self) -> None:
        """Serve until stop(), then finish what is in flight."""

    def leave(self) -> None:
        """Accept no more, and let go on what is there; answers ask their clients to come again on a new connection."""

    def stop(self) -> None:
        """Accept no more, and end when what is in flight is finished."""

    @property
    def open(self) -> int:
        """Requests and streams that are being served; counted over TLS alone."""


_BUFFER: Final = 1 << 17  # bytes that a connection may hold of its headers, and of an answer that is not taken; 400 KiB by default
_COME_AGAIN: Final = (b"connection", b"close")


class Leaving:
    """An application that counts what it serves and, once `leaving` is set, ends each connection with its next answer."""

    def __init__(self, app: Any) -> None:
        self._app, self.leaving, self.open = app, False, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request or stream."""
        self.open += 1
        try:
            await self._app(scope, receive, self._parting(send))
        finally:
            self.open -= 1

    def _parting(self, send: Any) -> Any:
        async def say(message: Any) -> None:
            if self.leaving and message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", ()), _COME_AGAIN]}
            await send(message)

        return say


def _head_milliseconds(settings: "Settings") -> int:
    """granian counts the wait for the next request as a part of its headers; what the reaper ends sooner, it ends sooner."""
    return int(1000 * max(settings.header_timeout, settings.keepalive))


class Granian(Server):  # type: ignore[misc]  # granian is imported untyped
    """A granian server on a socket that is bound already. HTTP/1.1 only: HTTP/2 has no deadlines here and a LAN does not need it."""

    def __init__(self, app: Any, listener: socket.socket, settings: "Settings", *, tls: bool = False) -> None:
        self._leaving = Leaving(app) if tls else None
        super().__init__(
            self._leaving or app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            backlog=BACKLOG,
            backpressure=settings.max_connections,
            http1_settings=HTTP1Settings(header_read_timeout=_head_milliseconds(settings), max_buffer_size=_BUFFER),
            log_enabled=False,
            ssl_cert=settings.tls_cert if tls else None,
            ssl_key=settings.tls_key if tls else None,
            ssl_protocol_min=SSLProtocols.tls12,  # rustls has nothing older, and no cipher without forward secrecy
        )
        self._listener = listener

    @property
    def open(self) -> int:
        """Requests and streams that are being served; counted over TLS alone."""
        return 0 if self._leaving is None else self._leaving.open

    def leave(self) -> None:
        """Accept no more, and let go on what is there. granian knows no such state: it only ends, and drops who is in a handshake.

        So its descriptor is made another socket's, to which nobody connects; new connections are left to the other engine on the
        listener. Raises OSError where no such socket can be made.
        """
        if self._leaving is not None:
            self._leaving.leaving = True
        with _quiet() as nobody:
            os.dup2(nobody.fileno(), self._sfd, inheritable=False)

    def _init_shared_socket(self) -> None:
        """Take the bound socket instead of binding one. The descriptor is a duplicate: granian closes its own."""
        is_unix = self._listener.family == socket.AF_UNIX
        duplicate = self._listener.dup()
        self._shd = SocketHolder(duplicate.detach(), is_unix, BACKLOG)  # type: ignore[call-arg]  # its stub lacks the arguments
        self._sfd = self._shd.get_fd()
        self._ssp = None


def _quiet() -> socket.socket:
    """A listening socket that nobody can reach: its name is gone from the file system."""
    quiet = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with tempfile.TemporaryDirectory(prefix="rpsd-") as place:
        quiet.bind(str(Path(place) / "quiet"))
    quiet.listen(1)
    quiet.setblocking(False)
    return quiet
