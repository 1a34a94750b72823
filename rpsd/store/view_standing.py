"""How far a view has been materialised for each series: one row for each pair, in front of its checkpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import CorruptData
from rpsd.core.feature import View
from rpsd.core.market import SeriesInfo
from rpsd.store import query
from rpsd.store.blocks import checksum
from rpsd.store.practices import Connection

_FIELDS: Final = "view, slot, version, graph, price, late, dirty_ns, quality, head_ns, rows, known_ns, ordered, crc, memory"
_BEFORE: Final = f"""SELECT {_FIELDS} FROM view_standing WHERE series_id = ? AND view = ? AND slot > 0 AND graph = ? AND price = ?
  AND head_ns < ? ORDER BY slot DESC LIMIT 1"""  # noqa: S608  (names of this file)
_BEHIND: Final = """SELECT s.symbol, s.interval FROM series s LEFT JOIN view_standing v ON v.series_id = s.id AND v.view = ?1 AND v.slot = 0
  WHERE s.last_ns IS NOT NULL AND instr(s.symbol, '#') = 0 AND (v.version IS NULL OR v.version <> ?2 OR v.graph <> ?3
    OR v.head_ns IS NULL OR v.head_ns < s.last_ns OR v.dirty_ns IS NOT NULL)
  ORDER BY s.symbol, s.interval"""
_PAGE: Final = """SELECT s.symbol, s.interval, v.version, v.rows, v.head_ns, v.known_ns, v.quality, v.dirty_ns FROM view_standing v
  JOIN series s ON s.id = v.series_id WHERE v.view = ? AND v.slot = 0 AND (s.symbol, s.interval) > (?, ?)
  ORDER BY s.symbol, s.interval LIMIT ?"""
_MARK: Final = """SELECT s.id, s.columns, s.rows, s.last_ns, s.updated_ns, v.version, v.late, v.head_ns, v.crc,
    (SELECT max(version) FROM feature_view WHERE name = ?3)
  FROM series s LEFT JOIN view_standing v ON v.series_id = s.id AND v.view = ?3 AND v.slot = 0 WHERE s.symbol = ?1 AND s.interval = ?2"""

Mark = tuple[Any, ...]
"""What a vector rests on, in few words: as long as it is what it was, so is every value."""


@dataclass(frozen=True, slots=True)
class ViewStanding:
    """Where a view stands for a series; times in ns UTC.

    `version` and `graph` are the view's, `price` the column that stood for the price. `head_ns`: the last closed bar taken in, None before
    the first; `rows` of them were. `known_ns`: when the last of them was known; `ordered`: each was known no earlier than those before it.
    `late` counts posts with a late or revised row, `dirty_ns` is the earliest such row that was not taken in yet. `quality` is that of the
    last row. `memory` is what the features remember; None before the first bar, and when what was noted is damaged: it is made anew.
    """

    view: str
    slot: int
    version: int
    graph: str
    price: str
    late: int = 0
    dirty_ns: int | None = None
    quality: float | None = None
    head_ns: int | None = None
    rows: int = 0
    known_ns: int | None = None
    ordered: bool = True
    memory: bytes | None = None


@dataclass(frozen=True, slots=True)
class Materialised:
    """How far a view is for one series, as the list of them tells it."""

    symbol: str
    interval: str
    version: int
    rows: int
    head_ns: int | None
    known_ns: int | None
    quality: float | None
    dirty_ns: int | None


def find(c: Connection, info: SeriesInfo, view: str) -> ViewStanding | None:
    """Where the view stands for the series, or None when it was never begun; a damaged one has not begun either."""
    found = query.rows(c, f"SELECT {_FIELDS} FROM view_standing WHERE series_id = ? AND view = ? AND slot = 0", (info.id, view))  # noqa: S608
    return _sound(info, found[0]) if found else None


def qualities(c: Connection, view: str) -> list[tuple[str, float]]:
    """The quality of the newest row of each series that the view stands for, the poorest first, by its entity."""
    found = query.rows(
        c,
        """SELECT s.symbol || ':' || s.interval, v.quality FROM view_standing v JOIN series s ON s.id = v.series_id
           WHERE v.view = ? AND v.slot = 0 AND v.quality IS NOT NULL ORDER BY v.quality, s.symbol, s.interval""",
        (view,),
    )
    return [(entity, float(quality)) for entity, quality in found]


def before(c: Connection, info: SeriesInfo, standing: ViewStanding, t_ns: int) -> ViewStanding | None:
    """The last checkpoint that has not looked at t_ns; None when there is none, or a damaged one."""
    found = query.rows(
        c,
        _BEFORE,
        (info.id, standing.view, standing.graph, standing.price, t_ns),
    )
    checkpoint = _sound(info, found[0]) if found else None
    return None if checkpoint is None or checkpoint.memory is None else checkpoint


def put(c: Connection, info: SeriesInfo, standing: ViewStanding) -> None:
    """Note where the view stands, or in a slot above 0 a checkpoint."""
    c.execute(
        "INSERT OR REPLACE INTO view_standing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            info.id,
            standing.view,
            standing.slot,
            standing.version,
            standing.graph,
            standing.price,
            standing.late,
            standing.dirty_ns,
            standing.quality,
            standing.head_ns,
            standing.rows,
            standing.known_ns,
            int(standing.ordered),
            _checksum(info, standing),
            standing.memory,
        ),
    )


def mark(c: Connection, symbol: str, interval: str, view: str) -> Mark | None:
    """The mark of the view for the series, or None when there is no such series."""
    found = query.rows(c, _MARK, (symbol, interval, view))
    return found[0] if found else None


def begin(c: Connection, info: SeriesInfo, view: View, price: str) -> None:
    """Note that the view is to be kept for the series, from its first bar on, unless it is kept already.

    From here on a late row is noticed, so that what is computed while it comes is not taken for whole.
    """
    if not query.rows(c, "SELECT 1 FROM view_standing WHERE series_id = ? AND view = ? AND slot = 0", (info.id, view.name)):
        put(c, info, ViewStanding(view.name, 0, view.version, view.graph, price))


def forget(c: Connection, info: SeriesInfo, view: str, since_ns: int) -> None:
    """Drop the checkpoints that have looked at since_ns."""
    c.execute("DELETE FROM view_standing WHERE series_id = ? AND view = ? AND slot > 0 AND head_ns >= ?", (info.id, view, since_ns))


def mark_late(c: Connection, info: SeriesInfo, changed_ns: int) -> None:
    """Note for all views of the series that a row at changed_ns came late or was revised."""
    c.execute(
        "UPDATE view_standing SET late = late + 1, dirty_ns = min(coalesce(dirty_ns, ?1), ?1) WHERE series_id = ?2 AND slot = 0",
        (changed_ns, info.id),
    )


def behind(c: Connection, view: View) -> list[tuple[str, str]]:
    """Symbol and interval of the series with rows that the version has not taken in; among them those that lack its columns."""
    return [(symbol, interval) for symbol, interval in query.rows(c, _BEHIND, (view.name, view.version, view.graph))]


def kept(c: Connection) -> list[str]:
    """The views that are kept for at least one series, by name."""
    return [name for (name,) in query.rows(c, "SELECT DISTINCT view FROM view_standing WHERE slot = 0 ORDER BY view")]


def of_view(c: Connection, view: str) -> list[tuple[str, str]]:
    """Symbol and interval of the series that the view is kept for."""
    found = """SELECT s.symbol, s.interval FROM view_standing v JOIN series s ON s.id = v.series_id
      WHERE v.view = ? AND v.slot = 0 ORDER BY s.symbol, s.interval"""
    return [(symbol, interval) for symbol, interval in query.rows(c, found, (view,))]


def page(c: Connection, view: str, after: tuple[str, str] | None, limit: int) -> list[Materialised]:
    """Up to `limit` series that the view is kept for after (symbol, interval), in that order."""
    return [Materialised(*row) for row in query.rows(c, _PAGE, (view, *(after or ("", "")), limit))]


def checked(c: Connection, info: SeriesInfo) -> Iterator[ViewStanding]:
    """Every standing and checkpoint of the series. Raises CorruptData naming the view."""
    for row in c.execute(f"SELECT {_FIELDS} FROM view_standing WHERE series_id = ?", (info.id,)):  # noqa: S608
        yield _checked(info, row)


def _checked(info: SeriesInfo, row: tuple[Any, ...]) -> ViewStanding:
    view, slot, version, graph, price, late, dirty_ns, quality, head_ns, n, known_ns, ordered, crc, memory = row
    facts = (view, slot, version, graph, price, late, dirty_ns, quality, head_ns, n, known_ns, bool(ordered), memory)
    standing = ViewStanding(*facts)
    if _checksum(info, standing) != crc:
        raise CorruptData(f"where the view {standing.view} stands for {info.symbol} {info.interval} does not match its checksum")
    return standing


def _sound(info: SeriesInfo, row: tuple[Any, ...]) -> ViewStanding:
    """The standing of the row, or one that has not begun when the row is damaged: it can be made anew."""
    try:
        return _checked(info, row)
    except CorruptData:
        view, slot, version, graph, price, late, *_ = row
        return ViewStanding(view, slot, version, graph, price, late)


def _checksum(info: SeriesInfo, standing: ViewStanding) -> int:
    """The CRC of a row without its marks; a moment that is not there counts as one before all times."""
    facts = (-(2**63) if fact is None else fact for fact in (standing.head_ns, standing.known_ns))
    named = f"{standing.view} {standing.graph} {standing.price}".encode()
    return checksum(named + (standing.memory or b""), info.id, standing.slot, standing.version, standing.rows, standing.ordered, *facts)
