"""Where the filters of production models stand: one row for each, in front of its checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import CorruptData
from rpsd.core.market import SeriesInfo
from rpsd.store import query
from rpsd.store.blocks import checksum
from rpsd.store.practices import Connection

_JOINED: Final = """FROM model m LEFT JOIN standing s ON s.name = m.name AND s.slot = 0 AND s.version = m.version
  WHERE m.stage = 'production' AND m.name"""
_SERVING: Final = f"SELECT m.name, m.version, s.seen_ns, s.waits_ns, s.kept_ns, s.crc, s.state {_JOINED}"
_MARK: Final = f"SELECT m.version, s.waits_ns, s.state {_JOINED} = ?"
_BEFORE: Final = """SELECT name, version, seen_ns, waits_ns, kept_ns, crc, state FROM standing
  WHERE name = ? AND version = ? AND slot > 0 AND seen_ns < ? ORDER BY slot DESC LIMIT 1"""

Mark = tuple[int, int | None, bytes | None]
"""Version, waits_ns and state: as long as they are what they were, so is everything that the filter says."""


@dataclass(frozen=True, slots=True)
class Stood:
    """A version in production and where its filter stands: `state` is None before it has begun.

    `seen_ns`: the last closed bar looked at. `waits_ns`: when the first bar behind that one closes, None when none is stored.
    `kept_ns`: the last row that was served, by any version. `is_damaged`: what was noted did not match its checksum and counts for nothing.
    """

    name: str
    version: int
    seen_ns: int | None
    waits_ns: int | None
    kept_ns: int | None
    state: bytes | None
    is_damaged: bool = False


def serving(c: Connection, names: Sequence[str]) -> list[Stood]:
    """The versions in production among the names, with their standings; a damaged one is as good as none, for it can be made anew."""
    places = ", ".join("?" * len(names))
    return [_sound(row) for row in query.rows(c, f"{_SERVING} IN ({places})", names)]


def marks(c: Connection, names: Sequence[str]) -> list[Mark | None]:
    """The mark of each name, None without a version in production."""
    found = (query.rows(c, _MARK, (name,)) for name in names)
    return [rows[0] if rows else None for rows in found]


def before(c: Connection, stood: Stood, t_ns: int) -> bytes | None:
    """The state of the last checkpoint of that version that has not looked at t_ns; None when there is none, or a damaged one."""
    found = query.rows(c, _BEFORE, (stood.name, stood.version, t_ns))
    return _sound(found[0]).state if found else None


def put(c: Connection, info: SeriesInfo, stood: Stood, slot: int = 0) -> None:
    """Note where the filter stands, or in a slot above 0 a checkpoint."""
    assert stood.state is not None  # what has not begun is not noted
    row = (stood.name, slot, info.id, stood.version, stood.seen_ns, stood.waits_ns, stood.kept_ns, _checksum(stood), stood.state)
    c.execute("INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def forget(c: Connection, stood: Stood, since_ns: int = -(2**63)) -> None:
    """Drop the standings of other versions, and the checkpoints that have looked at since_ns."""
    c.execute(
        "DELETE FROM standing WHERE name = ?1 AND (version <> ?2 OR slot > 0 AND seen_ns >= ?3)", (stood.name, stood.version, since_ns)
    )


def rewind(c: Connection, name: str, changed_ns: int) -> None:
    """Drop what has looked at changed_ns, the standing itself too: the filter begins again where its training ended."""
    c.execute("DELETE FROM standing WHERE name = ? AND seen_ns >= ?", (name, changed_ns))


def checked(c: Connection, info: SeriesInfo) -> Iterator[Stood]:
    """Every standing and checkpoint of the series. Raises CorruptData naming the model."""
    for row in c.execute("SELECT name, version, seen_ns, waits_ns, kept_ns, crc, state FROM standing WHERE series_id = ?", (info.id,)):
        yield _checked(row)


def _checked(row: tuple[Any, ...]) -> Stood:
    name, version, seen_ns, waits_ns, kept_ns, crc, state = row
    stood = Stood(name, version, seen_ns, waits_ns, kept_ns, state)
    if state is not None and _checksum(stood) != crc:
        raise CorruptData(f"where the filter of {name} stands at {seen_ns} ns does not match its checksum")
    return stood


def _sound(row: tuple[Any, ...]) -> Stood:
    """The standing of the row, or that of a filter that has not begun when the row is damaged."""
    try:
        return _checked(row)
    except CorruptData:
        return Stood(row[0], row[1], None, None, None, None, is_damaged=True)


def _checksum(stood: Stood) -> int:
    """The CRC of a row; a moment that is not there counts as one before all times."""
    facts = (-(2**63) if fact is None else fact for fact in (stood.seen_ns, stood.waits_ns, stood.kept_ns))
    return checksum(stood.state or b"", stood.version, *facts)
