"""A TLS listener whose certificate is renewed while it serves: a second engine takes over the socket, the first one finishes."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from rpsd.web.process.engine import Engine

_PROOF_SECONDS: Final = 0.5
"""A new engine that has lived so long has read its files and listens; the old one takes connections until then."""
_HANDSHAKE_SECONDS: Final = 12.0
"""The engine gives a handshake 10 s; whoever began one with the old certificate may finish it."""
_STREAM_SECONDS: Final = 3600.0
"""So long the streams of an old engine may go on; then it ends them, and their clients come again."""


class Renewal:
    """An Engine made of engines: `make` builds one with the certificate as it is in the files now. At most three live at a time."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._current = make()
        self._serving: dict[Engine, asyncio.Task[None]] = {}
        self._leaving: list[asyncio.Task[None]] = []
        self._done: asyncio.Future[None] | None = None
        self._stopping = False

    async def serve(self) -> None:
        """Serve until stop(), or until the present engine dies; then finish what is in flight, in old engines too."""
        self._done = asyncio.get_running_loop().create_future()
        self._begin(self._current)
        try:
            await self._done
            await asyncio.gather(*self._serving.values())
        finally:  # a cancelled serve() cuts what is left
            for task in (*self._leaving, *self._serving.values()):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*self._leaving, *self._serving.values(), return_exceptions=True)

    def stop(self) -> None:
        """Accept no more, and end when what is in flight is finished."""
        self._stopping = True
        for engine in self._serving:
            engine.stop()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def leave(self) -> None:
        """Accept no more, and let go on what is there."""
        self._current.leave()

    @property
    def open(self) -> int:
        """Requests and streams that are being served, by old engines too."""
        return sum(engine.open for engine in self._serving)

    async def renew(self) -> bool:
        """Take the files as they are now; whether that went well, else the old engine goes on. Refuses nobody.

        Raises what building the engine raises: SSLError, OSError.
        """
        if self._stopping or self._done is None:
            return False
        old, new = self._current, self._make()
        task = self._begin(new)
        await asyncio.wait([task], timeout=_PROOF_SECONDS)
        if task.done() or self._stopping:
            new.stop()
            return False
        self._current = new
        old.leave()
        while len(self._leaving) > 1:  # two old ones are enough
            self._leaving.pop(0).cancel()
        self._leaving.append(asyncio.get_running_loop().create_task(self._let_go(old)))
        return True

    def _begin(self, engine: Engine) -> asyncio.Task[None]:
        task = self._serving[engine] = asyncio.get_running_loop().create_task(engine.serve())
        task.add_done_callback(lambda _: self._ended(engine))
        return task

    def _ended(self, engine: Engine) -> None:
        task = self._serving.pop(engine)
        if engine is self._current and self._done is not None and not self._done.done():
            failure = None if task.cancelled() else task.exception()
            self._done.set_exception(failure) if failure else self._done.set_result(None)

    async def _let_go(self, old: Engine) -> None:
        """End an engine that accepts no more, once nothing is open with it."""
        try:
            await asyncio.sleep(_HANDSHAKE_SECONDS)
            until = time.monotonic() + _STREAM_SECONDS
            while old.open and time.monotonic() < until:
                await asyncio.sleep(1.0)
        finally:
            old.stop()
