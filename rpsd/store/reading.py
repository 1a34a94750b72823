"""Reading samples back: blocks and tail merged, whole or streamed, as they stand or as they were known at a moment."""

from collections.abc import Generator, Iterator, Sequence
from typing import Final

import numpy as np

from rpsd.core.errors import UnknownColumn
from rpsd.core.market import INTERVALS, Samples, SeriesInfo, Times
from rpsd.store import extent, revision, tail
from rpsd.store.blocks import Rows, joined, overlaid
from rpsd.store.extent import Group
from rpsd.store.listing import group_of, tail_rows
from rpsd.store.practices import Connection

_BREAK_NS: Final = 4 * 3_600_000_000_000
"""A longer pause between intraday bars is the night, not a gap."""
_WEEKEND_NS: Final = 4 * 86_400_000_000_000
"""A longer pause is a gap at any interval up to a day: Friday to Tuesday is the longest ordinary weekend."""


def read(
    c: Connection,
    info: SeriesInfo,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    as_of_ns: int | None = None,
) -> Samples:
    """The first `limit` samples from start_ns to end_ns (inclusive) as one table.

    With as_of_ns: only what was known at that moment, with the values of then. `known_at` is None while every row is known at its close.
    Raises UnknownColumn, CorruptData.
    """
    chosen = chosen_columns(info, columns)
    return _samples(info, chosen, joined(list(pieces(c, info, start_ns, end_ns, limit, as_of_ns)), len(info.columns)))


def stream(
    c: Connection,
    info: SeriesInfo,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    as_of_ns: int | None = None,
    chunk_rows: int = 65536,
) -> Iterator[Samples]:
    """read() in tables of about chunk_rows rows. Exhaust or close it inside the read transaction it began in."""
    chosen = chosen_columns(info, columns)
    width = len(info.columns)
    held: list[Rows] = []
    for piece in pieces(c, info, start_ns, end_ns, limit, as_of_ns):
        held.append(piece)
        if sum(part.n for part in held) >= chunk_rows:
            yield _samples(info, chosen, joined(held, width))
            held = []
    if held:
        yield _samples(info, chosen, joined(held, width))


def chosen_columns(info: SeriesInfo, columns: Sequence[str] | None) -> tuple[str, ...]:
    """The asked columns, or all. Raises UnknownColumn."""
    for name in columns or ():
        if name not in info.columns:
            raise UnknownColumn(f"{info.symbol} {info.interval} has no column {name[:40]!r}; it has {', '.join(info.columns)}")
    return info.columns if columns is None else tuple(columns)


def _samples(info: SeriesInfo, columns: tuple[str, ...], rows: Rows) -> Samples:
    values = {name: np.ascontiguousarray(rows.values[info.columns.index(name)]) for name in columns}
    known = None if rows.known is None else rows.known_ns(INTERVALS[info.interval])
    return Samples(rows.t, values, known)


def pieces(
    c: Connection, info: SeriesInfo, start_ns: int | None, end_ns: int | None, limit: int | None, as_of_ns: int | None
) -> Iterator[Rows]:
    """Rows in order of time, non-empty, a block or so at a time, all columns of info."""
    start, end = extent.EVER[0] if start_ns is None else start_ns, extent.EVER[1] if end_ns is None else end_ns
    left = extent.EVER[1] if limit is None else limit
    source = merged(c, group_of(info), len(info.columns), tail_rows(c, info), start, end)
    try:
        for rows in source if left > 0 else ():
            piece = rows if as_of_ns is None else _known(c, info, rows, as_of_ns)
            if piece.n:
                yield piece.cut(0, min(left, piece.n))
                left -= piece.n
            if left <= 0:
                return
    finally:
        source.close()  # ends the cursor within, and with it the read transaction's hold


def merged(c: Connection, group: Group, width: int, waiting: int, start_ns: int, end_ns: int) -> Generator[Rows, None, None]:
    """Blocks between start_ns and end_ns with the tail, when rows are waiting there, laid over them."""
    if not waiting:
        yield from extent.stream(c, group, start_ns, end_ns)
        return
    late = tail.read(c, group, width, start_ns, end_ns)
    for block in extent.stream(c, group, start_ns, end_ns):
        if not block.n:
            continue
        split = int(np.searchsorted(late.t, block.t[-1], "right"))
        yield overlaid(block, late.cut(0, split), width)
        late = late.cut(split, late.n)
    if late.n:
        yield late


def _known(c: Connection, info: SeriesInfo, rows: Rows, as_of_ns: int) -> Rows:
    """The rows as they were known at as_of_ns: those not known yet give way to the revision that stood then, if any."""
    known = rows.known_ns(INTERVALS[info.interval]) <= as_of_ns
    if known.all() or not rows.n:
        return rows
    earlier = revision.as_of(c, group_of(info), len(info.columns), int(rows.t[0]), int(rows.t[-1]), as_of_ns)
    return overlaid(rows.pick(known), earlier, len(info.columns))


def at_times(c: Connection, info: SeriesInfo, t: Times) -> Rows:
    """All rows of the blocks and the tail that could hold one of the times t (n,): a superset, in order of time."""
    group, width = group_of(info), len(info.columns)
    first, last = int(t[0]), int(t[-1])
    parts = []
    for held in extent.extents(c, group, first, last):
        at = int(np.searchsorted(t, held.first_ns, "left"))
        if at < t.size and t[at] <= held.last_ns:
            parts.append(extent.load(c, group, held.id))
    return overlaid(joined(parts, width), tail.read(c, group, width, first, last), width)


def gaps(c: Connection, info: SeriesInfo) -> int:
    """Pauses between neighbouring rows that look like missing bars, O(n).

    Intraday: longer than the interval but not longer than 4 h (the night), or longer than 4 days; daily: longer than 4 days;
    weekly: longer than 8 days; ticks: none.
    """
    if info.interval == "tick":
        return 0
    interval_ns = INTERVALS[info.interval]
    found, before = 0, np.empty(0, np.int64)
    for rows in pieces(c, info, None, None, None, None):
        steps = np.diff(np.concatenate([before, rows.t]))
        long = steps > max(_WEEKEND_NS, 8 * interval_ns // 7)
        found += int((long | ((steps > interval_ns) & (steps <= _BREAK_NS))).sum())
        before = rows.t[-1:]
    return found
