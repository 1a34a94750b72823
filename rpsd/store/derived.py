"""Derived columns: groups of columns computed from a series, each with the method, model and causality that made it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpsd.core.errors import UnknownColumn
from rpsd.core.market import Samples, SeriesInfo, Times, Vector
from rpsd.store import extent, listing, query
from rpsd.store.blocks import Rows, joined
from rpsd.store.practices import Connection


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group without its rows; times in ns UTC. `meta` says how it was made."""

    id: int
    name: str
    columns: tuple[str, ...]
    meta: Mapping[str, Any]
    created_ns: int
    updated_ns: int


def list_groups(c: Connection, info: SeriesInfo) -> list[GroupInfo]:
    """The derived groups of the series by name."""
    rows = query.rows(
        c, "SELECT id, name, columns, meta, created_ns, updated_ns FROM derived WHERE series_id = ? ORDER BY name", (info.id,)
    )
    return [GroupInfo(i, name, tuple(json.loads(columns)), json.loads(meta), *times) for i, name, columns, meta, *times in rows]


def find_group(c: Connection, info: SeriesInfo, name: str) -> GroupInfo | None:
    """The group of that name, or None."""
    return next((group for group in list_groups(c, info) if group.name == name), None)


def write_group(
    c: Connection, info: SeriesInfo, group: str, meta: Mapping[str, Any], t: Times, columns: Mapping[str, Vector], now_ns: int
) -> None:
    """Store columns (n,) at times t (n,) as the group. A group is of one make: other meta or other columns replace it as a whole.

    With equal meta and columns the new rows stand over the stored ones of the same times. Raises UnknownSeries when the series was
    deleted since info was read, BadRows like Samples.
    """
    listing.still(c, info)
    rows = Samples(t, dict(columns))
    held = find_group(c, info, group)
    if held is not None and (held.meta != dict(meta) or held.columns != tuple(columns)):
        delete_group(c, info, group)
        held = None
    if held is None:
        c.execute(
            "INSERT INTO derived (series_id, name, columns, meta, created_ns, updated_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (info.id, group, json.dumps(list(columns)), json.dumps(dict(meta), allow_nan=False), now_ns, now_ns),
        )
        group_id = c.last_insert_rowid()
    else:
        group_id = held.id
        c.execute("UPDATE derived SET updated_ns = ? WHERE id = ?", (now_ns, group_id))
    if rows.n:
        extent.put(c, _blocks_of(info, group_id, group), Rows(t, np.stack(list(columns.values()))), now_ns)


def read_group(
    c: Connection, info: SeriesInfo, group: str, start_ns: int | None = None, end_ns: int | None = None
) -> tuple[Mapping[str, Any], Samples]:
    """The group's meta and its rows from start_ns to end_ns (inclusive). Raises UnknownColumn when there is no such group."""
    if (held := find_group(c, info, group)) is None:
        raise UnknownColumn(f"{info.symbol} {info.interval} has no derived columns {group[:64]!r}")
    start, end = extent.EVER[0] if start_ns is None else start_ns, extent.EVER[1] if end_ns is None else end_ns
    parts = [rows for rows in extent.stream(c, _blocks_of(info, held.id, group), start, end) if rows.n]
    rows = joined(parts, len(held.columns))
    return held.meta, Samples(rows.t, {name: np.ascontiguousarray(rows.values[i]) for i, name in enumerate(held.columns)})


def delete_group(c: Connection, info: SeriesInfo, group: str) -> bool:
    """Drop the group and its rows; whether there was one."""
    if (held := find_group(c, info, group)) is None:
        return False
    c.execute("DELETE FROM block WHERE series_id = ? AND group_id = ?", (info.id, held.id))
    c.execute("DELETE FROM derived WHERE id = ?", (held.id,))
    return True


def _blocks_of(info: SeriesInfo, group_id: int, name: str) -> extent.Group:
    return extent.Group(info.id, group_id, f"series {info.symbol} {info.interval}, group {name}")
