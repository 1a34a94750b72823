"""Superseded rows, kept so that a series can be read as of any moment: known from their own known_at until known_to."""

from typing import Any, Final

import numpy as np

from rpsd.core.errors import CorruptData
from rpsd.store import query
from rpsd.store.blocks import BLOCK_ROWS, Codec, Rows, checksum, decode, empty, encode, joined, overlaid
from rpsd.store.extent import Group
from rpsd.store.practices import Connection

_INSERT: Final = """INSERT INTO revision (series_id, known_to, first_ns, last_ns, rows, width, crc, payload)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_READ: Final = """SELECT id, known_to, first_ns, last_ns, rows, width, crc, payload FROM revision
  WHERE series_id = ? AND known_to > ? AND first_ns <= ? AND last_ns >= ? ORDER BY known_to"""


def keep(c: Connection, group: Group, rows: Rows, known_to: int) -> None:
    """Keep rows that were superseded at known_to; `rows.known` must be set, and before known_to."""
    for start in range(0, rows.n, BLOCK_ROWS):
        part = rows.cut(start, min(start + BLOCK_ROWS, rows.n))
        payload = encode(part, Codec.RAW)
        facts = (known_to, int(part.t[0]), int(part.t[-1]), part.n, part.values.shape[0])
        c.execute(_INSERT, (group.series_id, *facts, checksum(payload, group.series_id, *facts), payload))


def as_of(c: Connection, group: Group, width: int, start_ns: int, end_ns: int, moment_ns: int) -> Rows:
    """The rows between start_ns and end_ns that stood at moment_ns and were superseded later."""
    found = empty(width)
    for row in query.rows(c, _READ, (group.series_id, moment_ns, end_ns, start_ns)):
        rows = checked(group, row).between(start_ns, end_ns)
        if rows.known is not None and (stood := rows.known <= moment_ns).any():
            found = overlaid(found, rows.pick(stood), width)
    return found


def every(c: Connection, group: Group, width: int, end_ns: int) -> Rows | None:
    """All superseded rows up to end_ns with when each was known, in order of known_to: a time may occur often. None when there is none."""
    found = query.rows(c, _READ, (group.series_id, -(2**63), end_ns, -(2**63)))
    parts = [checked(group, row).between(-(2**63), end_ns) for row in found]
    return joined(parts, width) if parts else None


def checked(group: Group, row: tuple[Any, ...]) -> Rows:
    """The rows of one stored revision. Raises CorruptData naming series and revision."""
    revision_id, known_to, first_ns, last_ns, n, width, crc, payload = row
    if checksum(payload, group.series_id, known_to, first_ns, last_ns, n, width) != crc:
        raise CorruptData(f"{group.name}: revision {revision_id} does not match its checksum")
    return decode(payload, n=n, width=width, known=True, codec=Codec.RAW)


def superseded(old: Rows, now_ns: int, interval_ns: int) -> Rows:
    """The rows of `old` that were known before now_ns, with their known_at spelled out; the others were never seen by anyone."""
    known = old.known_ns(interval_ns)
    seen = known < now_ns
    return Rows(old.t[seen], old.values[:, seen], np.ascontiguousarray(known[seen]))
