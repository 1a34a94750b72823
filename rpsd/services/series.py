"""Series in the user's words: append rows, read them back, say what there is and how complete."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core import instant, market
from rpsd.core.cursor import not_of_this_list
from rpsd.core.errors import BadRange, BadRows, Fault, InvalidRequest, UnknownColumn
from rpsd.core.market import INTERVALS, Samples, SeriesInfo, Times, Vector
from rpsd.services.herald import Herald
from rpsd.services.keeping import Followed, Keeper
from rpsd.store import audit, derived
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database
from rpsd.store.derived import GroupInfo
from rpsd.store.idempotency import Once, run_once
from rpsd.telemetry import Metrics

_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Completeness:
    """Gaps and missing cells of a series as it stood at `info`, after so many writes of this process."""

    info: SeriesInfo
    writes: int
    gaps: int
    missing: int

    @property
    def score(self) -> float | None:
        """1 - (missing cells + gaps of all columns) / (cells there could be); None for an empty series."""
        width = len(self.info.columns)
        possible = (self.info.rows + self.gaps) * width
        return round(1.0 - (self.missing + self.gaps * width) / possible, 6) if possible else None


class SeriesService:
    """Everything about stored samples. `deadline_seconds` bounds each read."""

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        clock: Callable[[], int],
        keeper: Keeper,
        herald: Herald,
        deadline_seconds: float | None = None,
    ) -> None:
        self._database, self._metrics, self._clock, self._keeper, self._herald = database, metrics, clock, keeper, herald
        self._deadline = deadline_seconds
        self._measured: dict[int, _Completeness] = {}
        self._writes: Counter[tuple[str, str]] = Counter()

    def append(
        self,
        symbol: str,
        interval: str,
        samples: Samples,
        *,
        rejected: Sequence[dict[str, Any]] = (),
        by: str = "",
        once: Once | None = None,
        unit: str | None = None,
    ) -> dict[str, Any]:
        """Store the rows, creating the series at the first; durable when this returns.

        Live columns of the series are moved on in the same transaction. Answer: accepted, inserted, updated, unchanged, rejected, last.
        Raises BadSymbol, BadRows, IdempotencyConflict, DiskFull.
        """
        symbol, interval, now_ns = market.symbol(symbol), market.interval(interval), self._clock()
        followed = [Followed()]

        def add(c: Connection) -> dict[str, Any]:
            held = rows.find(c, symbol, interval)
            if held is not None:
                _check_new_names(c, held, samples)
            else:
                audit.append(c, by, "series.create", f"{symbol} {interval}", {"columns": list(samples.columns)}, now_ns)
            done = rows.upsert(c, symbol, interval, samples, now_ns=now_ns, unit=unit)
            followed[0] = self._keeper.follow(c, symbol, interval, samples, done, now_ns)
            return {
                "accepted": samples.n,
                "inserted": done.inserted,
                "updated": done.updated,
                "unchanged": done.unchanged,
                "rejected": list(rejected),
                "last": None if done.last_ns is None else instant.text(done.last_ns),
            }

        def tell(done: tuple[dict[str, Any], bool]) -> None:
            if not done[1]:
                self._herald.samples(symbol, interval, samples, done[0])
                self._keeper.publish(followed[0])

        answer, replayed = self._database.write(lambda c: run_once(c, once, now_ns, lambda: add(c)), tell).result()
        if not replayed:
            self._metrics.ingest_rows_total.inc(samples.n)
            self._metrics.symbols.rows(symbol, samples.n)
            self._keeper.told(followed[0])
            self._writes[symbol, interval] += 1  # an update may fill a cell and leave the totals as they were
        return answer

    def read(
        self,
        symbol: str,
        interval: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        as_of_ns: int | None = None,
    ) -> Samples:
        """The first `limit` rows from start_ns to end_ns, both inclusive; a derived column is read by its name like any other.

        With derived columns alone the rows are theirs; beside the series' own they are NaN where they have no row. Raises BadSymbol,
        UnknownSeries, UnknownColumn, BadRange, InvalidRequest (as_of of a derived column), DeadlineExceeded.
        """
        symbol, interval = market.symbol(symbol), market.interval(interval)
        if start_ns is not None and end_ns is not None and end_ns < start_ns:
            raise BadRange("the end lies before the start", errors=[Fault("/end", "before the start")])

        def run(c: Connection) -> Samples:
            info = rows.require(c, symbol, interval)
            if columns is not None and not set(columns) <= set(info.columns):
                return _with_derived(c, info, columns, start_ns=start_ns, end_ns=end_ns, limit=limit, as_of_ns=as_of_ns)
            return rows.read(c, info, start_ns=start_ns, end_ns=end_ns, columns=columns, limit=limit, as_of_ns=as_of_ns)

        return self._database.read(run, deadline_seconds=self._deadline)

    def require(self, symbol: str, interval: str) -> SeriesInfo:
        """What the store knows of the series. Raises BadSymbol, UnknownSeries."""
        symbol, interval = market.symbol(symbol), market.interval(interval)
        return self._database.read(lambda c: rows.require(c, symbol, interval))

    def info(self, symbol: str, interval: str) -> dict[str, Any]:
        """Columns, unit, first, last, rows, gaps, quality_score and derived. O(n) after a change, else at once. Raises UnknownSeries.

        quality_score = 1 - (missing cells + gaps of all columns) / (cells there could be). `derived` lists what was computed from the
        series and kept beside it: name, columns, how it was made, created, updated.
        """
        symbol, interval = market.symbol(symbol), market.interval(interval)

        def run(c: Connection) -> dict[str, Any]:
            measured = self._measure(c, symbol, interval)
            return _described(measured) | {"derived": [_group(group) for group in derived.list_groups(c, measured.info)]}

        return self._database.read(run, deadline_seconds=self._deadline)

    def page(self, after: str | None = None, limit: int = 100) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` series by symbol and interval, and the cursor of the next page.

        gaps and quality_score are null here for a series that has changed since info() measured it. Raises InvalidRequest.
        """
        cursor = None
        if after is not None:
            symbol, colon, interval = after.partition(":")
            if not colon:
                raise not_of_this_list()
            cursor = (symbol, interval)
        found = self._database.read(lambda c: [rows.whole(c, info) for info in rows.page(c, cursor, limit + 1)])
        last = found[limit - 1] if len(found) > limit else None
        return [self._listed(info) for info in found[:limit]], f"{last.symbol}:{last.interval}" if last else None

    def delete(self, symbol: str, interval: str, by: str) -> None:
        """Drop the series with its revisions and derived columns; audited. Raises UnknownSeries."""
        symbol, interval, now_ns = market.symbol(symbol), market.interval(interval), self._clock()

        def drop(c: Connection) -> None:
            info = rows.require(c, symbol, interval)
            rows.delete(c, info)
            audit.append(c, by, "series.delete", f"{symbol} {interval}", {"rows": info.rows, "columns": list(info.columns)}, now_ns)

        self._database.write(drop).result()

    def _measure(self, c: Connection, symbol: str, interval: str) -> _Completeness:
        writes, info = self._writes[symbol, interval], rows.whole(c, rows.require(c, symbol, interval))
        if (held := self._held(info)) is not None:
            return held
        missing = sum(int(np.isnan(values).sum()) for part in rows.stream(c, info) for values in part.columns.values())
        measured = _Completeness(info, writes, rows.gaps(c, info), missing)
        if len(self._measured) >= _REMEMBERED:
            self._measured.clear()
        self._measured[info.id] = measured
        return measured

    def _held(self, info: SeriesInfo) -> _Completeness | None:
        """What was measured, if it still holds."""
        held = self._measured.get(info.id)
        fresh = held is not None and held.info == info and held.writes == self._writes[info.symbol, info.interval]
        return held if fresh else None

    def _listed(self, info: SeriesInfo) -> dict[str, Any]:
        return _described(self._held(info) or info)


