"""Answers of 1,000 bytes and more follow Accept-Encoding: zstd, br or gzip."""

import re
import zlib
from collections.abc import Callable
from typing import Final

LEAST: Final = 1000
OFF_LOOP: Final = 1 << 16
"""Bodies above this are compressed in a thread: the loop serves others meanwhile."""
_ENCODINGS: Final = ("zstd", "br", "gzip")
_COMPRESSIBLE: Final = (
    b"text/", b"application/json", b"application/x-ndjson", b"application/msgpack", b"application/problem+json",
    b"application/openmetrics-text", b"image/svg",
)  # fmt: skip
_LIVE: Final = b"text/event-stream"  # a compressor would hold events back


def chosen(accept_encoding: bytes, content_type: bytes) -> str:
    """The encoding for an answer, empty for none. Float frames stay as they are: noise does not compress."""
    if not accept_encoding or not content_type.startswith(_COMPRESSIBLE) or content_type.startswith(_LIVE):
        return ""
    wanted = accept_encoding.decode("latin-1").lower()
    for encoding in _ENCODINGS:
        match = re.search(rf"(?:^|[,\s]){encoding}\s*(?:;\s*q=([0-9.]+))?\s*(?:,|$)", wanted)
        if match and (match[1] or "1").strip("0.") != "":
            return encoding
    return ""


def compressor(encoding: str) -> Callable[[bytes, bool], bytes]:
    """A function (chunk, last) -> compressed bytes, in the levels that suit answers made on the fly."""
    if encoding == "zstd":
        import zstandard  # the codecs wait for the first answer that wants them

        frame = zstandard.ZstdCompressor(level=3).compressobj()
        return lambda chunk, last: frame.compress(chunk) + (frame.flush() if last else b"")
    if encoding == "br":
        import brotli  # type: ignore[import-untyped]

        stream = brotli.Compressor(quality=4)
        return lambda chunk, last: stream.process(chunk) + (stream.finish() if last else b"")
    member = zlib.compressobj(5, wbits=31)
    return lambda chunk, last: member.compress(chunk) + (member.flush() if last else b"")
