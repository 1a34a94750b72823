"""A reader of a stream: what it hears, and what waits to be sent to it, bounded whatever it does."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Final

from rpsd.services.events import Event
from rpsd.web.stream import frames

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal

MOST_WAITING: Final = 256
"""Events that wait for a reader; beyond them the oldest are dropped and counted."""
MOST_BYTES: Final = 1 << 20
"""Characters of them."""
MOST_REPLIES: Final = 64
"""Answers that wait for a reader; a client that does not take them is not read any further."""
PATIENCE: Final = 8.0
"""Seconds that a reader may be stuck in one frame, or behind so far that frames are dropped."""


class Ended(Exception):
    """The stream is over: with which close code, and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Reader:
    """One open stream. Everything here happens on the event loop.

    Answers go first, then what was missed before (`replay`), then what comes live: so each channel's events arrive in their order.
    """

    def __init__(self, principal: "Principal", peer: tuple[str, str]) -> None:
        self.principal, self.peer = principal, peer
        self.channels: set[str] = set()
        self.ended: Ended | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stuck_since: float | None = None
        self._behind_since: float | None = None
        self._replies: deque[str] = deque()
        self._replay: deque[Event | str] = deque()
        self._live: deque[Event] = deque()
        self._live_size = 0
        self._dropped: Counter[str] = Counter()
        self._awaited: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def tell(self, event: Event) -> int:
        """Queue a live event, and drop the oldest when there is no room; how many were dropped."""
        self._live.append(event)
        self._live_size += len(event.frame or frames.data(event))
        gone = 0
        while len(self._live) > MOST_WAITING or self._live_size > MOST_BYTES:
            oldest = self._live.popleft()
            self._live_size -= len(frames.data(oldest))
            self._dropped[oldest.channel] += 1
            gone += 1
        if gone and self._behind_since is None:
            self._behind_since = monotonic()
        self._wake()
        return gone

    def miss(self, channel: str, count: int) -> None:
        """Note events of a channel that never came this far."""
        self._dropped[channel] += count
        self._wake()

    def reply(self, text: str) -> None:
        """Queue an answer; wait for room() before more is read of the client."""
        self._replies.append(text)
        self._wake()

    def resend(self, earlier: Iterable[Event | str]) -> None:
        """Queue what a new subscription missed: events, and frames that tell of a gap. They are made to text one by one."""
        self._replay.extend(earlier)
        self._wake()

    def forget(self, channels: Iterable[str]) -> None:
        """Take what waits of these channels out of the queues: nobody hears them any more, or from another place."""
        gone = frozenset(channels)
        self._live = deque(event for event in self._live if event.channel not in gone)
        self._live_size = sum(len(frames.data(event)) for event in self._live)
        self._replay = deque(one for one in self._replay if isinstance(one, str) or one.channel not in gone)
        for channel in gone:
            self._dropped.pop(channel, None)

    def end(self, code: int, reason: str) -> None:
        """The stream is to be closed; what waits is not sent. The first reason stays."""
        if self.ended is None:
            self.ended = Ended(code, reason)
            self.over.set_result(None)
            self._wake()
            self._make_room()

    def is_stuck(self, now: float) -> bool:
        """Whether it has taken nothing, or too little, for PATIENCE."""
        times = (self.stuck_since, self._behind_since)
        return any(since is not None and now - since > PATIENCE for since in times)

    @property
    def waiting(self) -> int:
        """How many frames wait for the reader, of any kind."""
        return len(self._replies) + len(self._replay) + len(self._live) + len(self._dropped)

    async def next(self) -> str | Event:
        """The next thing to send. Raises Ended when the stream is over."""
        while True:
            if self.ended is not None:
                raise self.ended
            if self._replies:
                if len(self._replies) == MOST_REPLIES:
                    self._make_room()
                return self._replies.popleft()
            if self._replay:
                return self._replay.popleft()
            if self._dropped:
                channel, count = self._dropped.popitem()
                return frames.dropped(channel, count)
            if self._live:
                event = self._live.popleft()
                self._live_size -= len(event.frame or frames.data(event))
                return event
            self._behind_since = None
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited

    async def room(self) -> None:
        """Return when there is room for another answer, or the stream is over."""
        while len(self._replies) >= MOST_REPLIES and self.ended is None:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
