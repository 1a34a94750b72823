"""Events: what has just happened, by channel, for streams and for whoever waits for it inside the process."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Self

_RING: Final = 1000
"""Events of a channel that can still be read."""
_CHANNELS: Final = 4096
"""Channels that are kept; beyond them the one that was silent for longest is forgotten."""
_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `sequence` counts up by one within its channel; `data` is JSON and is not to be written to."""

    channel: str
    sequence: int
    at_ns: int
    data: Mapping[str, Any]


@dataclass(slots=True)
class _Ring:
    """The newest events of a channel; `first` is the sequence with which it began."""

    first: int
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_RING))

    def following(self) -> int:
        """The sequence of the next event."""
        return self.events[-1].sequence + 1 if self.events else self.first

    def since(self, wanted: int) -> tuple[list[Event], int]:
        """The events from the sequence `wanted` on, and how many of them are gone: one at least when it is older than the channel."""
        if not self.events:
            return [], 0
        oldest = self.events[0].sequence
        missed = max(oldest - max(wanted, self.first), 0) + (wanted < self.first)
        return list(islice(self.events, max(wanted - oldest, 0), None)), missed


class Listener:
    """A reader of some channels, made by EventHub.listen; leave its `with` to end it.

    It has no queue of its own: it reads the channels' rings, so that a slow reader costs nothing and merely misses events, which
    `missed` counts by channel.
    """

    def __init__(self, hub: "EventHub", wanted: dict[str, int | None], on_news: Callable[[], None] | None) -> None:
        self._hub, self.wanted, self.on_news = hub, wanted, on_news
        self.missed: dict[str, int] = {}

    def take(self, timeout_seconds: float = 0.0) -> list[Event]:
        """What has come since the last call, channel by channel; waits up to timeout_seconds for the first."""
        return self._hub.take(self, timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.leave(self)


class EventHub:
    """Publishes from any thread to any thread. Nothing is stored: a restart forgets, and its sequences go on above the old ones.

    A channel's sequence begins with the milliseconds since 1970 of its first event: one that a reader kept over a restart is below it,
    so that the reader learns that it missed something.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._rings: OrderedDict[str, _Ring] = OrderedDict()
        self._listeners: list[Listener] = []
        self._news = threading.Condition()

    def publish(self, channel: str, data: Mapping[str, Any]) -> int:
        """Tell the channel's listeners; the event's sequence. Never waits for a reader."""
        now_ns = self._clock()
        with self._news:
            ring = self._rings.setdefault(channel, _Ring(now_ns // _MS))
            event = Event(channel, ring.following(), now_ns, data)
            ring.events.append(event)
            self._rings.move_to_end(channel)
            if len(self._rings) > _CHANNELS:
                self._rings.popitem(last=False)
            awaited = [one.on_news for one in self._listeners if one.on_news is not None and channel in one.wanted]
            self._news.notify_all()
        for call in awaited:
            call()
        return event.sequence

    def listen(
        self, channels: Sequence[str], after: Mapping[str, int] | None = None, *, on_news: Callable[[], None] | None = None
    ) -> Listener:
        """A reader of the channels: of what comes from now on, and of a channel named in `after` of what came after that sequence.

        `on_news` is called, by the thread that publishes, when there is something to take: it must return at once and not raise.
        """
        with self._news:
            wanted = {channel: self._start(channel, (after or {}).get(channel)) for channel in channels}
            listener = Listener(self, wanted, on_news)
            self._listeners.append(listener)
        return listener

    def _start(self, channel: str, after: int | None) -> int | None:
        """The first sequence that a new reader wants; None: whatever comes first."""
        if after is not None:
            return after + 1
        ring = self._rings.get(channel)
        return None if ring is None else ring.following()

    def take(self, listener: Listener, timeout_seconds: float = 0.0) -> list[Event]:
        """See Listener.take."""
        until = time.monotonic() + timeout_seconds
        with self._news:
            while not (found := self._fresh(listener)) and (left := until - time.monotonic()) > 0:
                self._news.wait(left)
        return found

    def _fresh(self, listener: Listener) -> list[Event]:
        found: list[Event] = []
        for channel, wanted in listener.wanted.items():
            if (ring := self._rings.get(channel)) is None:
                continue
            events, missed = ring.since(ring.first if wanted is None else wanted)
            if missed:
                listener.missed[channel] = listener.missed.get(channel, 0) + missed
            if events:
                listener.wanted[channel] = events[-1].sequence + 1
            found += events
        return found

    def leave(self, listener: Listener) -> None:
        """End the reader; harmless when done twice."""
        with self._news:
            if listener in self._listeners:
                self._listeners.remove(listener)