def _check_new_names(c: Connection, info: SeriesInfo, samples: Samples) -> None:
    """Raise BadRows when the rows bring a new column of a name that a kept result has: it would hide that one."""
    if not (new := [name for name in samples.columns if name not in info.columns]):
        return
    kept = {name for group in derived.list_groups(c, info) if group.meta.get("kind") == "denoise" for name in group.columns}
    if taken := next((name for name in new if name in kept), None):
        reason = f"{taken} is a column that was computed from the series and kept"
        raise BadRows(reason, errors=[Fault(f"/{taken}", reason)], hint="Name the column otherwise.")


def _described(found: _Completeness | SeriesInfo) -> dict[str, Any]:
    """A series in the shape of the contract."""
    info = found if isinstance(found, SeriesInfo) else found.info
    measured = None if isinstance(found, SeriesInfo) else found
    return {
        "symbol": info.symbol,
        "interval": info.interval,
        "columns": list(info.columns),
        "unit": info.unit,
        "first": None if info.first_ns is None else instant.text(info.first_ns),
        "last": None if info.last_ns is None else instant.text(info.last_ns),
        "rows": info.rows,
        "gaps": None if measured is None else measured.gaps,
        "quality_score": None if measured is None else measured.score,
    }


def _group(group: GroupInfo) -> dict[str, Any]:
    """A derived group as the description of its series lists it."""
    facts = {"name": group.name, "columns": list(group.columns), **group.meta}
    return facts | {"created": instant.text(group.created_ns), "updated": instant.text(group.updated_ns)}


