"""Feature rows of a series: its closed bars taken in from where a view stands, the same bits however they are cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.core.errors import UnknownColumn
from rpsd.core.feature import View
from rpsd.core.market import INTERVALS, Samples, SeriesInfo, Times, Vector
from rpsd.core.result import Matrix
from rpsd.services.following import slices
from rpsd.services.price import column_of
from rpsd.store import view_standing
from rpsd.store.blocks import BLOCK_ROWS
from rpsd.store.db import Connection
from rpsd.store.view_standing import ViewStanding

if TYPE_CHECKING:
    from rpsd.feature.graph import Graph
    from rpsd.feature.run import Memory

CHECKPOINT: Final = BLOCK_ROWS
"""Bars between two checkpoints, from which a late row is replayed; years of daily bars have none and are computed anew at once."""
_NEVER: Final = -(2**63)


def group_of(view: str) -> str:
    """The derived group that keeps the rows of a view."""
    return f"view:{view}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Feature rows in order: times t (n,) in ns UTC, when the last input of each was known (n,), features (n, F)."""

    t: Times
    known: Times
    features: Matrix


@dataclass(frozen=True, slots=True)
class Head:
    """Where the numerics stand: the standing without its packed memory, and that memory of the graph ready for use."""

    standing: ViewStanding
    graph: "Graph"
    memory: "Memory"

    def packed(self, slot: int = 0) -> ViewStanding:
        """The standing as it is stored, in that slot."""
        return replace(self.standing, slot=slot, memory=self.memory.pack(self.graph))


def lacking(info: SeriesInfo, inputs: Sequence[str]) -> list[str]:
    """Those of the inputs that the series has no column for; close stands for its price column."""
    held = set(info.columns)
    try:
        column_of(info)
        held.add("close")
    except UnknownColumn:
        held.discard("close")
    return [name for name in inputs if name not in held]


def stored_names(info: SeriesInfo, inputs: Sequence[str]) -> dict[str, str]:
    """The stored column of each input, none of which the series lacks."""
    return {name: column_of(info) if name == "close" else name for name in inputs}


def inputs_of(samples: Samples, names: dict[str, str]) -> dict[str, Vector]:
    """The inputs (n,) by name; a column that the rows lack is missing throughout."""
    held = samples.columns
    return {name: held[stored] if stored in held else np.full(samples.n, np.nan) for name, stored in names.items()}


def known_of(samples: Samples, interval_ns: int) -> Times:
    """When each row (n,) was known in ns UTC: at the close of its bar, or when its sender says if that is later."""
    close: Times = samples.t + interval_ns
    return close if samples.known_at is None else np.maximum(samples.known_at, close)


def standing_at(c: Connection, info: SeriesInfo, view: View, graph: "Graph", standing: ViewStanding) -> tuple[Head, int | None]:
    """From where to go on, and since when stored rows count for nothing (None: all hold). Raises UnknownColumn.

    A late row sends it back to the last checkpoint before that row; a standing of another version or price column, or one that is damaged,
    to the beginning.
    """
    from rpsd.feature.run import Memory  # numerics wait for the warm-up

    dirty_ns, price = standing.dirty_ns, column_of(info)
    at: ViewStanding | None = standing
    since_ns = None
    if (standing.version, standing.graph, standing.price) != (view.version, graph.hash, price):
        at, since_ns = None, _NEVER
    elif standing.head_ns is not None and dirty_ns is not None and dirty_ns <= standing.head_ns:
        at, since_ns = view_standing.before(c, info, standing, dirty_ns), dirty_ns
    memory = None if at is None or at.memory is None else Memory.unpack(graph, at.memory)
    if memory is None or at is None:
        begun = standing.head_ns is not None or since_ns is not None or standing.memory is not None
        fresh = ViewStanding(view.name, 0, view.version, graph.hash, price, standing.late)
        return Head(fresh, graph, Memory.fresh(graph)), _NEVER if begun else None
    kept = replace(at, slot=0, late=standing.late, dirty_ns=None, memory=None)
    if since_ns is not None:
        since_ns = _NEVER if at.head_ns is None else at.head_ns + 1
    return Head(kept, graph, memory), since_ns


def advanced(c: Connection, info: SeriesInfo, head: Head, now_ns: int, most: int = 2**62) -> Iterator[tuple[Piece, Head]]:
    """The rows of up to `most` closed bars behind the head, in order, each piece with where the view stands after it.

    No piece crosses a multiple of CHECKPOINT rows. A bar counts once it has closed and is known; one that says it will be known later holds
    back those behind it. Causal: a row rests on bars up to its own alone. O(n).
    """
    from rpsd.feature import run  # numerics wait for the warm-up

    graph = head.graph
    names, interval_ns = stored_names(info, graph.inputs), INTERVALS[info.interval]
    columns = list(dict.fromkeys(names.values()))
    for slab in slices(c, info, columns, head.standing.head_ns, most):
        known = known_of(slab, interval_ns)
        waits = np.flatnonzero(known > now_ns)
        taken = int(waits[0]) if waits.size else slab.n
        inputs = inputs_of(slab, names)
        for start, stop in _cuts(head.standing.rows, taken):
            part = slice(start, stop)
            features, memory = run.advance(graph, head.memory, {name: cells[part] for name, cells in inputs.items()})
            piece = Piece(slab.t[part], _running(known[part], head.standing.known_ns), features)
            head = Head(_moved(head.standing, piece, known[part]), graph, memory)
            yield piece, head
        if taken < slab.n:
            return


def _cuts(before: int, n: int) -> Iterator[tuple[int, int]]:
    """Stretches of n rows after `before` rows, cut at the multiples of CHECKPOINT."""
    start = 0
    while start < n:
        stop = min(n, start + CHECKPOINT - (before + start) % CHECKPOINT)
        yield start, stop
        start = stop


def _running(known: Times, before_ns: int | None) -> Times:
    """The latest moment so far at each row (n,): before it not all inputs of the row were known."""
    first = known if before_ns is None else np.concatenate([np.maximum(known[:1], before_ns), known[1:]])
    latest: Times = np.maximum.accumulate(first)
    return latest


def _moved(standing: ViewStanding, piece: Piece, known: Times) -> ViewStanding:
    """The standing after the piece; its quality is told where rows are judged."""
    return replace(
        standing,
        head_ns=int(piece.t[-1]),
        rows=standing.rows + int(piece.t.size),
        known_ns=int(piece.known[-1]),
        ordered=standing.ordered and bool((known == piece.known).all()),
    )


def nothing(graph: "Graph") -> Piece:
    """No rows."""
    return Piece(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, len(graph.names))))


def joined(pieces: list[Piece], graph: "Graph") -> Piece:
    """The pieces one after another."""
    if len(pieces) == 1:
        return pieces[0]
    parts: list[Any] = [nothing(graph), *pieces]
    return Piece(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("t", "known", "features")))
