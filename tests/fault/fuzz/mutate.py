"""The ways in which a right request is spoilt; each takes the generator and the request and changes the request in place."""

import json
import random
import struct
from collections.abc import Callable
from typing import Any, Final

from tests.fault.fuzz import framing
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.squeeze import squeezed
from tests.fault.fuzz.structure import restructured
from tests.fault.fuzz.values import ENCODINGS, HEADERS, METHODS, NUMBERS, SEGMENTS, TEXTS, TIMES, TOKENS, TYPES

Mutation = Callable[[random.Random, Request], None]
_LONGEST: Final = 1 << 16
_UNKNOWN: Final = (b"x", b"limit", b"after", b"__proto__", b"time", b"start", b"%00", b"a[]", b"a.b", b"")


def octets(rng: random.Random, request: Request) -> None:
    """Bytes of the body changed, taken out, put in, doubled or cut off."""
    body = bytearray(request.body)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(body) + 1)
        way = rng.randrange(6)
        if way == 0 and at < len(body):
            body[at] ^= 1 << rng.randrange(8)
        elif way == 1 and at < len(body):
            body[at] = rng.choice(b'\x00\xff\x7f\x80"{}[],:\\\n\r0-.e')
        elif way == 2:
            del body[at : at + rng.choice((1, 2, 16))]
        elif way == 3:
            body[at:at] = rng.randbytes(rng.choice((1, 4, 32)))
        elif way == 4:
            body[at:at] = body[at : at + rng.choice((1, 8, 64, 512))] * rng.choice((1, 2, 5))
        else:
            del body[at:]
    request.body = bytes(body[:_LONGEST])


def structure(rng: random.Random, request: Request) -> None:
    """A place of the JSON body replaced, removed, wrapped, repeated or given a neighbour that nobody knows."""
    if request.body.lstrip()[:1] not in (b"{", b"["):
        octets(rng, request)
        return
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        octets(rng, request)
        return
    request.body = restructured(rng, value)[:_LONGEST]


def numbers(rng: random.Random, request: Request) -> None:
    """A number of the body as text replaced by one that is hard to read."""
    body = request.body
    digits = [at for at, byte in enumerate(body[:4096]) if 48 <= byte <= 57]
    if not digits:
        octets(rng, request)
        return
    start = end = rng.choice(digits)
    while start > 0 and body[start - 1] in b"0123456789.-":
        start -= 1
    while end < len(body) and body[end] in b"0123456789.eE":
        end += 1
    request.body = body[:start] + rng.choice(NUMBERS) + body[end:]


