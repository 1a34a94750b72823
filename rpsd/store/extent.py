"""The block table: which stretch of time each block holds, reading them in order, and putting rows into them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.errors import CorruptData
from rpsd.store import query
from rpsd.store.blocks import BLOCK_ROWS, Codec, Rows, checksum, decode, encode, joined, overlaid
from rpsd.store.practices import Connection

SAMPLES: Final = 0
"""The group of a series' own samples; derived groups have ids above it."""
EVER: Final = (-(2**63), 2**63 - 1)

# A group's blocks never overlap, so the last that begins at or before the start is the first that can reach into the range.
_RANGE: Final = """FROM block WHERE series_id = ?1 AND group_id = ?2 AND first_ns <= ?4 AND first_ns >= coalesce(
  (SELECT max(first_ns) FROM block WHERE series_id = ?1 AND group_id = ?2 AND first_ns <= ?3), ?3)"""
_EXTENTS: Final = f"SELECT id, first_ns, last_ns, rows, codec {_RANGE} ORDER BY first_ns"
_FIELDS: Final = "id, first_ns, last_ns, rows, width, known, codec, crc, payload"
_STREAM: Final = f"SELECT {_FIELDS} {_RANGE} AND last_ns >= ?3 ORDER BY first_ns"
_ONE: Final = f"SELECT {_FIELDS} FROM block WHERE id = ?"  # noqa: S608
_INSERT: Final = """INSERT INTO block (series_id, group_id, first_ns, last_ns, rows, width, known, codec, recorded_ns, crc, payload)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, slots=True)
class Group:
    """Whose blocks: the series, the group within it, and the words by which an error names it."""

    series_id: int
    group_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Extent:
    """What a block holds, without its payload."""

    id: int
    first_ns: int
    last_ns: int
    rows: int
    codec: int


def extents(c: Connection, group: Group, start_ns: int, end_ns: int) -> list[Extent]:
    """The blocks that rows between start_ns and end_ns would go to, in order: also the one before the start."""
    return [Extent(*row) for row in c.execute(_EXTENTS, (group.series_id, group.group_id, start_ns, end_ns))]


def stream(c: Connection, group: Group, start_ns: int, end_ns: int) -> Iterator[Rows]:
    """Rows between start_ns and end_ns (inclusive), a block at a time. Raises CorruptData naming group and block."""
    cursor = c.execute(_STREAM, (group.series_id, group.group_id, start_ns, end_ns))
    try:
        for row in cursor:
            yield _checked(group, row).between(start_ns, end_ns)
    finally:
        cursor.close()  # an open cursor would hold the read transaction


def load(c: Connection, group: Group, block_id: int) -> Rows:
    """All rows of one block. Raises CorruptData naming group and block."""
    rows = query.rows(c, _ONE, (block_id,))
    if not rows:
        raise CorruptData(f"{group.name}: block {block_id} is missing")
    return _checked(group, rows[0])


def _checked(group: Group, row: tuple[Any, ...]) -> Rows:
    block_id, first_ns, last_ns, n, width, known, codec, crc, payload = row
    if checksum(payload, group.series_id, group.group_id, first_ns, last_ns, n, width, known, codec) != crc:
        raise CorruptData(f"{group.name}: block {block_id} at {first_ns} ns does not match its checksum")
    return decode(payload, n=n, width=width, known=bool(known), codec=Codec(codec))


def insert(c: Connection, group: Group, parts: list[Rows], now_ns: int, codec: Codec = Codec.RAW) -> None:
    """Store each part (1 to 4096 rows) as a block of its own."""
    c.executemany(_INSERT, (_stored(group, part, now_ns, codec) for part in parts))


def _stored(group: Group, rows: Rows, now_ns: int, codec: Codec) -> tuple[Any, ...]:
    payload = encode(rows, codec)
    facts = (int(rows.t[0]), int(rows.t[-1]), rows.n, rows.values.shape[0], int(rows.known is not None), int(codec))
    return (group.series_id, group.group_id, *facts, now_ns, checksum(payload, group.series_id, group.group_id, *facts), payload)


def remove(c: Connection, ids: list[int]) -> None:
    """Delete the blocks of these ids."""
    c.executemany("DELETE FROM block WHERE id = ?", ((block_id,) for block_id in ids))


def truncate(c: Connection, group: Group, since_ns: int, now_ns: int) -> None:
    """Drop the rows from since_ns on; the block that reaches across it is cut."""
    for held in extents(c, group, since_ns, EVER[1]):
        if held.last_ns < since_ns:
            continue
        kept = load(c, group, held.id).between(EVER[0], since_ns - 1) if held.first_ns < since_ns else None
        remove(c, [held.id])
        if kept is not None:
            insert(c, group, [kept], now_ns)


def put(c: Connection, group: Group, rows: Rows, now_ns: int) -> int:
    """Put complete rows (n > 0) into the blocks: new ones are added, those of a stored time replace it. Returns the blocks rewritten.

    Only blocks that receive a row are rewritten; a row belongs to the last block that begins at or before it. Cost O(n + touched rows).
    """
    held = extents(c, group, int(rows.t[0]), int(rows.t[-1]))
    if not held:
        insert(c, group, _cut(rows, append=True), now_ns)
        return 0
    owner = np.maximum(np.searchsorted([extent.first_ns for extent in held], rows.t, "right") - 1, 0)
    rewritten: list[int] = []
    parts: list[Rows] = []
    for index in np.unique(owner):
        extent = held[index]
        start, stop = np.searchsorted(owner, index, "left"), np.searchsorted(owner, index, "right")
        mine = rows.cut(int(start), int(stop))
        apart = mine.t[0] > extent.last_ns or mine.t[-1] < extent.first_ns
        if apart and (extent.rows >= BLOCK_ROWS or mine.n >= BLOCK_ROWS):
            parts += _cut(mine, append=True)
            continue
        width = rows.values.shape[0]
        merged = overlaid(load(c, group, extent.id), mine, width)
        rewritten.append(extent.id)
        parts += _cut(merged, append=bool(mine.t[0] > extent.last_ns))
    remove(c, rewritten)
    insert(c, group, parts, now_ns)
    return len(rewritten)


def _cut(rows: Rows, *, append: bool) -> list[Rows]:
    """Blocks of at most 4096 rows: full ones in an append; even ones in the middle, where more may follow."""
    count = -(-rows.n // BLOCK_ROWS)
    size = BLOCK_ROWS if append else -(-rows.n // count)
    return [rows.cut(start, min(start + size, rows.n)) for start in range(0, rows.n, size)]


def repack(c: Connection, group: Group, older_than_ns: int, *, most: int) -> int:
    """Compress up to `most` raw blocks that end before older_than_ns, neighbours joined while they fit; returns how many were taken."""
    held = query.rows(
        c,
        """SELECT id, rows, codec, recorded_ns FROM block
           WHERE series_id = ? AND group_id = ? AND last_ns < ? ORDER BY first_ns""",
        (group.series_id, group.group_id, older_than_ns),
    )
    runs: list[list[tuple[int, int]]] = []
    taken, filled = 0, BLOCK_ROWS
    for block_id, n, codec, recorded_ns in held:
        if codec != Codec.RAW or taken == most:
            filled = BLOCK_ROWS  # only direct neighbours may be joined: blocks must not overlap
            continue
        if filled + n > BLOCK_ROWS:
            runs.append([])
            filled = 0
        runs[-1].append((block_id, recorded_ns))
        filled += n
        taken += 1
    for run in runs:
        parts = [load(c, group, block_id) for block_id, _ in run]
        whole = joined(parts, max(part.values.shape[0] for part in parts))
        remove(c, [block_id for block_id, _ in run])
        insert(c, group, [whole], max(recorded_ns for _, recorded_ns in run), Codec.ZSTD)
    return taken
