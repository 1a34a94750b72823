"""Writing samples: last write wins by time, missing cells keep what is stored, superseded rows are kept as revisions."""

from dataclasses import replace

import numpy as np

from rpsd.core.errors import BadRows
from rpsd.core.market import INTERVALS, Samples, SeriesInfo, Upsert
from rpsd.store import extent, listing, placing, query, revision, tail
from rpsd.store.blocks import Rows, compact_known, joined, of_samples, overlaid
from rpsd.store.practices import Connection
from rpsd.store.reading import at_times


def upsert(c: Connection, symbol: str, interval: str, samples: Samples, *, now_ns: int, unit: str | None = None) -> Upsert:
    """Store the samples under (symbol, interval), creating the series and its columns as needed.

    A cell that is missing (NaN, or a column that the samples lack) keeps its stored value. A row whose values change is revised: the old
    one stays readable as of any moment before now_ns. Raises BadRows when there is no column at all. Cost O(n + rows of touched blocks).
    """
    if not samples.columns:
        raise BadRows("the samples have no column")
    info = listing.ensure(c, symbol, interval, list(samples.columns), unit, now_ns)
    rows = of_samples(samples, info.columns, INTERVALS[interval])
    if not rows.n:
        return Upsert(0, 0, 0, info.last_ns, before_ns=info.last_ns)
    before_ns = info.last_ns
    if info.last_ns is None or rows.t[0] > info.last_ns:
        fresh, updated = rows, 0
    else:
        fresh, updated = _against_store(c, info, rows, now_ns)
    inserted = fresh.n - updated
    first, last = int(rows.t[0]), int(rows.t[-1])
    info = replace(
        info,
        rows=info.rows + inserted,
        first_ns=first if info.first_ns is None else min(first, info.first_ns),
        last_ns=last if info.last_ns is None else max(last, info.last_ns),
    )
    if fresh.n:
        _place(c, info, fresh, now_ns)
    return Upsert(inserted, updated, rows.n - fresh.n, info.last_ns, int(fresh.t[0]) if fresh.n else None, before_ns)


def _against_store(c: Connection, info: SeriesInfo, rows: Rows, now_ns: int) -> tuple[Rows, int]:
    """The rows that differ from the store, complete, and how many of them replace a stored one (whose old self is kept)."""
    stored = at_times(c, info, rows.t)
    if not stored.n:
        return rows, 0
    at = np.minimum(np.searchsorted(stored.t, rows.t), stored.n - 1)
    met = stored.t[at] == rows.t
    old = stored.pick(at[met])
    given = rows.values[:, met]
    values = np.where(np.isnan(given), old.values, given)
    changed = ~((values == old.values) | np.isnan(values)).all(axis=0)
    interval_ns = INTERVALS[info.interval]
    before = old.pick(changed)
    if before.n:
        revision.keep(c, listing.group_of(info), revision.superseded(before, now_ns, interval_ns), now_ns)
    known = compact_known(before.t, np.maximum(before.known_ns(interval_ns), now_ns), interval_ns)
    revised = Rows(before.t, values[:, changed], known)
    return overlaid(rows.pick(~met), revised, len(info.columns)), revised.n


def _place(c: Connection, info: SeriesInfo, rows: Rows, now_ns: int) -> None:
    """Put complete rows into the tail when they are few, else into blocks together with what the tail holds."""
    waiting = placing.place(c, listing.group_of(info), len(info.columns), rows, listing.tail_rows(c, info), now_ns)
    listing.settle(c, info, tail_rows=waiting, now_ns=now_ns)


def fold(c: Connection, info: SeriesInfo | None) -> int:
    """Move the tail of the series, or of every series, into blocks; returns the rows moved."""
    if info is None:
        waiting = query.rows(c, "SELECT symbol, interval FROM series WHERE tail_rows > 0 ORDER BY id")
        return sum(fold(c, listing.require(c, symbol, interval)) for symbol, interval in waiting)
    recorded_ns = tail.newest(c, listing.group_of(info))
    if recorded_ns is None:
        return 0
    width = len(info.columns)
    moved = placing.to_blocks(c, listing.group_of(info), width, joined([], width), listing.tail_rows(c, info), recorded_ns)
    listing.settle(c, info, tail_rows=0, now_ns=recorded_ns)
    return moved


def compress(c: Connection, older_than_ns: int, *, most: int = 512) -> int:
    """Compress up to `most` blocks that end before older_than_ns (0.3 ms each; call it until it returns 0)."""
    groups = query.rows(
        c,
        """SELECT DISTINCT b.series_id, b.group_id, s.symbol, s.interval FROM block b JOIN series s ON s.id = b.series_id
           WHERE b.codec = 0 AND b.last_ns < ?""",
        (older_than_ns,),
    )
    done = 0
    for series_id, group_id, symbol, interval in groups:
        if done < most:
            group = extent.Group(series_id, group_id, f"series {symbol} {interval}")
            done += extent.repack(c, group, older_than_ns, most=most - done)
    return done
