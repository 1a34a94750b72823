"""Ticks: a series keyed by (time, sequence). Rows of one nanosecond lie in layers, each a series of strictly increasing time.

Layer 0 is the series itself; layer k holds the row of rank k, in order of arrival, of each nanosecond that has so many, under the symbol
`SYMBOL#k`, which no caller can name. So blocks, tail, revisions and checksums serve ticks as they serve bars, and a series whose times are
all different, of whatever interval, has one layer and costs nothing more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from rpsd.core.errors import BadRows
from rpsd.core.market import SEQUENCE, Samples, SeriesInfo, Times, Upsert
from rpsd.store import listing, reading, upsert
from rpsd.store.practices import Connection

TICK: Final = "tick"
MOST_LAYERS: Final = 1000
"""Rows that one nanosecond may have."""
_MARK: Final = "#"


def layers(c: Connection, info: SeriesInfo) -> list[SeriesInfo]:
    """The series and the layers above it, lowest first."""
    found = [info]
    if info.interval == TICK and SEQUENCE in info.columns:
        while (above := listing.find(c, f"{info.symbol}{_MARK}{len(found)}", TICK)) is not None:
            found.append(above)
    return found


def whole(c: Connection, info: SeriesInfo) -> SeriesInfo:
    """The series with the rows of all its layers counted."""
    return replace(info, rows=sum(layer.rows for layer in layers(c, info)))


def write(c: Connection, symbol: str, interval: str, samples: Samples, *, now_ns: int, unit: str | None = None) -> Upsert:
    """upsert.upsert(), where rows of ticks meet by (time, sequence); a row without a sequence has 0. Raises BadRows as upsert does.

    Rows of the same nanosecond are for ticks alone, and at most MOST_LAYERS of them.
    """
    info = listing.find(c, symbol, interval)
    has_ties = bool((np.diff(samples.t) == 0).any())
    if interval != TICK or not (has_ties or SEQUENCE in samples.columns or (info is not None and SEQUENCE in info.columns)):
        if has_ties:
            raise BadRows("rows of one time are for the interval tick alone")
        return upsert.upsert(c, symbol, interval, samples, now_ns=now_ns, unit=unit)
    rank = _ranks(c, info, samples)
    if rank.size and int(rank.max()) >= MOST_LAYERS:
        raise BadRows(f"more than {MOST_LAYERS} rows at the time {int(samples.t[rank.argmax()])} ns")
    done = Upsert(0, 0, 0, None)
    for layer in range(int(rank.max()) + 1 if rank.size else 1):
        name = f"{symbol}{_MARK}{layer}" if layer else symbol
        part = upsert.upsert(c, name, interval, _picked(samples, rank == layer), now_ns=now_ns, unit=unit)
        last = max((t for t in (done.last_ns, part.last_ns) if t is not None), default=None)
        changed = min((t for t in (done.changed_ns, part.changed_ns) if t is not None), default=None)
        before = done.before_ns if layer else part.before_ns  # every time lies in the lowest layer, too
        done = Upsert(
            done.inserted + part.inserted, done.updated + part.updated, done.unchanged + part.unchanged, last, changed, before
        )  # fmt: skip
    return done


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
    """reading.read(), for ticks in order of (time, sequence); the column `sequence`, being part of the key, then comes with every read."""
    stack = layers(c, info)
    if SEQUENCE not in info.columns or info.interval != TICK:
        return reading.read(c, info, start_ns=start_ns, end_ns=end_ns, columns=columns, limit=limit, as_of_ns=as_of_ns)
    wanted = list(reading.chosen_columns(info, columns))
    wanted += [SEQUENCE] if SEQUENCE not in wanted else []
    parts = []
    for layer in stack:
        here = [name for name in wanted if name in layer.columns]
        parts.append(reading.read(c, layer, start_ns=start_ns, end_ns=end_ns, columns=here, limit=limit, as_of_ns=as_of_ns))
    return _merged(parts, wanted, limit)


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
    """reading.stream(); ticks of several layers are merged table by table, under a limit or as of a moment in one.

    Exhaust or close it inside the read transaction it began in.
    """
    within = {"start_ns": start_ns, "end_ns": end_ns}
    if info.interval != TICK or SEQUENCE not in info.columns:
        yield from reading.stream(c, info, **within, columns=columns, limit=limit, as_of_ns=as_of_ns, chunk_rows=chunk_rows)
    elif limit is not None or as_of_ns is not None:
        yield read(c, info, **within, columns=columns, limit=limit, as_of_ns=as_of_ns)
    else:
        for part in reading.stream(c, info, **within, columns=columns, chunk_rows=chunk_rows):
            yield read(c, info, start_ns=int(part.t[0]), end_ns=int(part.t[-1]), columns=columns)  # no time is in a layer alone


def delete(c: Connection, info: SeriesInfo) -> None:
    """listing.delete() of all layers. Raises UnknownSeries."""
    for layer in reversed(layers(c, info)):
        listing.delete(c, layer)


def _ranks(c: Connection, info: SeriesInfo | None, samples: Samples) -> Times:
    """The layer (n,) of each row: the one that holds its (time, sequence) already, else the next free one of its nanosecond."""
    t, given = samples.t, _sequence(samples)
    rank, depth = np.full(t.size, -1, np.int64), np.zeros(t.size, np.int64)
    if info is not None and info.last_ns is not None and t.size and t[0] <= info.last_ns:
        for number, layer in enumerate(layers(c, info)):
            held = reading.read(c, layer, start_ns=int(t[0]), end_ns=int(t[-1]), columns=[SEQUENCE] if SEQUENCE in layer.columns else [])
            if not held.n:
                continue
            at = np.minimum(np.searchsorted(held.t, t), held.n - 1)
            met = held.t[at] == t
            depth += met
            rank[met & (_sequence(held)[at] == given)] = number
    new = np.flatnonzero(rank < 0)
    if new.size:
        first = np.concatenate([[True], np.diff(t[new]) != 0])
        begins = np.maximum.accumulate(np.where(first, np.arange(new.size), 0))
        rank[new] = depth[new] + np.arange(new.size) - begins
    return rank


def _sequence(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The sequence (n,) of each row; 0 where none was given."""
    return np.nan_to_num(samples.columns.get(SEQUENCE, np.zeros(samples.n)))


def _picked(samples: Samples, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Samples:
    known = None if samples.known_at is None else samples.known_at[which]
    return Samples(samples.t[which], {name: values[which] for name, values in samples.columns.items()}, known)


def _merged(parts: list[Samples], columns: list[str], limit: int | None) -> Samples:
    """The parts in order of (time, sequence), the first `limit` rows."""
    t = np.concatenate([part.t for part in parts])
    empty = [np.full(part.n, np.nan) for part in parts]
    values = {name: np.concatenate([part.columns.get(name, none) for part, none in zip(parts, empty, strict=True)]) for name in columns}
    order = np.lexsort((np.nan_to_num(values[SEQUENCE]), t))[:limit]
    known = None
    if any(part.known_at is not None for part in parts):
        known = np.concatenate([part.t if part.known_at is None else part.known_at for part in parts])[order]  # a tick is known at its time
    return Samples(t[order], {name: column[order] for name, column in values.items()}, known)
