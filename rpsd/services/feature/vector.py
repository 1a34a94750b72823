"""Online feature vectors: what a view says of the last closed bar, from memory, never older than the stored rows."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import TooShort, UnknownSeries
from rpsd.core.feature import View
from rpsd.core.market import INTERVALS, SECOND_NS, SeriesInfo
from rpsd.services.feature.frame import FeatureFrames, other_graph
from rpsd.services.feature.rows import Head, Piece, advanced, group_of, known_of, standing_at
from rpsd.services.feature.view import FeatureViews, entity, reference
from rpsd.services.price import column_of
from rpsd.store import derived, view_standing
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database
from rpsd.store.view_standing import Mark, ViewStanding

if TYPE_CHECKING:
    from rpsd.feature.graph import Graph

_REMEMBERED: Final = 4096
"""Vectors at hand; the one that was asked for longest ago goes first."""
_EVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Held:
    """A vector, and as long as what it holds: the number of commits, the mark of what it rests on, and when the next bar closes."""

    commits: int
    mark: Mark
    waits_ns: int
    graph: str
    known_ns: int
    facts: dict[str, Any]


class FeatureVectors:
    """Vectors by view and entity. One that is at hand is given again while nothing was written that it rests on."""

    def __init__(
        self, settings: Settings, database: Database, feature_views: FeatureViews, frames: FeatureFrames, clock: Callable[[], int]
    ) -> None:
        self._settings, self._database, self._clock = settings, database, clock
        self._views, self._frames = feature_views, frames
        self._held: OrderedDict[tuple[str, str, str], _Held] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, view: str, of: str, *, as_of_ns: int | None = None, expect: str | None = None) -> dict[str, Any]:
        """The vector of the entity, or the one that could be told at as_of_ns with the values of then.

        event_time is the label of the bar, known_time when the last input was known, freshness_seconds how long that is ago, quality the
        share of values that are neither missing nor out of range; the others are named in `faults`. `expect` is the graph hash that the
        caller counts on. Raises UnknownView, UnknownSeries, BadSymbol, BadView, FeatureGraphChanged, BadTime, TooShort.
        """
        self._views.begin()
        symbol, interval = entity(of)
        if as_of_ns is not None:
            return self._as_of(view, f"{symbol}:{interval}", as_of_ns, expect)
        now_ns, held = self._clock(), self._current((view, symbol, interval))
        if expect is not None and expect != held.graph:
            raise other_graph(view, held.graph, expect)
        quality, threshold = held.facts["quality"], self._settings.features.quality_threshold
        warnings = []
        if quality < threshold:
            warnings.append({"code": "feature_quality_low", "detail": f"the quality {quality:.3f} is below {threshold:g}; see faults"})
        return held.facts | {"freshness_seconds": (now_ns - held.known_ns) / SECOND_NS, "warnings": warnings}

    def _as_of(self, view: str, of: str, as_of_ns: int, expect: str | None) -> dict[str, Any]:
        frame = self._frames.read(view, of, as_of_ns=as_of_ns, expect=expect, last=1)
        if not frame.piece.t.size:
            raise TooShort(f"no bar of {of} was known then")
        known_ns = int(frame.piece.known[-1])
        facts = _facts(frame.view, frame.graph, of, frame.piece)
        return facts | {"as_of": instant.text(as_of_ns), "freshness_seconds": (as_of_ns - known_ns) / SECOND_NS, "warnings": []}

    def _current(self, key: tuple[str, str, str]) -> _Held:
        commits, now_ns, held = self._database.commits, self._clock(), self._held.get(key)
        if held is not None and held.commits == commits and now_ns < held.waits_ns:
            return held
        held = self._database.read(lambda c: self._renewed(c, key, held, commits, now_ns))
        with self._lock:
            self._held[key] = held
            self._held.move_to_end(key)
            while len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)
        return held

    def _renewed(self, c: Connection, key: tuple[str, str, str], held: _Held | None, commits: int, now_ns: int) -> _Held:
        """The vector as it stands now; the one at hand when nothing that it rests on has changed."""
        (name, version), symbol, interval = reference(key[0]), *key[1:]
        if (mark := view_standing.mark(c, symbol, interval, name)) is None:
            raise UnknownSeries(f"there is no series {symbol} {interval}")
        if held is not None and held.mark == mark and now_ns < held.waits_ns:
            return _Held(commits, mark, held.waits_ns, held.graph, held.known_ns, held.facts)
        info = rows.require(c, symbol, interval)
        view, graph = self._views.fitting(c, name, info, version)
        row, head_ns = last_row(c, info, view, graph, now_ns)
        facts = _facts(view, graph, f"{symbol}:{interval}", row)
        return _Held(commits, mark, _waits_ns(c, info, head_ns, now_ns), graph.hash, int(row.known[-1]), facts)


def last_row(c: Connection, info: SeriesInfo, view: View, graph: "Graph", now_ns: int) -> tuple[Piece, int]:
    """The feature row of the last closed bar and its time: what was materialised, and the bars since. Raises TooShort."""
    begun = ViewStanding(view.name, 0, view.version, graph.hash, column_of(info))
    head, _ = standing_at(c, info, view, graph, view_standing.find(c, info, view.name) or begun)
    if (row := _last_of(c, info, head, now_ns)) is not None:
        return row
    head_ns, known_ns = head.standing.head_ns, head.standing.known_ns
    group = derived.find_group(c, info, group_of(view.name))
    if head_ns is not None and known_ns is not None and group is not None and group.columns == graph.names:
        stored = derived.read_group(c, info, group.name, head_ns, head_ns)[1]
        if stored.n:
            return Piece(stored.t, np.array([known_ns]), np.stack(list(stored.columns.values()), axis=1)), head_ns
    anew = standing_at(c, info, view, graph, begun)[0]
    if (row := _last_of(c, info, anew, now_ns)) is None:
        raise TooShort(f"no bar of {info.symbol} {info.interval} has closed")
    return row


def _last_of(c: Connection, info: SeriesInfo, head: Head, now_ns: int) -> tuple[Piece, int] | None:
    """The last row behind the head and its time, None when no further bar has closed."""
    piece = None
    for piece, _ in advanced(c, info, head, now_ns):  # noqa: B007 - the last of them is wanted
        pass
    return None if piece is None else (Piece(piece.t[-1:], piece.known[-1:], piece.features[-1:]), int(piece.t[-1]))


def _waits_ns(c: Connection, info: SeriesInfo, head_ns: int, now_ns: int) -> int:
    """When the first bar behind the head is closed and known; never when none is stored."""
    if info.last_ns is None or info.last_ns <= head_ns:
        return _EVER
    following = rows.read(c, info, start_ns=head_ns + 1, columns=[column_of(info)], limit=1)
    return max(int(known_of(following, INTERVALS[info.interval])[0]), now_ns + 1)


def _facts(view: View, graph: "Graph", of: str, row: Piece) -> dict[str, Any]:
    """What a vector says, but for how fresh it is."""
    from rpsd.feature import quality  # numerics wait for the warm-up

    values = row.features[-1]
    score, faults = quality.judged(graph, values)
    return {
        "view": view.name,
        "version": view.version,
        "graph": graph.hash,
        "entity": of,
        "event_time": instant.text(int(row.t[-1])),
        "known_time": instant.text(int(row.known[-1])),
        "quality": score,
        "faults": faults,
        "features": {name: None if np.isnan(value) else float(value) for name, value in zip(graph.names, values, strict=True)},
    }
