"""Derived columns: groups of columns computed from a series, each with the method, model and causality that made it."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpsd.core.errors import UnknownColumn
from rpsd.core.market import INTERVALS, Samples, SeriesInfo
from rpsd.store import extent, listing, placing, query, reading, tail
from rpsd.store.blocks import Rows, joined, of_samples
from rpsd.store.practices import Connection

_SELECT = "SELECT id, name, columns, meta, created_ns, updated_ns, tail_rows FROM derived"


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group without its rows; times in ns UTC. `meta` says how it was made."""

    id: int
    name: str
    columns: tuple[str, ...]
    meta: Mapping[str, Any]
    created_ns: int
    updated_ns: int
    tail_rows: int = 0


def list_groups(c: Connection, info: SeriesInfo) -> list[GroupInfo]:
    """The derived groups of the series by name."""
    return [_group(row) for row in query.rows(c, f"{_SELECT} WHERE series_id = ? ORDER BY name", (info.id,))]


def find_group(c: Connection, info: SeriesInfo, name: str) -> GroupInfo | None:
    """The group of that name, or None."""
    return next((_group(row) for row in query.rows(c, f"{_SELECT} WHERE series_id = ? AND name = ?", (info.id, name))), None)


def has_group(c: Connection, info: SeriesInfo, name: str) -> bool:
    """Whether the series has a group of that name."""
    return bool(query.rows(c, "SELECT 1 FROM derived WHERE series_id = ? AND name = ?", (info.id, name)))


def _group(row: tuple[Any, ...]) -> GroupInfo:
    i, name, columns, meta, *rest = row
    return GroupInfo(i, name, tuple(json.loads(columns)), json.loads(meta), *rest)


def write_group(c: Connection, info: SeriesInfo, group: str, meta: Mapping[str, Any], rows: Samples, now_ns: int) -> None:
    """Store the rows as the group. A group is of one make: other meta or other columns replace it as a whole.

    With equal meta and columns the new rows stand over the stored ones of the same times. Raises UnknownSeries when the series was
    deleted since info was read.
    """
    listing.still(c, info)
    held = find_group(c, info, group)
    if held is not None and (held.meta != dict(meta) or held.columns != tuple(rows.columns)):
        delete_group(c, info, group)
        held = None
    if held is None:
        c.execute(
            "INSERT INTO derived (series_id, name, columns, meta, created_ns, updated_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (info.id, group, json.dumps(list(rows.columns)), json.dumps(dict(meta), allow_nan=False), now_ns, now_ns),
        )
        group_id = c.last_insert_rowid()
    else:
        group_id = held.id
        c.execute("UPDATE derived SET updated_ns = ? WHERE id = ?", (now_ns, group_id))
    if rows.n:
        extent.put(c, _blocks_of(info, group_id, group), of_samples(rows, tuple(rows.columns), INTERVALS[info.interval]), now_ns)


def append_rows(c: Connection, info: SeriesInfo, group: GroupInfo, rows: Rows, now_ns: int) -> None:
    """Put complete rows (n > 0) behind those of the group; few of them wait in its tail."""
    waiting: int = query.value(c, "SELECT tail_rows FROM derived WHERE id = ?", (group.id,))
    waiting = placing.place(c, _blocks_of(info, group.id, group.name), len(group.columns), rows, waiting, now_ns)
    c.execute("UPDATE derived SET tail_rows = ?, updated_ns = ? WHERE id = ?", (waiting, now_ns, group.id))


def truncate(c: Connection, info: SeriesInfo, group: GroupInfo, since_ns: int, now_ns: int) -> None:
    """Drop the group's rows from since_ns on."""
    held = _blocks_of(info, group.id, group.name)
    tail.clear(c, held, since_ns)
    extent.truncate(c, held, since_ns, now_ns)
    c.execute("UPDATE derived SET tail_rows = ?, updated_ns = ? WHERE id = ?", (tail.count(c, held), now_ns, group.id))


def fold(c: Connection) -> int:
    """Move the tails of all groups into their blocks; returns the rows moved."""
    waiting = query.rows(
        c,
        """SELECT d.id, d.series_id, d.name, d.columns, d.updated_ns, s.symbol, s.interval FROM derived d
           JOIN series s ON s.id = d.series_id WHERE d.tail_rows > 0 ORDER BY d.id""",
    )
    moved = 0
    for group_id, series_id, name, columns, updated_ns, symbol, interval in waiting:
        held = extent.Group(series_id, group_id, f"series {symbol} {interval}, group {name}")
        width = len(json.loads(columns))
        moved += placing.to_blocks(c, held, width, joined([], width), 1, updated_ns)
        c.execute("UPDATE derived SET tail_rows = 0 WHERE id = ?", (group_id,))
    return moved


def totals(c: Connection, info: SeriesInfo, group: GroupInfo) -> tuple[int, int | None, int | None]:
    """Rows of the group, the first time and the last (ns UTC), None when it is empty. Blocks and tail of one group share no time."""
    [(rows, first, last)] = query.rows(
        c,
        """SELECT coalesce(sum(n), 0), min(first), max(last) FROM (
             SELECT sum(rows) n, min(first_ns) first, max(last_ns) last FROM block WHERE series_id = ?1 AND group_id = ?2
             UNION ALL SELECT count(*), min(t), max(t) FROM tail WHERE series_id = ?1 AND group_id = ?2)""",
        (info.id, group.id),
    )
    return rows, first, last


def read_group(
    c: Connection, info: SeriesInfo, group: str, start_ns: int | None = None, end_ns: int | None = None, limit: int | None = None
) -> tuple[Mapping[str, Any], Samples]:
    """The group's meta and the first `limit` rows from start_ns to end_ns (inclusive). Raises UnknownColumn when there is no such group.

    `known_at` of the rows is None while each is known at its bar's close.
    """
    if (held := find_group(c, info, group)) is None:
        raise UnknownColumn(f"{info.symbol} {info.interval} has no derived columns {group[:64]!r}")
    start, end = extent.EVER[0] if start_ns is None else start_ns, extent.EVER[1] if end_ns is None else end_ns
    parts: list[Rows] = []
    left = extent.EVER[1] if limit is None else limit
    source = reading.merged(c, _blocks_of(info, held.id, group), len(held.columns), held.tail_rows, start, end)
    with closing(source):
        for rows in source if left > 0 else ():
            if rows.n:
                parts.append(rows.cut(0, min(left, rows.n)))
                left -= rows.n
            if left <= 0:
                break
    rows = joined(parts, len(held.columns))
    known = None if rows.known is None else rows.known_ns(INTERVALS[info.interval])
    return held.meta, Samples(rows.t, {name: np.ascontiguousarray(rows.values[i]) for i, name in enumerate(held.columns)}, known)


def delete_group(c: Connection, info: SeriesInfo, group: str) -> bool:
    """Drop the group and its rows; whether there was one."""
    if (held := find_group(c, info, group)) is None:
        return False
    c.execute("DELETE FROM block WHERE series_id = ? AND group_id = ?", (info.id, held.id))
    tail.clear(c, _blocks_of(info, held.id, group))
    c.execute("DELETE FROM derived WHERE id = ?", (held.id,))
    return True


def _blocks_of(info: SeriesInfo, group_id: int, name: str) -> extent.Group:
    return extent.Group(info.id, group_id, f"series {info.symbol} {info.interval}, group {name}")