def floats(rng: random.Random, request: Request) -> None:
    """Eight bytes of the body replaced by a float or an integer of ill fame."""
    kinds = ("d", rng.choice((float("nan"), float("inf"), -0.0, 5e-324, 1e308))), ("q", rng.choice((-1, 2**63 - 1, -(2**63), 2**31)))
    body, at = bytearray(request.body), rng.randrange(max(1, len(request.body) // 4)) * 4
    kind, value = rng.choice(kinds)
    body[at : at + 8] = struct.pack("<" + kind, value)
    request.body = bytes(body)


def query(rng: random.Random, request: Request) -> None:
    """A parameter given twice, renamed, taken away, or with a value of ill fame."""
    pairs = request.query
    way = rng.randrange(7)
    if way == 0 or not pairs:
        pairs.append((rng.choice(_UNKNOWN), value(rng)))
    elif way == 1:
        pairs.append(rng.choice(pairs))
    elif way == 2:
        pairs.pop(rng.randrange(len(pairs)))
    elif way == 3 and rng.random() < 0.2:
        pairs.extend([(b"a%d" % k, b"1") for k in range(rng.choice((20, 101, 400)))])
    else:
        at = rng.randrange(len(pairs))
        pairs[at] = (pairs[at][0], value(rng))


def value(rng: random.Random) -> bytes:
    """A value of ill fame as it stands in a query or a path."""
    way = rng.randrange(5)
    if way == 0:
        return rng.choice(NUMBERS)
    if way == 1:
        return rng.choice(SEGMENTS)
    text = rng.choice(TIMES if way == 2 else TEXTS).encode("utf-8", "surrogatepass")
    return b"".join(b"%c" % byte if chr(byte).isalnum() else b"%%%02X" % byte for byte in text[:3000])


def path(rng: random.Random, request: Request) -> None:
    """A segment replaced, removed, doubled or added; slashes of too many kinds."""
    parts = request.path.split(b"/")
    at = rng.randrange(1, len(parts))
    way = rng.randrange(8)
    if way < 4:
        parts[at] = rng.choice(SEGMENTS) if way else value(rng)
    elif way == 4:
        parts.insert(at, rng.choice(SEGMENTS))
    elif way == 5 and len(parts) > 2:
        parts.pop(at)
    elif way == 6:
        parts[at] = parts[at].swapcase()
    else:
        parts.append(rng.choice((b"", b"..", b"x", b"%2f")))
    request.path = b"/" + b"/".join(parts[1:])
    if not framing.is_plain(request.path):
        request.broken = True


def method(rng: random.Random, request: Request) -> None:
    request.method = rng.choice(METHODS)


def header(rng: random.Random, request: Request) -> None:
    """A header of ill fame, or one more of those that are there."""
    if rng.random() < 0.15:
        request.headers.append(rng.choice(request.headers))
    elif rng.random() < 0.1:
        request.headers += [(b"x-%d" % k, b"1") for k in range(rng.choice((10, 60, 90)))]
    else:
        name, given = rng.choice(HEADERS)
        if rng.random() < 0.8:
            request.put(name, given)
        else:
            request.headers.append((name, given))


def content_type(rng: random.Random, request: Request) -> None:
    """Another type, or none; of what is sent or of what is wanted."""
    name = rng.choice((b"content-type", b"content-type", b"accept"))
    if rng.random() < 0.1:
        request.drop(name)
    else:
        request.put(name, rng.choice(TYPES))


def encoding(rng: random.Random, request: Request) -> None:
    """The body compressed, well or badly, or said to be; or answers wanted in an encoding of ill fame."""
    if rng.random() < 0.3:
        request.put(b"accept-encoding", rng.choice(ENCODINGS))
        return
    told = rng.choice(ENCODINGS)
    request.put(b"content-encoding", told)
    if rng.random() < 0.8:
        request.body = squeezed(rng, request.body, told)


def token(rng: random.Random, request: Request) -> None:
    """No key, another's, or one that was never given out."""
    good = request.header(b"x-api-key")
    request.drop(b"x-api-key")
    way = rng.randrange(4)
    if way == 0:
        return
    given = rng.choice(TOKENS) if way < 3 else good[: rng.randrange(len(good) + 1)] + rng.choice((b"", b"x", b"\xff"))
    if rng.random() < 0.5:
        request.put(b"x-api-key", given)
    else:
        request.put(b"authorization", b"Bearer " + given)


def packed(rng: random.Random, request: Request) -> None:
    """A JSON body as MessagePack, with a byte changed; or the other way round."""
    import msgspec

    try:
        if request.header(b"content-type").startswith(b"application/msgpack"):
            body: Any = msgspec.json.encode(msgspec.msgpack.decode(request.body, strict=False))
            request.put(b"content-type", b"application/json")
        else:
            body = msgspec.msgpack.encode(json.loads(request.body))
            request.put(b"content-type", b"application/msgpack")
    except (ValueError, msgspec.MsgspecError, RecursionError, OverflowError):
        octets(rng, request)
        return
    request.body = body
    if rng.random() < 0.6:
        octets(rng, request)


_BODIES: Final[tuple[tuple[Mutation, int], ...]] = ((octets, 10), (structure, 26), (numbers, 8), (floats, 4), (packed, 4), (encoding, 3))
_HEADS: Final[tuple[tuple[Mutation, int], ...]] = (
    *((query, 16), (path, 9), (header, 9), (content_type, 5), (token, 3), (method, 2), (encoding, 1), (framing.spoil, 1)),
)


def spoil(rng: random.Random, request: Request) -> None:
    """One to three mutations; one request in thirty is left as it is."""
    if rng.random() < 1 / 30:
        return
    table = _BODIES + _HEADS if request.body else _HEADS
    chosen = rng.choices([one for one, _ in table], [weight for _, weight in table], k=rng.choice((1, 1, 1, 2, 3)))
    for mutation in sorted(chosen, key=lambda one: one is framing.spoil):  # framing last: what it wrote stays as it is
        mutation(rng, request)
        request.did.append(mutation.__name__)
    framing.mark(request)
