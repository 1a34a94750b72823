"""Compressed bodies: right ones, those with damage, and bombs."""

import gzip
import random
from functools import lru_cache

import zstandard


@lru_cache(4)
def _bomb(encoding: bytes) -> bytes:
    zeros = b" " * (40 << 20)  # above server.max_body_bytes once decoded, some ten thousand bytes before
    return gzip.compress(zeros, mtime=0) if encoding == b"gzip" else zstandard.compress(zeros)


def squeezed(rng: random.Random, body: bytes, encoding: bytes) -> bytes:
    """The body in the encoding, or something that only looks so."""
    if encoding not in (b"gzip", b"zstd"):
        return body
    if rng.random() < 0.02:
        return _bomb(encoding)
    found = bytearray(gzip.compress(body, 1, mtime=0) if encoding == b"gzip" else zstandard.compress(body, 1))
    way = rng.randrange(6)
    if way == 0:
        del found[rng.randrange(len(found)) :]
    elif way == 1:
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    elif way == 2:
        found *= 2
    elif way == 3:
        found += b"tail"
    return bytes(found)