def _with_derived(
    c: Connection,
    info: SeriesInfo,
    columns: Sequence[str],
    *,
    start_ns: int | None,
    end_ns: int | None,
    limit: int | None,
    as_of_ns: int | None,
) -> Samples:
    """Rows of columns of which at least one is derived. Raises UnknownColumn, InvalidRequest."""
    own = [name for name in columns if name in info.columns]
    groups = {name: group for group in derived.list_groups(c, info) if group.name in group.columns for name in group.columns}
    for name in columns:
        if name not in info.columns and name not in groups:
            known = ", ".join([*info.columns, *sorted(groups)])
            raise UnknownColumn(f"{info.symbol} {info.interval} has no column {name[:40]!r}; it has {known}")
    if as_of_ns is not None:
        reason = "a derived column was computed from the rows as they stood then, and keeps no revisions"
        raise InvalidRequest(f"as_of: {reason}", errors=[Fault("/as_of", reason)], hint="Read the series' own columns as of a moment.")
    base = rows.read(c, info, start_ns=start_ns, end_ns=end_ns, columns=own, limit=limit) if own else None
    if base is not None and base.n:
        start_ns, end_ns, limit = int(base.t[0]), int(base.t[-1]), None
    wanted = {groups[name].name: groups[name] for name in columns if name not in own}
    found = {name: derived.read_group(c, info, name, start_ns, end_ns, limit)[1] for name in wanted}
    t = base.t if base is not None else np.unique(np.concatenate([group.t for group in found.values()]))[:limit]
    cells = {name: _aligned(found[groups[name].name], name, t) for name in columns if name not in own}
    if base is not None:
        cells = dict(base.columns) | cells
    ordered = [*columns, *(name for name in cells if name not in columns)]  # ticks bring their sequence
    available = None
    if any(group.meta.get("lag") for group in wanted.values()):
        available = _available(t, base, list(found.values()), INTERVALS[info.interval])
    return Samples(t, {name: cells[name] for name in ordered}, available_at=available)


def _available(t: Times, base: Samples | None, groups: Sequence[Samples], interval_ns: int) -> Times:
    """When the last of what each row (n,) shows was known, in ns UTC; a value that waits is known with the last sample it rests on."""
    known = t + interval_ns if base is None or base.known_at is None else base.known_at.copy()
    for group in groups:
        if group.n and group.known_at is not None:
            at = np.minimum(np.searchsorted(group.t, t), group.n - 1)
            known = np.where(group.t[at] == t, np.maximum(known, group.known_at[at]), known)
    return known


def _aligned(group: Samples, name: str, t: Times) -> Vector:
    """The column at the times t (n,), NaN where the group has no row."""
    if not group.n:
        return np.full(t.size, np.nan)
    at = np.minimum(np.searchsorted(group.t, t), group.n - 1)
    return np.where(group.t[at] == t, group.columns[name][at], np.nan)
