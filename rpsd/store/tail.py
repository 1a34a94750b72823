"""The tail: late and single rows, one database row each, complete, standing in front of the blocks until they are folded in."""

from typing import Final

import numpy as np

from rpsd.core.errors import CorruptData
from rpsd.store import query
from rpsd.store.blocks import AT_CLOSE, Rows, checksum, empty
from rpsd.store.extent import Group
from rpsd.store.practices import Connection

_READ: Final = "SELECT t, known_ns, crc, cells FROM tail WHERE series_id = ? AND group_id = ? AND t BETWEEN ? AND ? ORDER BY t"
_WRITE: Final = "INSERT OR REPLACE INTO tail (series_id, group_id, t, known_ns, recorded_ns, crc, cells) VALUES (?, ?, ?, ?, ?, ?, ?)"
_MINE: Final = "WHERE series_id = ? AND group_id = ?"


def read(c: Connection, group: Group, width: int, start_ns: int, end_ns: int) -> Rows:
    """The tail's rows between start_ns and end_ns (inclusive), `width` columns. Raises CorruptData naming series and row."""
    stored = query.rows(c, _READ, (group.series_id, group.group_id, start_ns, end_ns))
    if not stored:
        return empty(width)
    values = np.full((width, len(stored)), np.nan)
    for row, (t, known_ns, crc, cells) in enumerate(stored):
        known = AT_CLOSE if known_ns is None else known_ns
        if _checksum(cells, group, t, known) != crc:
            raise CorruptData(f"{group.name}: the tail's row at {t} ns does not match its checksum")
        have = min(width, len(cells) // 8)
        values[:have, row] = np.frombuffer(cells, "<f8", have)
    known_at = np.array([AT_CLOSE if row[1] is None else row[1] for row in stored], np.int64)
    t_ns = np.array([row[0] for row in stored], np.int64)
    return Rows(t_ns, values, None if bool((known_at == AT_CLOSE).all()) else known_at)


def put(c: Connection, group: Group, rows: Rows, now_ns: int) -> int:
    """Put complete rows in front of whatever the blocks hold at their times; returns by how many rows the tail grew."""
    before = count(c, group)
    cells = np.ascontiguousarray(rows.values.T, "<f8")
    known = [AT_CLOSE] * rows.n if rows.known is None else rows.known.tolist()
    packed = [(t, late, cells[row].tobytes()) for row, (t, late) in enumerate(zip(rows.t.tolist(), known, strict=True))]
    c.executemany(
        _WRITE,
        (
            (group.series_id, group.group_id, t, None if late == AT_CLOSE else late, now_ns, _checksum(data, group, t, late), data)
            for t, late, data in packed
        ),
    )
    return count(c, group) - before


def count(c: Connection, group: Group) -> int:
    """Rows in the tail."""
    return int(query.value(c, f"SELECT count(*) FROM tail {_MINE}", (group.series_id, group.group_id)))  # noqa: S608


def newest(c: Connection, group: Group) -> int | None:
    """When the newest of the tail's rows was recorded; None when the tail is empty."""
    recorded: int | None = query.value(c, f"SELECT max(recorded_ns) FROM tail {_MINE}", (group.series_id, group.group_id))  # noqa: S608
    return recorded


def clear(c: Connection, group: Group, since_ns: int = -(2**63)) -> None:
    """Drop the tail from since_ns on: after its rows went into blocks in the same transaction, or for good."""
    c.execute(f"DELETE FROM tail {_MINE} AND t >= ?", (group.series_id, group.group_id, since_ns))  # noqa: S608


def drop_before(c: Connection, group: Group, before_ns: int) -> None:
    """Drop the tail's rows from before that moment."""
    c.execute(f"DELETE FROM tail {_MINE} AND t < ?", (group.series_id, group.group_id, before_ns))  # noqa: S608


def _checksum(cells: bytes, group: Group, t: int, known: int) -> int:
    """The CRC of one row; that of samples (group 0) is as it was before derived groups had tails."""
    return checksum(cells, group.series_id, *([group.group_id] if group.group_id else []), t, known)
