"""Live columns: which derived groups follow their series, how far each has come, and the checkpoints behind it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import CorruptData
from rpsd.core.market import SeriesInfo
from rpsd.store import derived, query
from rpsd.store.blocks import checksum
from rpsd.store.derived import GroupInfo
from rpsd.store.practices import Connection
from rpsd.store.trouble import is_storage_failure

KIND: Final = "denoise_live"
"""The `kind` in the meta of a group that is a live column."""

_FIELDS: Final = """d.id, d.name, d.columns, d.meta, d.created_ns, d.updated_ns, d.tail_rows,
  l.head_ns, l.samples, l.version, l.replays, l.replayed, l.replayed_ns"""
_JOINED: Final = "FROM live l JOIN derived d ON d.id = l.group_id"
_BEFORE: Final = "SELECT t, samples, crc, state FROM checkpoint WHERE group_id = ? AND t < ? ORDER BY t DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A live column: its group, the last sample taken in (None before the first), how many were, and the version of that state.

    `replays` counts how often a late or revised row sent it back, `replayed` tells by how many samples the last time, at replayed_ns.
    """

    group: GroupInfo
    head_ns: int | None
    samples: int
    version: int
    replays: int
    replayed: int
    replayed_ns: int | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The packed state after the sample at t, so many samples after the beginning."""

    t: int
    samples: int
    state: bytes


def columns(c: Connection, info: SeriesInfo) -> list[LiveColumn]:
    """The live columns of the series in the order of their declaration."""
    found = query.rows(c, f"SELECT {_FIELDS} {_JOINED} WHERE l.series_id = ? ORDER BY d.id", (info.id,))
    return [_column(row) for row in found]


def find(c: Connection, info: SeriesInfo, name: str) -> LiveColumn | None:
    """The live column of that name, or None."""
    return next((column for column in columns(c, info) if column.group.name == name), None)


def _column(row: tuple[Any, ...]) -> LiveColumn:
    group_id, name, names, meta, created_ns, updated_ns, tail_rows, *rest = row
    return LiveColumn(GroupInfo(group_id, name, tuple(json.loads(names)), json.loads(meta), created_ns, updated_ns, tail_rows), *rest)


def declare(c: Connection, info: SeriesInfo, name: str, meta: Mapping[str, Any], names: tuple[str, ...], now_ns: int) -> None:
    """Begin a live column of that name with the columns `names`; it has taken in nothing yet."""
    c.execute(
        "INSERT INTO derived (series_id, name, columns, meta, created_ns, updated_ns) VALUES (?, ?, ?, ?, ?, ?)",
        (info.id, name, json.dumps(list(names)), json.dumps({"kind": KIND, **meta}, allow_nan=False), now_ns, now_ns),
    )
    c.execute("INSERT INTO live (group_id, series_id) VALUES (?, ?)", (c.last_insert_rowid(), info.id))


def behind(c: Connection) -> list[tuple[str, str, str]]:
    """Symbol, interval and name of every live column whose series has samples that it has not taken in."""
    found = c.execute(
        f"""SELECT s.symbol, s.interval, d.name {_JOINED} JOIN series s ON s.id = l.series_id
            WHERE s.last_ns IS NOT NULL AND (l.head_ns IS NULL OR l.head_ns < s.last_ns) ORDER BY d.id"""
    )
    return [(symbol, interval, name) for symbol, interval, name in found]


def advance(c: Connection, column: LiveColumn, head_ns: int | None, samples: int, version: int) -> None:
    """Note how far the column has come."""
    c.execute("UPDATE live SET head_ns = ?, samples = ?, version = ? WHERE group_id = ?", (head_ns, samples, version, column.group.id))


def note_replay(c: Connection, column: LiveColumn, samples: int, now_ns: int) -> None:
    """Note that the column goes back by so many samples."""
    c.execute("UPDATE live SET replays = replays + 1, replayed = ?, replayed_ns = ? WHERE group_id = ?", (samples, now_ns, column.group.id))


def keep(c: Connection, column: LiveColumn, made: Checkpoint) -> None:
    """Store a checkpoint."""
    crc = checksum(made.state, column.group.id, made.t, made.samples)
    c.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?)", (column.group.id, made.t, made.samples, crc, made.state))


def before(c: Connection, column: LiveColumn, t_ns: int) -> Checkpoint | None:
    """The last checkpoint before t_ns, or None. Raises CorruptData naming column and checkpoint."""
    found = query.rows(c, _BEFORE, (column.group.id, t_ns))
    return _checked(column, found[0]) if found else None


def drop_checkpoints(c: Connection, column: LiveColumn, since_ns: int) -> None:
    """Drop the checkpoints at or after since_ns."""
    c.execute("DELETE FROM checkpoint WHERE group_id = ? AND t >= ?", (column.group.id, since_ns))


def checkpoints(c: Connection, column: LiveColumn) -> int:
    """How many checkpoints the column has."""
    return int(query.value(c, "SELECT count(*) FROM checkpoint WHERE group_id = ?", (column.group.id,)))


def checked(c: Connection, column: LiveColumn) -> Iterator[Checkpoint]:
    """Every checkpoint of the column in order of time. Raises CorruptData naming column and checkpoint."""
    for row in c.execute("SELECT t, samples, crc, state FROM checkpoint WHERE group_id = ? ORDER BY t", (column.group.id,)):
        yield _checked(column, row)


def _checked(column: LiveColumn, row: tuple[Any, ...]) -> Checkpoint:
    t, samples, crc, state = row
    if checksum(state, column.group.id, t, samples) != crc:
        raise CorruptData(f"live column {column.group.name}: the checkpoint at {t} ns does not match its checksum")
    return Checkpoint(t, samples, state)


def end(c: Connection, info: SeriesInfo, name: str) -> None:
    """Drop the live column with its rows and checkpoints."""
    derived.delete_group(c, info, name)


def apart(c: Connection, fn: Callable[[], None]) -> Exception | None:
    """Run fn in a savepoint of its own; its failure undoes its own changes and is returned, unless the disk has failed."""
    c.execute("SAVEPOINT live")
    failure = None
    try:
        fn()
    except Exception as error:
        if is_storage_failure(error) or not c.in_transaction:
            raise
        c.execute("ROLLBACK TO live")
        failure = error
    c.execute("RELEASE live")
    return failure
