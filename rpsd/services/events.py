"""Events: what has just happened, by channel, for streams and for whoever waits for it inside the process."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Self

RING: Final = 1000
"""Events of a channel that can still be read."""
MOST_HELD: Final = 16_384
"""Events that are held in all; beyond them the oldest goes, whatever its channel."""
_CHANNELS: Final = 4096
"""Channels that are kept; beyond them the one that was silent for longest is forgotten."""
_UNREAD: Final = 16_384
"""Events that wait for a tap; beyond them the oldest are lost to it, which their sequences show."""
_WANTED_NS: Final = 60_000_000_000
_MS: Final = 1_000_000
_US: Final = 1_000


@dataclass(slots=True)
class Event:
    """One thing that happened. `sequence` counts up by one within its channel, `order` over all channels; neither is to be written to.

    `data` is JSON. `frame` is for the stream: the text in which the event goes to every reader, once it has been made.
    """

    channel: str
    sequence: int
    at_ns: int
    data: Mapping[str, Any]
    order: int = 0
    frame: str | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class _Ring:
    """The newest events of a channel; `first` is the sequence with which it began, `lost` the order of the newest that is gone.

    `is_passed` while what happens is passed over, for nobody has asked for the channel since.
    """

    first: int
    lost: int
    events: deque[Event] = field(default_factory=deque)
    next: int = 0
    is_passed: bool = False

    def __post_init__(self) -> None:
        self.next = self.first

    def since(self, wanted: int) -> tuple[list[Event], int]:
        """The events from the sequence `wanted` on, and how many of them are gone: one at least when it is older than the channel."""
        oldest = self.events[0].sequence if self.events else self.next
        if wanted > self.next:  # of another life: nobody can tell what came between
            return list(self.events), oldest - self.first + 1
        missed = max(oldest - max(wanted, self.first), 0) + (wanted < self.first)
        return list(islice(self.events, max(wanted - oldest, 0), None)), missed

    def since_order(self, order: int) -> tuple[list[Event], int]:
        """The events after that order, and whether others were (as a count of at least one)."""
        return [event for event in self.events if event.order > order], int(order < self.lost)


@dataclass(frozen=True, slots=True)
class Joined:
    """A channel as a reader finds it: the sequence of its newest event (0: none yet), those it asked for, and how many are gone."""

    last: int
    events: list[Event]
    missed: int = 0


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


class Tap:
    """Where all events of some channels flow to, in the order of their publishing, for one reader that serves many.

    `on_news` is called by the thread that publishes, once until the next drain(): it must return at once and not raise. `order` is that of
    the newest event when the tap was made.
    """

    def __init__(self, on_news: Callable[[], None]) -> None:
        self.on_news = on_news
        self.order = 0
        self.channels: set[str] = set()
        self.unread: deque[Event] = deque(maxlen=_UNREAD)
        self.told = False


class EventHub:
    """Publishes from any thread to any thread. Nothing is stored: a restart forgets, and its sequences go on above the old ones.

    A channel's sequence begins with the milliseconds since 1970 of its first event: one that a reader kept over a restart is below it,
    so that the reader learns that it missed something. The order begins with the microseconds of the start, for the same reason.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._rings: OrderedDict[str, _Ring] = OrderedDict()
        self._listeners: list[Listener] = []
        self._taps: list[Tap] = []
        self._news = threading.Condition()
        self._order = self._begun = self._forgotten = clock() // _US
        self._held: deque[tuple[_Ring, int]] = deque()  # ring and sequence of every event, the oldest first; some are gone already
        self._wanted: OrderedDict[str, int] = OrderedDict()  # when somebody last heard the channel, the latest at the end

    @property
    def order(self) -> int:
        """That of the newest event of all."""
        return self._order

    def publish(self, channel: str, data: Mapping[str, Any]) -> int:
        """Tell the channel's listeners; the event's sequence. Never waits for a reader."""
        now_ns = self._clock()
        with self._news:
            if (ring := self._rings.get(channel)) is None:
                ring = self._begin(channel, now_ns)
            self._order += 1
            event = Event(channel, ring.next, now_ns, data, self._order)
            self._keep(ring, event)
            self._rings.move_to_end(channel)
            awaited = [one.on_news for one in self._listeners if one.on_news is not None and channel in one.wanted]
            awaited += [tap.on_news for tap in self._taps if channel in tap.channels and _is_news(tap, event)]
            self._news.notify_all()
        for call in awaited:
            call()
        return event.sequence

    def _keep(self, ring: _Ring, event: Event) -> None:
        ring.events.append(event)
        ring.next, ring.is_passed = ring.next + 1, False
        self._held.append((ring, event.sequence))
        if len(ring.events) > RING:
            ring.lost = ring.events.popleft().order
        while len(self._held) > MOST_HELD:
            oldest, sequence = self._held.popleft()
            if oldest.events and oldest.events[0].sequence == sequence:
                oldest.lost = oldest.events.popleft().order

    def is_wanted(self, channel: str) -> bool:
        """Whether somebody hears the channel, or did within a minute: a publisher whose work costs asks before it does it.

        What is not published because nobody does is one missed event for whoever comes back. No lock but for the first of those.
        """
        if self._is_heard(channel):
            return True
        heard_ns, ring = self._wanted.get(channel), self._rings.get(channel)
        if heard_ns is None and (ring is None or ring.is_passed):
            return False  # as it mostly is
        if heard_ns is not None and self._clock() - heard_ns < _WANTED_NS:
            return True
        return self._pass_over(channel)

    def _is_heard(self, channel: str) -> bool:
        return any(channel in tap.channels for tap in tuple(self._taps)) or any(channel in one.wanted for one in tuple(self._listeners))

    def _pass_over(self, channel: str) -> bool:
        """Forget the channel's events and leave a hole in its sequence; True, and nothing is done, when somebody hears it after all."""
        with self._news:
            if self._is_heard(channel):
                return True
            if (ring := self._rings.get(channel)) is None:
                ring = self._begin(channel, self._clock())
            self._order += 1
            ring.lost, ring.next, ring.is_passed = self._order, ring.next + 1, True
            ring.events.clear()
            self._wanted.pop(channel, None)
        return False

    def _begin(self, channel: str, now_ns: int) -> _Ring:
        """A new ring, in whose place the one that was silent for longest goes when there are too many."""
        ring = self._rings[channel] = _Ring(now_ns // _MS, self._forgotten)
        if len(self._rings) > _CHANNELS:
            self._rings.popitem(last=False)
            self._forgotten = self._order
        return ring

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
        return None if ring is None else ring.next

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
            if events or missed:
                listener.wanted[channel] = ring.next
            found += events
        return found

    def leave(self, listener: Listener) -> None:
        """End the reader; harmless when done twice."""
        with self._news:
            if listener in self._listeners:
                self._listeners.remove(listener)
                self._note_heard(listener.wanted)

    def tap(self, on_news: Callable[[], None]) -> Tap:
        """A tap of no channel yet; see Tap, join() and untap()."""
        opened = Tap(on_news)
        with self._news:
            opened.order = self._order
            self._taps.append(opened)
        return opened

    def untap(self, tap: Tap) -> None:
        """End the tap; harmless when done twice."""
        with self._news:
            if tap in self._taps:
                self._taps.remove(tap)
                self._note_heard(tap.channels)

    def drain(self, tap: Tap) -> list[Event]:
        """What has come through the tap since the last time."""
        with self._news:
            return _emptied(tap)

    def join(
        self, tap: Tap, channels: Iterable[str], after: Mapping[str, int], order: int | None = None
    ) -> tuple[list[Event], dict[str, Joined]]:
        """Let the channels flow into the tap. What was in it before, and each channel as it stands at this very moment.

        Of a channel in `after`, the events since that sequence; of the others those since `order`, if it is given.
        """
        with self._news:
            before = _emptied(tap)
            found = {channel: self._joined(channel, after.get(channel), order) for channel in channels}
            tap.channels.update(found)
        return before, found

    def _joined(self, channel: str, after: int | None, order: int | None) -> Joined:
        if (ring := self._rings.get(channel)) is None:
            is_foreign = after is not None or (order is not None and not self._begun <= order <= self._order)
            return Joined(0, [], int(is_foreign))
        last = ring.next - 1
        if after is not None:
            return Joined(last, *ring.since(after + 1))
        if order is not None:
            return Joined(last, *ring.since_order(order if order <= self._order else 0))
        return Joined(last, [])

    def part(self, tap: Tap, channel: str) -> None:
        """Let the channel no longer flow into the tap."""
        with self._news:
            tap.channels.discard(channel)
            self._note_heard((channel,))

    def _note_heard(self, channels: Iterable[str]) -> None:
        """Of no more channels than are kept: a reader may go through the names of a million."""
        now_ns = self._clock()
        for channel in channels:
            self._wanted[channel] = now_ns
            self._wanted.move_to_end(channel)
        while len(self._wanted) > _CHANNELS:
            self._wanted.popitem(last=False)


def _is_news(tap: Tap, event: Event) -> bool:
    """Put the event into the tap; whether its reader must be told."""
    tap.unread.append(event)
    was_told, tap.told = tap.told, True
    return not was_told


def _emptied(tap: Tap) -> list[Event]:
    found = list(tap.unread)
    tap.unread.clear()
    tap.told = False
    return found
