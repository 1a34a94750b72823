"""The fan-out: events come from any thread, and go to every reader on the loop, encoded once, without a task or lock in between."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rpsd.services.events import Event, EventHub, Joined, Tap
from rpsd.web.stream import frames
from rpsd.web.stream.reader import Reader

if TYPE_CHECKING:
    from rpsd.telemetry import Metrics


class Fanout:
    """All streams of one event loop; each method runs on it."""

    def __init__(self, hub: EventHub, metrics: "Metrics", loop: asyncio.AbstractEventLoop) -> None:
        self._hub, self._loop = hub, loop
        self._sent, self._dropped = metrics.stream_frames_total, metrics.stream_dropped_total
        self._readers: dict[str, dict[Reader, None]] = {}
        self._last: dict[str, int] = {}
        self._tap: Tap = hub.tap(self._on_news)
        self._order = self._tap.order
        self.failure: BaseException | None = None

    def _on_news(self) -> None:
        """In whatever thread publishes."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._flow)

    def _flow(self) -> None:
        """Deliver what has come. Whatever goes wrong is kept for whoever watches over us: nothing else would see it."""
        try:
            self._deliver(self._hub.drain(self._tap))
        except Exception as error:  # noqa: BLE001 - see above
            self.failure = error

    def _deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            self._order = event.order
            readers = self._readers.get(event.channel)
            if not readers:
                continue
            missed = event.sequence - self._last.get(event.channel, event.sequence - 1) - 1
            self._last[event.channel] = event.sequence
            gone = 0
            try:
                frames.data(event)
            except Exception as error:  # noqa: BLE001 - data that is no JSON: its publisher's fault, which must not take the others' events
                self.failure = error
                for reader in readers:
                    reader.miss(event.channel, 1)
                continue
            for reader in readers:
                if missed > 0:
                    reader.miss(event.channel, missed)
                gone += reader.tell(event)
            gone += max(missed, 0) * len(readers)
            self._sent.inc(len(readers))
            if gone:
                self._dropped.inc(gone)

    def join(self, reader: Reader, channels: Sequence[str], after: Mapping[str, int], order: int | None = None) -> dict[str, Joined]:
        """Let the reader hear the channels from this moment on; how each stands, with what it asked for of the past.

        A channel that it hears already begins anew when `after` names it.
        """
        before, found = self._hub.join(self._tap, channels, after, order)
        self._deliver(before)  # to those who were there already
        reader.forget(channel for channel in channels if channel in after)
        for channel, joined in found.items():
            self._readers.setdefault(channel, {})[reader] = None
            if joined.last:
                self._last[channel] = joined.last
        reader.channels.update(found)
        return found

    def part(self, reader: Reader, channels: Sequence[str]) -> None:
        """Let the reader hear the channels no more."""
        for channel in channels:
            if channel not in reader.channels:
                continue
            reader.channels.discard(channel)
            readers = self._readers[channel]
            readers.pop(reader, None)
            if not readers:
                del self._readers[channel]
                self._last.pop(channel, None)
                self._hub.part(self._tap, channel)

    def restart(self) -> None:
        """Begin anew with another tap, after a failure. What was lost with the old one is read again, as far as it is held."""
        self._hub.untap(self._tap)
        self._tap, self.failure = self._hub.tap(self._on_news), None
        _, found = self._hub.join(self._tap, tuple(self._readers), {}, self._order)
        self._deliver(sorted((event for joined in found.values() for event in joined.events), key=lambda event: event.order))

    def close(self) -> None:
        """End the tap."""
        self._hub.untap(self._tap)


def replayed(found: Mapping[str, Joined], after: Mapping[str, int], *, has_order: bool = False) -> list[Event | str]:
    """What readers get of the past: for each channel the gap first, if there is one, and then its events.

    Several channels come in the order of their publishing.
    """
    gaps: list[Event | str] = []
    events: list[Event] = []
    for channel, joined in found.items():
        if joined.missed and (channel in after or has_order):
            following = joined.events[0].sequence if joined.events else joined.last + 1 if joined.last else None
            gaps.append(frames.gap(channel, after.get(channel), joined.missed, following))
        events += joined.events
    return [*gaps, *sorted(events, key=lambda event: event.order)]
