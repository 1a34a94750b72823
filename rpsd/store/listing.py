"""The list of series: one row each with its columns and totals."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from rpsd.core.errors import BadRows, UnknownSeries
from rpsd.core.market import MOST_COLUMNS, SeriesInfo
from rpsd.store import query
from rpsd.store.extent import SAMPLES, Group
from rpsd.store.practices import Connection

_FIELDS: Final = "id, symbol, interval, columns, unit, first_ns, last_ns, rows"


def group_of(info: SeriesInfo) -> Group:
    """The group of the series' own samples."""
    return Group(info.id, SAMPLES, f"series {info.symbol} {info.interval}")


def _info(row: tuple[Any, ...]) -> SeriesInfo:
    series_id, symbol, interval, columns, *rest = row
    return SeriesInfo(series_id, symbol, interval, tuple(json.loads(columns)), *rest)


def find(c: Connection, symbol: str, interval: str) -> SeriesInfo | None:
    """The series of that symbol and interval, or None."""
    rows = query.rows(c, f"SELECT {_FIELDS} FROM series WHERE symbol = ? AND interval = ?", (symbol, interval))  # noqa: S608
    return _info(rows[0]) if rows else None


def require(c: Connection, symbol: str, interval: str) -> SeriesInfo:
    """The series of that symbol and interval. Raises UnknownSeries when there is none."""
    if (info := find(c, symbol, interval)) is None:
        raise UnknownSeries(f"there is no series {symbol} {interval}")
    return info


def still(c: Connection, info: SeriesInfo) -> None:
    """Raise UnknownSeries when the series was deleted since info was read; its id may belong to another one by now."""
    if not query.rows(c, "SELECT 1 FROM series WHERE id = ? AND symbol = ? AND interval = ?", (info.id, info.symbol, info.interval)):
        raise UnknownSeries(f"there is no series {info.symbol} {info.interval}")


def page(c: Connection, after: tuple[str, str] | None, limit: int) -> list[SeriesInfo]:
    """Up to `limit` series after (symbol, interval), in that order; the upper layers of ticks (store/ticks.py) are none."""
    symbol, interval = after or ("", "")
    rows = c.execute(
        f"SELECT {_FIELDS} FROM series WHERE (symbol, interval) > (?, ?) AND instr(symbol, '#') = 0 ORDER BY symbol, interval LIMIT ?",  # noqa: S608
        (symbol, interval, limit),
    )
    return [_info(row) for row in rows.fetchall()]


def ensure(c: Connection, symbol: str, interval: str, columns: Sequence[str], unit: str | None, now_ns: int) -> SeriesInfo:
    """The series, created or widened to these columns; a given unit replaces the stored one. Raises BadRows beyond MOST_COLUMNS."""
    info = find(c, symbol, interval)
    if info is None:
        c.execute(
            "INSERT INTO series (symbol, interval, unit, columns, created_ns, updated_ns) VALUES (?, ?, ?, ?, ?, ?)",
            (symbol, interval, unit, json.dumps(list(columns)), now_ns, now_ns),
        )
        return require(c, symbol, interval)
    missing = tuple(name for name in columns if name not in info.columns)
    if len(info.columns) + len(missing) > MOST_COLUMNS:
        raise BadRows(f"with {len(missing)} more columns {symbol} {interval} would have more than {MOST_COLUMNS}")
    if missing or unit not in (None, info.unit):
        info = replace(info, columns=info.columns + missing, unit=unit or info.unit)
        c.execute("UPDATE series SET columns = ?, unit = ? WHERE id = ?", (json.dumps(list(info.columns)), info.unit, info.id))
    return info


def settle(c: Connection, info: SeriesInfo, *, tail_rows: int, now_ns: int) -> None:
    """Write the totals of info and the tail's size back to its row."""
    c.execute(
        "UPDATE series SET first_ns = ?, last_ns = ?, rows = ?, tail_rows = ?, updated_ns = ? WHERE id = ?",
        (info.first_ns, info.last_ns, info.rows, tail_rows, now_ns, info.id),
    )


def tail_rows(c: Connection, info: SeriesInfo) -> int:
    """Rows of the series that still wait in the tail. Raises UnknownSeries when it was deleted since info was read."""
    found = query.rows(c, "SELECT tail_rows FROM series WHERE id = ?", (info.id,))
    if not found:
        raise UnknownSeries(f"there is no series {info.symbol} {info.interval}")
    waiting: int = found[0][0]
    return waiting


def delete(c: Connection, info: SeriesInfo) -> None:
    """Drop the series with its samples, revisions and derived columns. Raises UnknownSeries when it is gone already."""
    c.execute("DELETE FROM series WHERE id = ?", (info.id,))
    if not c.changes():
        raise UnknownSeries(f"there is no series {info.symbol} {info.interval}")
