"""All open streams of the server: who may open one, who must leave, and how they end with it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import RateLimited, Unavailable
from rpsd.web.stream.fanout import Fanout
from rpsd.web.stream.reader import Reader

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal
    from rpsd.services.wiring import Services

MOST: Final = 4096
"""Streams at a time."""
MOST_EACH: Final = 256
"""Streams of one principal."""
POLICY, STOPS, TOO_SLOW = 1008, 1001, 1013
_TICK: Final = 0.5
_LINGER: Final = 2.0
"""Seconds that a stream which must end has to send what it ends with; then its connection is cut."""
_TROUBLED: Final = 30.0
"""Seconds for which a failure of the fan-out is shown."""

Cut = Callable[[Iterable[tuple[str, str]]], None]


class Streams:
    """Made before the loop runs; open() begins, and close() ends it. Everything but ended() and trouble() happens on the loop.

    `cut` shuts the connections of peers (host, port); the server sets it.
    """

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._readers: dict[Reader, float | None] = {}  # and since when each is over
        self._each: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fanout: Fanout | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._failed_at = -_TROUBLED
        self._stopping = False
        self._deaf: Callable[[], object] = lambda: None
        self.cut: Cut = lambda _peers: None

    def open(self) -> None:
        """Begin. A failure shows in the health, and is tried again: it does not stop the start."""
        self._loop = asyncio.get_running_loop()
        self._services.health.streams = self.trouble
        self._deaf = self._services.access.ended(self.ended)
        self._restart()
        self._ticking = self._loop.create_task(self._tick_on())

    async def close(self) -> None:
        """End every stream with 1001, and wait until they are gone, a moment at most."""
        self._stopping = True
        self._deaf()
        for reader in self._readers:
            reader.end(STOPS, "the server stops")
        until = monotonic() + _LINGER
        while self._readers and monotonic() < until:
            await asyncio.sleep(0.02)
        self.cut([reader.peer for reader in self._readers])
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        if self._fanout is not None:
            self._fanout.close()

    def trouble(self) -> str:
        """A code for the health: `streams` while the fan-out has failed lately, else nothing."""
        return "streams" if monotonic() - self._failed_at < _TROUBLED else ""

    @property
    def fanout(self) -> Fanout:
        """Where events come from. Raises Unavailable while it cannot be made."""
        if self._fanout is None:
            raise Unavailable(
                "live streams are not available", hint="They come back by themselves; the log tells what failed.", retry_after=2.0
            )
        return self._fanout

    def enter(self, principal: "Principal", peer: tuple[str, str], kind: str) -> Reader:
        """A new stream; leave() ends it. Raises RateLimited when the principal has too many, Unavailable when all together are."""
        if self._stopping or len(self._readers) >= MOST:
            raise Unavailable("no more streams at the moment", hint="Close some, or try again later.", retry_after=5.0)
        if self._each[principal.id] >= MOST_EACH:
            raise RateLimited(
                f"this key has {MOST_EACH} streams open", hint="Close some: one stream hears up to 64 channels.", retry_after=5.0
            )
        self.fanout  # noqa: B018 - raises when there is none
        reader = Reader(principal, peer)
        self._readers[reader] = None
        self._each[principal.id] += 1
        self._gauge(kind).inc()
        return reader

    def leave(self, reader: Reader, kind: str) -> None:
        """The stream has ended; harmless when done twice."""
        if reader not in self._readers:
            return
        del self._readers[reader]
        self._gauge(kind).dec()
        self._each[reader.principal.id] -= 1
        if self._each[reader.principal.id] <= 0:
            del self._each[reader.principal.id]
        if self._fanout is not None:
            self._fanout.part(reader, tuple(reader.channels))

    def _gauge(self, kind: str) -> Any:
        return self._services.metrics.ws_connections.labels(kind)

    def ended(self, ended_id: str) -> None:
        """The key or token of this id has ended: so do its streams. From any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._end_those, ended_id)

    def _end_those(self, ended_id: str) -> None:
        for reader in self._readers:
            if ended_id in (reader.principal.id, reader.principal.token_id):
                reader.end(POLICY, "the key has ended")

    async def _tick_on(self) -> None:
        while True:
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - nobody else looks after the streams
                self._note(error)
            await asyncio.sleep(_TICK)

    def _tick(self) -> None:
        """One look at everything: what the clock ends, who is stuck, whether the fan-out works."""
        if self._fanout is None or self._fanout.failure is not None:
            self._restart()
        now, condemned = monotonic(), []
        alive = {one: self._services.access.is_alive(one) for one in {reader.principal for reader in self._readers}}
        for reader, over_since in self._readers.items():
            if reader.ended is not None:
                if over_since is None:
                    self._readers[reader] = now
                elif now - over_since > _LINGER:
                    condemned.append(reader.peer)
            elif not alive[reader.principal]:
                reader.end(POLICY, "the key has ended")
            elif reader.is_stuck(now):
                reader.end(TOO_SLOW, "too slow")
        if condemned:
            self.cut(condemned)

    def _restart(self) -> None:
        try:
            if self._fanout is None:
                assert self._loop is not None
                self._fanout = Fanout(self._services.events, self._services.metrics, self._loop)
            elif self._fanout.failure is not None:
                self._note(self._fanout.failure)
                self._fanout.restart()
        except Exception as error:  # noqa: BLE001 - the next tick tries again
            self._note(error)

    def _note(self, error: BaseException) -> None:
        """Show the failure in the health; the log hears of the first of a row."""
        was, self._failed_at = self._failed_at, monotonic()
        if self._failed_at - was > _TROUBLED:
            from rpsd.telemetry import logger

            logger().error("the fan-out of streams failed and begins anew", operation="streams", outcome="error", exc_info=error)
