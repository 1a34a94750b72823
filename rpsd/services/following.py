"""A live column moved on by its series' samples, inside the writer's transaction: state, checkpoints, rows, and the way back."""

import json
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.core.market import INTERVALS, SEQUENCE, Samples, SeriesInfo, Times, Vector
from rpsd.store import derived, live
from rpsd.store import series as rows
from rpsd.store.blocks import BLOCK_ROWS, Rows, compact_known, joined
from rpsd.store.db import Connection
from rpsd.store.live import Checkpoint, LiveColumn
from rpsd.store.ticks import MOST_LAYERS

if TYPE_CHECKING:
    from rpsd.denoise.live import Advanced, Plan, State

SLICE: Final = BLOCK_ROWS
"""Samples between two checkpoints, and of one step of the history."""
_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples of one column: times t (n,) strictly increasing, values (n,) with NaN where missing, and when each was known (n,)."""

    t: Times
    values: Vector
    known: Times


class Follower:
    """Moves columns on. It remembers where each stands; what it remembers is used only while the store agrees on the version.

    The state of the head is not stored: it is the last checkpoint with at most 4095 samples taken in, which gives the same bits.
    """

    def __init__(self) -> None:
        self._standing: OrderedDict[int, tuple[int, State]] = OrderedDict()
        self._plans: dict[str, Plan] = {}

    def take(
        self, c: Connection, info: SeriesInfo, column: LiveColumn, given: Stretch | None, now_ns: int, most: int
    ) -> tuple[LiveColumn, Rows]:
        """Take in up to `most` samples after the head: `given`, or what is stored; the column as it stands afterwards, and its new rows.

        Raises CorruptData. O(n), after a start O(n + 4096).
        """
        made, state = self._plan(column), self._state(c, info, column)
        stretches = iter([given]) if given is not None else stored(c, info, column.group.meta["column"], column.head_ns, most)
        parts: list[Rows] = []
        for stretch in stretches:
            column, state, fresh = self._step(c, info, column, (made, state), stretch, now_ns)
            parts.append(fresh)
        return column, joined(parts, len(column.group.columns))

    def go_back(self, c: Connection, info: SeriesInfo, column: LiveColumn, changed_ns: int, now_ns: int) -> LiveColumn:
        """The column at its last checkpoint before changed_ns, without the rows and the checkpoints that came after it."""

        held, state = self._checkpoint(c, column, changed_ns)
        since = -(2**63) if held is None else held.t + 1
        derived.truncate(c, info, column.group, int(state.waiting_t[0]) if state.waiting_t.size else since, now_ns)
        live.drop_checkpoints(c, column, changed_ns)
        back = 0 if held is None else held.samples
        live.note_replay(c, column, column.samples - back, now_ns)
        return self._settle(c, replace(column, head_ns=None if held is None else held.t, samples=back), state)

    def _step(
        self, c: Connection, info: SeriesInfo, column: LiveColumn, at: "tuple[Plan, State]", stretch: Stretch, now_ns: int
    ) -> "tuple[LiveColumn, State, Rows]":
        """The column after the stretch, its new rows and checkpoints written; and these rows."""
        from rpsd.denoise import live as numerics  # numerics wait for the warm-up

        made, state = at
        done, parts = 0, []
        while done < stretch.t.size:
            stop = min(done + SLICE - column.samples % SLICE, stretch.t.size)
            piece = slice(done, stop)
            advanced, state = numerics.advance(made, state, stretch.t[piece], stretch.values[piece], stretch.known[piece])
            parts.append(advanced)
            column = replace(column, head_ns=int(stretch.t[stop - 1]), samples=column.samples + stop - done)
            if column.samples % SLICE == 0:
                live.keep(c, column, Checkpoint(int(stretch.t[stop - 1]), column.samples, numerics.pack(state)))
            done = stop
        fresh = _rows(parts, len(column.group.columns), INTERVALS[info.interval])
        if fresh.n:
            derived.append_rows(c, info, column.group, fresh, now_ns)
        return self._settle(c, column, state), state, fresh

    def _settle(self, c: Connection, column: LiveColumn, state: "State") -> LiveColumn:
        column = replace(column, version=secrets.randbits(62))
        live.advance(c, column, column.head_ns, column.samples, column.version)
        self._standing[column.group.id] = (column.version, state)
        self._standing.move_to_end(column.group.id)
        while len(self._standing) > _REMEMBERED:
            self._standing.popitem(last=False)
        return column

    def _state(self, c: Connection, info: SeriesInfo, column: LiveColumn) -> "State":
        """Where the column stands, from memory or from its last checkpoint on."""
        from rpsd.denoise import live as numerics  # numerics wait for the warm-up

        version, state = self._standing.get(column.group.id, (None, None))
        if state is not None and version == column.version:
            return state
        made = self._plan(column)
        if column.head_ns is None:
            return numerics.beginning(made)
        held, state = self._checkpoint(c, column, column.head_ns + 1)
        since = None if held is None else held.t
        left = column.samples - (0 if held is None else held.samples)
        for stretch in stored(c, info, column.group.meta["column"], since, left):
            _, state = numerics.advance(made, state, stretch.t, stretch.values, stretch.known)
        return state

    def _checkpoint(self, c: Connection, column: LiveColumn, t_ns: int) -> "tuple[Checkpoint | None, State]":
        """The last checkpoint before t_ns and its state; none, and the beginning, when an older release kept another state."""
        from rpsd.denoise import live as numerics  # numerics wait for the warm-up

        made, held = self._plan(column), live.before(c, column, t_ns)
        if held is not None and numerics.fits(made, state := numerics.unpack(held.state)):
            return held, state
        return None, numerics.beginning(made)

    def _plan(self, column: LiveColumn) -> "Plan":
        from rpsd.denoise import live as numerics  # numerics wait for the warm-up

        meta = column.group.meta
        key = json.dumps([meta["method"], meta["params"], meta["scale"]])
        if key not in self._plans:
            self._plans[key] = numerics.plan(meta["method"], meta["params"], scale=meta["scale"])
        return self._plans[key]


def stored(c: Connection, info: SeriesInfo, column: str, after_ns: int | None, most: int) -> Iterator[Stretch]:
    """The first `most` samples after after_ns, a slice at a time; of ticks of one time the last."""
    for found in slices(c, info, [column], after_ns, most):
        yield stretch_of(found, column, INTERVALS[info.interval], found.n)


def slices(c: Connection, info: SeriesInfo, columns: list[str], after_ns: int | None, most: int) -> Iterator[Samples]:
    """The first `most` rows of the columns after after_ns, a slice at a time; of ticks of one time the last."""
    at = after_ns
    while most > 0:
        spare = MOST_LAYERS if SEQUENCE in info.columns else 0
        asked = min(SLICE, most) + spare
        start_ns = None if at is None else at + 1
        found = rows.read(c, info, start_ns=start_ns, columns=columns, limit=asked)
        is_last = found.n < asked
        if spare:
            found = _whole_times(found, is_last=is_last)
        first = _first(found, min(SLICE, most))
        if not first.n:
            return
        yield first
        if is_last and first.n == found.n:
            return
        at, most = int(first.t[-1]), most - first.n


def _first(found: Samples, n: int) -> Samples:
    if found.n <= n:
        return found
    known = None if found.known_at is None else found.known_at[:n]
    return Samples(found.t[:n], {name: values[:n] for name, values in found.columns.items()}, known)


def _whole_times(found: Samples, *, is_last: bool) -> Samples:
    """One row for each time; without the last time when the limit may have torn it apart."""
    closing = found.closing()
    if is_last or closing.n < 2:
        return closing
    known = None if closing.known_at is None else closing.known_at[:-1]
    return Samples(closing.t[:-1], {name: values[:-1] for name, values in closing.columns.items()}, known)


def stretch_of(samples: Samples, column: str, interval_ns: int, most: int) -> Stretch:
    """The first `most` samples of the column; all missing when they lack it."""
    n = min(samples.n, most)
    values = samples.columns.get(column, np.full(samples.n, np.nan))[:n]
    known = samples.t + interval_ns if samples.known_at is None else samples.known_at
    return Stretch(samples.t[:n], values, known[:n])


def _rows(parts: "list[Advanced]", width: int, interval_ns: int) -> Rows:
    """What became available, as rows of a group of `width` columns: the value, and its deviation when there are two."""
    t, known = (np.concatenate([getattr(part, name) for part in parts] or [np.empty(0, np.int64)]) for name in ("t", "available_at"))
    cells: list[Any] = [np.concatenate([getattr(part, name) for part in parts] or [np.empty(0)]) for name in ("values", "deviation")]
    return Rows(t, np.stack(cells[:width]), compact_known(t, known, interval_ns))
