"""HTTP itself spoilt: lengths, chunks, line ends and request lines; what follows is the engine's to refuse."""

import random
import re
from typing import Final

from tests.fault.fuzz.request import Request

_PLAIN: Final = re.compile(rb"[\x21-\x22\x24-\x3b\x3d\x3f-\x5f\x61-\x7e\x7b-\x7d|]*")
_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIELD: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LONGEST_HEAD: Final = 60_000
_MOST_HEADERS: Final = 98  # the engine reads a hundred, of which wire() adds up to two


def is_plain(target: bytes) -> bool:
    """Whether a target is one that HTTP knows."""
    return target.startswith(b"/") and _PLAIN.fullmatch(target) is not None


def mark(request: Request) -> None:
    """Say of the request whether HTTP itself is broken in it."""
    sizes = sum(len(name) + len(value) + 4 for name, value in request.headers)
    hosts = sum(name.lower() == b"host" for name, _ in request.headers)
    well = (
        is_plain(request.target)
        and _TOKEN.fullmatch(request.method) is not None
        and all(_TOKEN.fullmatch(name) and _FIELD.fullmatch(value) for name, value in request.headers)
        and sizes + len(request.target) < _LONGEST_HEAD
        and len(request.headers) <= _MOST_HEADERS
        and hosts == 1
    )
    request.broken = request.broken or request.raw is not None or not well


def _chunked(_rng: random.Random, request: Request) -> None:
    request.chunked = True


def _old(_rng: random.Random, request: Request) -> None:
    request.version, request.broken = b"HTTP/1.0", True  # closes after the answer


def _absolute(_rng: random.Random, request: Request) -> None:
    request.path, request.broken = b"http://" + request.header(b"host") + request.path, True


def _short(_rng: random.Random, request: Request) -> None:
    request.raw = request.wire().replace(
        b"content-length: %d\r\n" % len(request.body), b"content-length: %d\r\n" % (len(request.body) // 2), 1
    )


def _length(rng: random.Random, request: Request) -> None:
    told = rng.choice((b"-1", b"x", b"1e3", b"+5", b"0x10", b"9" * 30, b"5, 5", b"", b" "))
    request.raw = request.wire().replace(b"content-length: %d\r\n" % len(request.body), b"content-length: " + told + b"\r\n", 1)


def _both(_rng: random.Random, request: Request) -> None:
    request.chunked = True
    request.raw = request.wire().replace(b"transfer-encoding: chunked", b"content-length: 4\r\ntransfer-encoding: chunked", 1)


def _chunks(rng: random.Random, request: Request) -> None:
    request.chunked = True
    bad = rng.choice(
        (b"ffffffffffffffffff\r\n", b"-1\r\n", b"zz\r\n", b"4\nabcd\n", b"1;x=" + b"a" * 9000 + b"\r\na\r\n", b"0\r\nx: y\r\n\r\n")
    )
    head, _, _ = request.wire().partition(b"\r\n\r\n")
    request.raw = head + b"\r\n\r\n" + bad


def _lines(_rng: random.Random, request: Request) -> None:
    head, separator, body = request.wire().partition(b"\r\n\r\n")
    request.raw = head.replace(b"\r\n", b"\n") + separator + body


def _folded(_rng: random.Random, request: Request) -> None:
    request.raw = request.wire().replace(b"\r\nhost:", b"\r\nx-a: b\r\n c\r\nhost:", 1)


def _zero(_rng: random.Random, request: Request) -> None:
    request.raw = request.wire().replace(b"\r\nhost:", b"\r\nx-a: \x00\r\nhost:", 1)


def _huge(_rng: random.Random, request: Request) -> None:
    request.raw = request.wire().replace(b"\r\nhost:", b"\r\nx-a: " + b"a" * 500_000 + b"\r\nhost:", 1)


def _line(rng: random.Random, request: Request) -> None:
    first = rng.choice(
        (
            b"GET",
            b"GET /",
            b"GET / HTTP/9.9",
            b"GET / HTTP/1.1 x",
            b" / HTTP/1.1",
            b"\x16\x03\x01\x02\x00",
            b"PRI * HTTP/2.0",
            b"GET  / HTTP/1.1",
        )
    )
    _, separator, rest = request.wire().partition(b"\r\n")
    request.raw = first + separator + rest


_WAYS: Final = (_chunked, _chunked, _old, _absolute, _short, _length, _both, _chunks, _lines, _folded, _zero, _huge, _line)


def spoil(rng: random.Random, request: Request) -> None:
    """One of the ways; chunks are no fault, so they come twice as often."""
    rng.choice(_WAYS)(rng, request)
