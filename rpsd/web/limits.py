"""What a body may be before anything parses it: nested at most 32 deep, within the size of its route, on time."""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import numpy as np

from rpsd.core.errors import BodyTooLarge, MalformedBody, RequestTimeout, UnsupportedMediaType

DEEPEST: Final = 32
_PACE: Final = 1 << 18  # a sender earns another body_timeout with each 256 KiB, so that a slow link may still send a long file
_AHEAD: Final = 0.93  # of its time is what a body gets: the answer, and the end of the connection, are to come within it
_PIECE: Final = 1 << 20  # decoded bytes that are asked of a decompressor at once
_AT_ONCE: Final = 1 << 16  # sent bytes that it is given for that
_STEP: Final = 1 << 12  # and in which steps: what a member leaves over is copied
_RINSED: Final = 1 << 16  # bytes of an unread body that an answer waits for
_RINSE_SECONDS: Final = 0.25  # and how long
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)  # possessive, and an open string ends the text: never backtracks
_BRACKETS: Final = b"[]{}"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STEPS: Final = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]


def check_depth(body: bytes) -> None:
    """Raise MalformedBody when the JSON text nests deeper than 32 levels, in known and unknown fields alike; O(n)."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    brackets = _STRINGS.sub(b"", body).translate(None, _NOT_BRACKETS)
    depth = np.cumsum(_STEPS[np.frombuffer(brackets, np.uint8)], dtype=np.int64)
    if depth.size and depth.max() > DEEPEST:
        raise MalformedBody(f"the JSON nests deeper than {DEEPEST} levels")


def check_count(values: int, most: int | None) -> None:
    """Raise BodyTooLarge for more than `most` values: small ones take a byte or two of a body, and some 40 of memory."""
    if most is not None and values > most:
        raise BodyTooLarge(f"the body holds more than {most} values", hint="Split it, or raise server.max_body_bytes.")


class Inflater(Protocol):
    """A decompressor that gives its output in pieces: a few kilobytes can unfold to gigabytes, and the loop serves others meanwhile."""

    @property
    def waiting(self) -> bool:
        """Whether feed(b"") has more to give."""

    def feed(self, chunk: bytes) -> bytes:
        """Some decoded bytes of what has come so far, some MiB at most. Raises MalformedBody on damage."""

    def finish(self) -> None:
        """Raise MalformedBody unless the stream is complete."""


class Gunzip:
    """gzip in pieces, several members in a row included."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = self._full = False
        self._held, self._at = b"", 0

    @property
    def waiting(self) -> bool:
        """Whether feed(b"") has more to give."""
        return self._full or self._at < len(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """Some decoded bytes."""
        self._held, self._at = self._held[self._at :] + chunk, 0
        decoded, end = bytearray(), min(len(self._held), _AT_ONCE)
        self._begun = self._begun or bool(self._held)
        while (self._full or self._at < end) and len(decoded) < _PIECE:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            given = self._held[self._at : self._at + _STEP]
            room = _PIECE - len(decoded)
            try:
                piece = self._member.decompress(given, room)
            except zlib.error as error:
                raise MalformedBody("the gzip body is damaged") from error
            self._full = len(piece) == room and not self._member.eof
            decoded += piece
            self._at += len(given) - len(self._member.unused_data if self._member.eof else self._member.unconsumed_tail)
        return bytes(decoded)

    def finish(self) -> None:
        """Raise MalformedBody unless the last member is complete."""
        if self._begun and not self._member.eof:
            raise MalformedBody("the gzip body is cut off")


class Unzstd:
    """zstd in pieces, several frames in a row included; the window is bounded so that a hostile header cannot claim memory."""

    def __init__(self) -> None:
        import zstandard  # only compressed requests need it

        self._damaged = zstandard.ZstdError
        self._opened = zstandard.ZstdDecompressor(max_window_size=1 << 23)
        self._frame = self._opened.decompressobj()
        self._begun = False
        self._held, self._at = b"", 0

    @property
    def waiting(self) -> bool:
        """Whether feed(b"") has more to give."""
        return self._at < len(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """Some decoded bytes; zstd is given 128 bytes at a time, which unfold to at most some 4 MiB."""
        self._held, self._at = self._held[self._at :] + chunk, 0
        decoded, end = bytearray(), min(len(self._held), _AT_ONCE)
        while self._at < end and len(decoded) < _PIECE:
            given = self._held[self._at : self._at + 128]
            if self._frame.eof:
                self._frame = self._opened.decompressobj()
            self._begun = True
            try:
                decoded += self._frame.decompress(given)
            except self._damaged as error:
                raise MalformedBody("the zstd body is damaged") from error
            self._at += len(given) - (len(self._frame.unused_data) if self._frame.eof else 0)
        return bytes(decoded)

    def finish(self) -> None:
        """Raise MalformedBody unless the last frame is complete."""
        if self._begun and not self._frame.eof:
            raise MalformedBody("the zstd body is cut off")


def inflater(encoding: str) -> Inflater | None:
    """The decompressor for a Content-Encoding, None for identity. Raises UnsupportedMediaType."""
    if encoding in ("", "identity"):
        return None
    if encoding == "gzip":
        return Gunzip()
    if encoding == "zstd":
        return Unzstd()
    raise UnsupportedMediaType(f"content encoding {encoding[:40]!r} is not read", hint="Send the body plain, or as gzip or zstd.")


class BoundedBody:
    """ASGI `receive` with the limits around it: size as sent and as decoded, and a deadline that each 256 KiB extend.

    Raises BodyTooLarge, RequestTimeout, MalformedBody out of the handler's own read, so that they take the usual road to the client.
    """

    __slots__ = (
        "__weakref__", "_alarm", "_decoded", "_ended", "_inflater", "_most", "_receive", "_received", "_started", "_timeout", "_waiting",
        "complete", "late",
    )  # fmt: skip

    def __init__(self, receive: Receive, *, most: int, timeout_seconds: float, inflate: Inflater | None) -> None:
        self._receive, self._most, self._timeout, self._inflater = receive, most, timeout_seconds, inflate
        self._received = self._decoded = 0
        self._started = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[Any] | None = None
        self._ended = self.complete = self.late = False

    async def __call__(self) -> Message:
        """The next message, decoded."""
        if self.complete:  # after the body only a disconnect can come: no deadline
            return await self._receive()
        chunk = b""
        if self._inflater is None or not self._inflater.waiting:
            chunk = await self._next()
        else:
            await asyncio.sleep(0)  # the others' turn between two pieces
        if self._inflater is not None:
            chunk = self._inflater.feed(chunk)
            self._decoded += len(chunk)
            if self._decoded > self._most:
                raise BodyTooLarge("the decoded body is above the limit")
        self.complete = self._ended and not (self._inflater is not None and self._inflater.waiting)
        if self.complete and self._inflater is not None:
            self._inflater.finish()
        return {"type": "http.request", "body": chunk, "more_body": not self.complete}

    def open(self, length: bytes | None, encoding: str) -> None:
        """Take the body in as its headers announce it. Raises BodyTooLarge, UnsupportedMediaType."""
        if length is not None and length.isdigit() and int(length) > self._most:
            raise BodyTooLarge(f"the body is above {self._most} bytes")
        self._inflater = inflater(encoding)

    async def drain(self) -> bool:
        """Let a short rest of the body pass by unread and unjudged, in a quarter of a second at most; whether its end has come.

        An engine ends the connection when an answer leaves some of the body behind, and takes the client's next request with it.
        """
        self.complete = True
        self._still()
        if self.late:
            return False
        left = _RINSED
        with suppress(TimeoutError):
            async with asyncio.timeout(_RINSE_SECONDS):
                while not self._ended and left > 0:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        break
                    left -= len(message.get("body", b""))
                    self._ended = not message.get("more_body", False)
        return self._ended

    async def _next(self) -> bytes:
        """The next bytes as they were sent."""
        message = await self._on_time()
        if message["type"] != "http.request":
            raise MalformedBody("the body is cut off: the client closed the connection, or broke its chunks")
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        if self._received > self._most:
            raise BodyTooLarge(f"the body is above {self._most} bytes")
        self._ended = not message.get("more_body", False)
        if self._ended:
            self._still()
        return chunk

    async def _on_time(self) -> Message:
        """The next message. One alarm serves the whole body: a timeout for each of its bytes would cost more than the byte."""
        if self._alarm is None:
            self._started = self._started or asyncio.get_running_loop().time()
            self._set_alarm()
        self._waiting = task = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError as error:
            if self.late and task is not None and task.uncancel() == 0:
                raise RequestTimeout(f"the body did not arrive within {self._allowed():g} seconds") from error
            raise
        finally:
            self._waiting = None

    def _allowed(self) -> float:
        return self._timeout * (1 + self._received // _PACE)

    def _set_alarm(self) -> None:
        self._alarm = asyncio.get_running_loop().call_at(self._started + _AHEAD * self._allowed(), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiting is None:  # the server's own time: the next wait sets the alarm again
            return
        if asyncio.get_running_loop().time() < self._started + _AHEAD * self._allowed():  # more has come meanwhile
            self._set_alarm()
            return
        self.late = True
        self._waiting.cancel()

    def _still(self) -> None:
        """No alarm any more: an alarm that is left would keep the body in memory until it rings."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
