"""Samples that have been kept long enough: dropped from the front of a series, with all that rests on them alone."""

from typing import Final

from rpsd.core.market import SeriesInfo
from rpsd.store import derived, extent, listing, live, query, tail, upsert
from rpsd.store.blocks import Codec
from rpsd.store.extent import EVER, Group
from rpsd.store.practices import Connection

_BLOCKS: Final = 64
"""Blocks that one transaction drops: 12 MiB of six columns."""
_SERVED: Final = "regime_live"
"""Kind of the groups whose rows stay: regimes as they were served."""
_MARK: Final = "#"
"""Between the symbol of ticks and the number of an upper layer, see store/ticks.py."""


def due(c: Connection, interval: str, older_than_ns: int) -> list[tuple[str, str]]:
    """Symbol and interval of the series, and the upper layers of ticks, that hold rows from before that moment."""
    found = query.rows(
        c, "SELECT symbol, interval FROM series WHERE interval = ? AND first_ns < ? ORDER BY symbol DESC", (interval, older_than_ns)
    )
    return [(str(symbol), str(name)) for symbol, name in found]  # upper layers first: none outlives the rows below it


def cut(c: Connection, symbol: str, interval: str, before_ns: int, now_ns: int) -> tuple[int, bool]:
    """Drop up to some 64 blocks of rows from before that moment; how many rows, and whether there are more.

    The newest row stays, and so do the samples since the last checkpoint of each live column, which it may have to take in again.
    Revisions, derived rows and checkpoints of what is dropped go with it. Raises CorruptData.
    """
    info = listing.find(c, symbol, interval)
    base = listing.find(c, symbol.partition(_MARK)[0], interval)
    if info is None or base is None or info.first_ns is None:
        return 0, False
    before_ns = _held_back(c, base, before_ns)
    if info.first_ns >= before_ns:
        return 0, False
    upsert.fold(c, info)
    dropped, more = _drop(c, listing.group_of(info), before_ns, now_ns)
    first, last = query.rows(
        c, "SELECT min(first_ns), max(last_ns) FROM block WHERE series_id = ? AND group_id = ?", (info.id, extent.SAMPLES)
    )[0]
    c.execute(
        "UPDATE series SET rows = rows - ?, first_ns = ?, last_ns = ?, updated_ns = ? WHERE id = ?", (dropped, first, last, now_ns, info.id)
    )
    reached_ns = before_ns if not more or first is None else int(first)
    for group in derived.list_groups(c, info):
        if group.meta.get("kind") != _SERVED:
            _trim(c, info, group, reached_ns, now_ns)
    _forget(c, info, reached_ns)
    return dropped, more


def _held_back(c: Connection, info: SeriesInfo, before_ns: int) -> int:
    """The moment, or an earlier one where the newest row or a live column's last checkpoint lies before it."""
    bounds = [before_ns, before_ns if info.last_ns is None else info.last_ns]
    for column in live.columns(c, info):
        held = live.before(c, column, EVER[1])
        bounds.append(EVER[0] if held is None else held.t + 1)
    return min(bounds)


def _drop(c: Connection, group: Group, before_ns: int, now_ns: int) -> tuple[int, bool]:
    """Drop rows of a group's blocks from before that moment; how many, and whether there are more."""
    old = query.rows(
        c,
        """SELECT id, rows, first_ns, last_ns, codec FROM block WHERE series_id = ? AND group_id = ? AND first_ns < ?
           ORDER BY first_ns LIMIT ?""",
        (group.series_id, group.group_id, before_ns, _BLOCKS + 1),
    )
    dropped = 0
    for block_id, rows, _, last_ns, codec in old[:_BLOCKS]:
        kept = extent.load(c, group, block_id).between(before_ns, EVER[1]) if last_ns >= before_ns else None
        extent.remove(c, [block_id])
        if kept is not None:
            extent.insert(c, group, [kept], now_ns, Codec(codec))
        dropped += rows - (0 if kept is None else kept.n)
    return dropped, len(old) > _BLOCKS


def _trim(c: Connection, info: SeriesInfo, group: derived.GroupInfo, before_ns: int, now_ns: int) -> None:
    """Drop the derived rows from before that moment."""
    held = Group(info.id, group.id, f"series {info.symbol} {info.interval}, group {group.name}")
    more = True
    while more:  # the blocks of a group are as many as those of the samples, which the caller has counted
        _, more = _drop(c, held, before_ns, now_ns)
    tail.drop_before(c, held, before_ns)
    c.execute("UPDATE derived SET tail_rows = ? WHERE id = ?", (tail.count(c, held), group.id))


def _forget(c: Connection, info: SeriesInfo, before_ns: int) -> None:
    """Drop revisions, and the checkpoints from which nobody can go on any more: rows behind them are gone."""
    c.execute("DELETE FROM revision WHERE series_id = ? AND last_ns < ?", (info.id, before_ns))
    c.execute(
        "DELETE FROM checkpoint WHERE group_id IN (SELECT group_id FROM live WHERE series_id = ?) AND t < ?", (info.id, before_ns - 1)
    )
    c.execute("DELETE FROM view_standing WHERE series_id = ? AND slot > 0 AND head_ns < ?", (info.id, before_ns - 1))
    c.execute("DELETE FROM standing WHERE series_id = ? AND slot > 0 AND seen_ns < ?", (info.id, before_ns - 1))
