"""granian, embedded: one server per listening socket on the loop of the process.

granian has no public way to serve an inherited socket, so the listener overrides one private method (granian ~= 2.8, tested).
"""

import socket
from typing import TYPE_CHECKING, Any, Protocol

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from rpsd.web.listen import BACKLOG

if TYPE_CHECKING:
    from rpsd.config.settings import Server as Settings


class Engine(Protocol):
    """What the server needs of an HTTP engine."""

    async def serve(self) -> None:
        """Serve until stop(), then finish what is in flight."""

    def stop(self) -> None:
        """Accept no more."""


class Granian(Server):  # type: ignore[misc]  # granian is imported untyped
    """A granian server on a socket that is bound already. HTTP/1.1 only: HTTP/2 has no deadlines here and a LAN does not need it."""

    def __init__(self, app: Any, listener: socket.socket, settings: "Settings", *, tls: bool = False) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            backlog=BACKLOG,
            backpressure=settings.max_connections,
            http1_settings=HTTP1Settings(header_read_timeout=int(settings.header_timeout * 1000)),
            log_enabled=False,
            ssl_cert=settings.tls_cert if tls else None,
            ssl_key=settings.tls_key if tls else None,
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        """Take the bound socket instead of binding one. The descriptor is a duplicate: granian closes its own."""
        is_unix = self._listener.family == socket.AF_UNIX
        duplicate = self._listener.dup()
        self._shd = SocketHolder(duplicate.detach(), is_unix, BACKLOG)  # type: ignore[call-arg]  # its stub lacks the arguments
        self._sfd = self._shd.get_fd()
        self._ssp = None
