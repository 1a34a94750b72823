"""Plan B: uvicorn instead of granian, `rpsd serve --engine uvicorn`. Same application, same sockets, same loop."""

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from rpsd.web.process.listen import BACKLOG

if TYPE_CHECKING:
    from rpsd.config.settings import Server as Settings


class _Quiet(uvicorn.Server):
    """uvicorn without its own signal handlers: signals are the server's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class Uvicorn:
    """A uvicorn server on a socket that is bound already."""

    def __init__(self, app: Any, listener: socket.socket, settings: "Settings", *, tls: bool = False) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            limit_concurrency=settings.max_connections,
            timeout_keep_alive=max(1, int(settings.keepalive)),
            ssl_certfile=settings.tls_cert if tls else None,
            ssl_keyfile=settings.tls_key if tls else None,
        )
        self._server = _Quiet(config)
        self._listener = listener

    async def serve(self) -> None:
        """Serve until stop(), then finish what is in flight."""
        await self._server.serve(sockets=[self._listener.dup()])  # it closes its own: another engine may take over the listener

    @property
    def open(self) -> int:
        """Requests and streams that are being served."""
        return len(self._server.server_state.tasks)

    def leave(self) -> None:
        """Accept no more, and let go on what is there."""
        for server in getattr(self._server, "servers", ()):
            server.close()

    def stop(self) -> None:
        """Accept no more, and end when what is in flight is finished."""
        self._server.should_exit = True
