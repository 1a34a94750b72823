"""Events as they happen: server-sent events read for as long as the reader likes, over lost connections and restarts of the server."""

import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from rpsd.client.connection import Connection
from rpsd.core.errors import Kind, RpsdError, Unavailable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PATH: Final = "/api/v1/events"
_SILENCE_SECONDS: Final = 15.0
"""Without a byte for so long the connection counts as lost; the server sends a comment every five seconds."""
_FIRST_WAIT_SECONDS: Final = 0.25
_LONGEST_WAIT_SECONDS: Final = 30.0
_LONGEST_LINE: Final = 1 << 22
"""Characters of a line; what is longer is not of this server."""

Open = Callable[[str | None], "AbstractContextManager[httpx.Response]"]


class Events:
    """An iterator over frames, as a WebSocket brings them: `data`, `gap` for what can no longer be had, `dropped` for what came too fast,
    and at the beginning of each connection `subscribe_confirmed`: what happens from then on is heard.

    A lost connection is opened again, after waits that grow to 30 s, and goes on where it ended. No frame comes twice, and events that are
    missing without a word from the server are told by a `gap` of this iterator's own. `last_id` is what `after` takes to go on later;
    `sequences` holds the newest sequence of each channel.

    Iterating raises what the server refuses for good (a key that has ended, a channel that is none); for what may pass it is asked again,
    until `patience` seconds have gone by without a sign of it (None: for ever), which raises Unavailable.
    """

    def __init__(self, opened: Open, after: str | None, patience: float | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._opened, self._patience, self._sleep = opened, patience, sleep
        self.last_id = after
        self.sequences: dict[str, int] = {}
        self._frames = self._read_on()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._frames)

    def close(self) -> None:
        """End the stream; harmless when done twice."""
        self._frames.close()

    def _read_on(self) -> Generator[dict[str, Any]]:
        failures, since = 0, time.monotonic()
        while True:
            asked = 0.0
            try:
                with self._opened(self.last_id) as response:
                    for frame in self._frames_of(response):
                        failures, since = 0, time.monotonic()
                        yield from frame
                problem: RpsdError = Unavailable("the server has ended the stream")
            except RpsdError as error:
                if error.kind is not Kind.BUSY:
                    raise
                problem, asked = error, error.retry_after or 0.0
            wait = max(asked, min(_FIRST_WAIT_SECONDS * 2**failures, _LONGEST_WAIT_SECONDS))
            if self._patience is not None and time.monotonic() + wait - since > self._patience:
                raise problem
            failures = min(failures + 1, 10)
            self._sleep(wait * random.uniform(0.75, 1.25))  # noqa: S311 - so that many readers do not come back at once

    def _frames_of(self, response: httpx.Response) -> Iterator[list[dict[str, Any]]]:
        """The frames of each message of the stream, none for a comment or for what is no frame of ours."""
        data: list[str] = []
        given_id: str | None = None
        for line in _lines(response):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "id" and "\0" not in value:
                given_id = value
            elif not line:
                if given_id is not None:  # only now: a message that was cut off comes again
                    self.last_id = given_id
                yield self._taken("\n".join(data))
                data, given_id = [], None
            elif not name:
                yield []  # a comment: the server lives

    def _taken(self, text: str) -> list[dict[str, Any]]:
        """The frame of a message, after a gap if some before it are missing; nothing when it has come before."""
        if not text:
            return []
        frame = json.loads(text)
        if not isinstance(frame, dict):
            return []
        if frame.get("type") == "dropped":
            channel = str(frame.get("channel"))
            if channel in self.sequences:
                self.sequences[channel] += int(frame["count"])
        if frame.get("type") == "gap":
            self.sequences.pop(str(frame.get("channel")), None)
        if frame.get("type") != "data":
            return [frame] if frame.get("type") != "close" else []  # the next connection tells whether it is for good
        channel, sequence = frame["channel"], frame["sequence"]
        last = self.sequences.get(channel)
        if last is not None and sequence <= last:
            return []
        self.sequences[channel] = sequence
        if last is None or sequence == last + 1:
            return [frame]
        return [{"type": "gap", "channel": channel, "from": last, "to": sequence - 1, "missed": sequence - last - 1}, frame]


def _lines(response: httpx.Response) -> Iterator[str]:
    """Lines without their ends, as they come; what is left when the stream ends was cut off."""
    rest = ""
    for text in response.iter_text():
        rest += text
        *whole, rest = rest.split("\n")
        yield from (line.removesuffix("\r") for line in whole)
        if len(rest) > _LONGEST_LINE:
            raise Unavailable(f"a line of the stream is longer than {_LONGEST_LINE} characters")


class StreamCalls(Connection):
    """Calls that last."""

    def events(self, channels: Sequence[str], *, after: str | None = None, patience: float | None = None) -> Events:
        """Frames of these channels from now on, or after the event whose id is `after`; see Events.

        `for frame in client.events(["jobs", "regime:AAPL:1d"]): print(frame)`
        """

        def opened(last_id: str | None) -> "AbstractContextManager[httpx.Response]":
            headers = {"Accept": "text/event-stream"} | ({} if last_id is None else {"Last-Event-ID": last_id})
            usual = self._http.timeout
            timeout = httpx.Timeout(connect=usual.connect, read=_SILENCE_SECONDS, write=usual.write, pool=usual.pool)
            return self.stream(PATH, params={"channels": ",".join(channels)}, headers=headers, timeout=timeout)

        return Events(opened, after, patience)
