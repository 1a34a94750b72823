"""What a body may be before anything parses it: nested at most 32 deep, within the size of its route, on time."""

import re
import zlib
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, Protocol

import numpy as np

from rpsd.core.errors import BodyTooLarge, MalformedBody, RequestTimeout, UnsupportedMediaType

DEEPEST: Final = 32
_PACE: Final = 1 << 18  # a sender earns another body_timeout with each 256 KiB, so that a slow link may still send a long file
_STRINGS: Final = re.compile(rb'"(?:[^"\\]+|\\.)*"', re.DOTALL)
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


class Inflater(Protocol):
    """A decompressor that never gives more than it is asked for at once."""

    def feed(self, chunk: bytes, most: int) -> bytes:
        """Decoded bytes of the chunk. Raises BodyTooLarge above `most`, MalformedBody on damage."""

    def finish(self) -> None:
        """Raise MalformedBody unless the stream is complete."""


class Gunzip:
    """gzip in pieces, several members in a row included."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False

    def feed(self, chunk: bytes, most: int) -> bytes:
        """Decoded bytes of the chunk."""
        decoded = bytearray()
        while chunk:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            self._begun = True
            try:
                decoded += self._member.decompress(chunk, max(most - len(decoded), 0) + 1)
            except zlib.error as error:
                raise MalformedBody("the gzip body is damaged") from error
            if len(decoded) > most:
                raise BodyTooLarge("the decoded body is above the limit")
            chunk = self._member.unused_data
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

    def feed(self, chunk: bytes, most: int) -> bytes:
        """Decoded bytes of the chunk, given to zstd in steps so that a bomb is met before it has unfolded."""
        decoded = bytearray()
        for start in range(0, len(chunk), 512):  # 512 bytes unfold to at most some 16 MiB
            decoded += self._step(chunk[start : start + 512])
            if len(decoded) > most:
                raise BodyTooLarge("the decoded body is above the limit")
        return bytes(decoded)

    def _step(self, piece: bytes) -> bytes:
        decoded = b""
        while piece:
            if self._frame.eof:
                self._frame = self._opened.decompressobj()
            self._begun = True
            try:
                decoded += self._frame.decompress(piece)
            except self._damaged as error:
                raise MalformedBody("the zstd body is damaged") from error
            piece = self._frame.unused_data if self._frame.eof else b""
        return decoded

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

    __slots__ = ("_decoded", "_inflater", "_most", "_receive", "_received", "_started", "_timeout", "complete")

    def __init__(self, receive: Receive, *, most: int, timeout_seconds: float, inflate: Inflater | None) -> None:
        self._receive, self._most, self._timeout, self._inflater = receive, most, timeout_seconds, inflate
        self._received = self._decoded = 0
        self._started = 0.0
        self.complete = False

    async def __call__(self) -> Message:
        """The next message, decoded."""
        if self.complete:  # after the body only a disconnect can come: no deadline
            return await self._receive()
        message = await self._on_time()
        if message["type"] != "http.request":
            return message
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        if self._received > self._most:
            raise BodyTooLarge(f"the body is above {self._most} bytes")
        if self._inflater is not None:
            chunk = self._inflater.feed(chunk, self._most - self._decoded)
            self._decoded += len(chunk)
            message = {**message, "body": chunk}
        if not message.get("more_body", False):
            self.complete = True
            if self._inflater is not None:
                self._inflater.finish()
        return message

    async def _on_time(self) -> Message:
        from asyncio import timeout_at  # the loop's clock is the monotonic one

        now = monotonic()
        self._started = self._started or now
        allowed = self._timeout * (1 + self._received // _PACE)
        try:
            async with timeout_at(self._started + allowed):
                return await self._receive()
        except TimeoutError as error:
            raise RequestTimeout(f"the body did not arrive within {allowed:g} seconds") from error
