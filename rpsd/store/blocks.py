"""Blocks: up to 4096 rows in order of time as one blob, packed column by column, each with a CRC-32.

Payload, little-endian, 8 bytes a cell: t (n,) int64, then known_at (n,) int64 when the block has it, then width columns (n,) float64.
The raw codec stores these bytes; zstd stores the times as differences and the bytes transposed (all first bytes, all second bytes, …).
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import zstandard

from rpsd.core.errors import CorruptData
from rpsd.core.market import Samples, Times
from rpsd.core.result import Matrix

BLOCK_ROWS: Final = 4096
AT_CLOSE: Final = -(2**63)
"""In a known_at column: the row is known at the close of its bar."""
_LEVEL: Final = 3  # of zstd: higher levels cost four times as much for a few percent
_CELL: Final = 8


class Codec(IntEnum):
    """How a payload is stored: raw while hot, zstd once cold."""

    RAW = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they are stored: t (n,) strictly increasing, values (width, n), known (n,) with AT_CLOSE, or None when all are."""

    t: Times
    values: Matrix
    known: Times | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.t.size)

    def cut(self, start: int, stop: int) -> "Rows":
        """Rows start to stop (exclusive) as views."""
        known = None if self.known is None else self.known[start:stop]
        return Rows(self.t[start:stop], self.values[:, start:stop], known)

    def between(self, start_ns: int, end_ns: int) -> "Rows":
        """Rows with start_ns <= t <= end_ns as views."""
        if self.n and start_ns <= self.t[0] and self.t[-1] <= end_ns:
            return self
        start, stop = np.searchsorted(self.t, start_ns, "left"), np.searchsorted(self.t, end_ns, "right")
        return self.cut(int(start), int(max(start, stop)))

    def pick(self, which: np.ndarray[tuple[int], np.dtype[np.bool_]] | Times) -> "Rows":
        """The rows chosen by a mask or by positions."""
        known = None if self.known is None else self.known[which]
        return Rows(self.t[which], self.values[:, which], known)

    def widened(self, width: int) -> "Rows":
        """The same rows with `width` columns: the new ones empty, surplus ones dropped."""
        have = self.values.shape[0]
        if have >= width:
            return Rows(self.t, self.values[:width], self.known)
        return Rows(self.t, np.vstack([self.values, np.full((width - have, self.n), np.nan)]), self.known)

    def known_ns(self, interval_ns: int) -> Times:
        """When each row was known (n,) in ns UTC, the bar's close put in for AT_CLOSE."""
        if self.known is None:
            return self.t + interval_ns
        return np.where(self.known == AT_CLOSE, self.t + interval_ns, self.known)


def empty(width: int) -> Rows:
    """No rows of that width."""
    return Rows(np.empty(0, np.int64), np.empty((width, 0)))


def joined(parts: list[Rows], width: int) -> Rows:
    """The parts one after another; their times must already be in order."""
    if len(parts) == 1:
        return parts[0].widened(width)
    if not parts:
        return empty(width)
    known = None
    if any(part.known is not None for part in parts):
        known = np.concatenate([np.full(p.n, AT_CLOSE) if p.known is None else p.known for p in parts])
    values = np.empty((width, sum(part.n for part in parts)))
    at = 0
    for part in parts:
        have = min(width, part.values.shape[0])
        values[:have, at : at + part.n] = part.values[:have]
        values[have:, at : at + part.n] = np.nan
        at += part.n
    return Rows(np.concatenate([part.t for part in parts]), values, known)


def overlaid(under: Rows, over: Rows, width: int) -> Rows:
    """Both in order of time; where they share a time, the row of `over` stands. O(n log n) only when they interleave."""
    if not over.n or not under.n:
        return (under if under.n else over).widened(width)
    if over.t[0] > under.t[-1]:
        return joined([under, over], width)
    at = np.searchsorted(over.t, under.t)
    hidden = over.t[np.minimum(at, over.n - 1)] == under.t
    both = joined([under.pick(~hidden), over], width)
    return both.pick(np.argsort(both.t, kind="stable"))


def of_samples(samples: Samples, columns: tuple[str, ...], interval_ns: int) -> Rows:
    """The samples with all the series' columns, NaN where the samples lack one."""
    values = np.empty((len(columns), samples.n))
    for row, name in enumerate(columns):
        values[row] = samples.columns.get(name, np.nan)
    return Rows(samples.t, values, compact_known(samples.t, samples.known_at, interval_ns))


def compact_known(t: Times, known: Times | None, interval_ns: int) -> Times | None:
    """known (n,) with AT_CLOSE where it is the bar's close; None when all are."""
    if known is None:
        return None
    at_close = (known == AT_CLOSE) | (known == t + interval_ns)
    return None if bool(at_close.all()) else np.where(at_close, AT_CLOSE, known)


def encode(rows: Rows, codec: Codec) -> bytes:
    """The payload of rows in the codec."""
    known = b"" if rows.known is None else rows.known.astype("<i8", copy=False).tobytes()
    values = rows.values.astype("<f8", copy=False).tobytes()
    if codec is Codec.RAW:
        return b"".join((rows.t.astype("<i8", copy=False).tobytes(), known, values))
    steps = np.diff(rows.t, prepend=0).astype("<i8", copy=False).tobytes()
    cells = np.frombuffer(b"".join((steps, known, values)), np.uint8).reshape(-1, _CELL)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(np.ascontiguousarray(cells.T).tobytes())


def decode(payload: bytes, *, n: int, width: int, known: bool, codec: Codec) -> Rows:
    """The rows of a payload as read-only views of it. Raises CorruptData when its length does not fit."""
    size = n * (1 + known + width) * _CELL
    if codec is Codec.ZSTD:
        try:
            packed = zstandard.ZstdDecompressor().decompress(payload, max_output_size=size)
        except zstandard.ZstdError as error:
            raise CorruptData("a compressed block cannot be unpacked") from error
        if len(packed) == size:
            payload = np.ascontiguousarray(np.frombuffer(packed, np.uint8).reshape(_CELL, -1).T).tobytes()
    if len(payload) != size:
        raise CorruptData(f"a block of {n} rows holds {len(payload)} bytes instead of {size}")
    t = np.frombuffer(payload, "<i8", n)
    if codec is Codec.ZSTD:
        t = np.cumsum(t, dtype=np.int64)
    late = np.frombuffer(payload, "<i8", n, n * _CELL) if known else None
    values = np.frombuffer(payload, "<f8", n * width, n * (1 + known) * _CELL).reshape(width, n)
    return Rows(t, values, late)


def checksum(payload: bytes, *facts: int) -> int:
    """CRC-32 over the payload and the integers that describe it, so that neither can rot or move unseen."""
    return zlib.crc32(payload, zlib.crc32(struct.pack(f"<{len(facts)}q", *facts)))
