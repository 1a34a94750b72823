"""Point-in-time frames: feature rows over a range, each as it was known at its own moment, or all as of one moment."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from rpsd.config import Settings
from rpsd.core.errors import BadTime, BadView, DeadlineExceeded, Fault, FeatureGraphChanged
from rpsd.core.feature import View
from rpsd.core.market import INTERVALS, Samples, SeriesInfo, Times, Vector
from rpsd.services.feature.replay import Version, replayed
from rpsd.services.feature.rows import Piece, advanced, group_of, inputs_of, joined, known_of, nothing, standing_at, stored_names
from rpsd.services.feature.view import FeatureViews, entity, reference
from rpsd.store import derived, listing, revision, view_standing
from rpsd.store import series as rows
from rpsd.store import view as views
from rpsd.store.db import Connection, Database

if TYPE_CHECKING:
    from rpsd.feature.graph import Graph

_EVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows of a view for an entity; `next_ns` is the start of the rest when a limit cut it, else None."""

    view: View
    graph: "Graph"
    entity: str
    reading: str
    piece: Piece
    next_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """For each pair (n,) the last row that was known then: whether there is one, its event time and known time; features (n, F)."""

    view: View
    graph: "Graph"
    there: npt.NDArray[np.bool_]
    event: Times
    known: Times
    features: npt.NDArray[np.float64]


class FeatureFrames:
    """Reads frames. Without revisions and late rows the materialised rows are what was known; else the past is played again."""

    def __init__(self, settings: Settings, database: Database, feature_views: FeatureViews, clock: Callable[[], int]) -> None:
        self._deadline = settings.server.request_timeout
        self._database, self._views, self._clock = database, feature_views, clock

    def read(
        self,
        view: str,
        of: str,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        as_of_ns: int | None = None,
        expect: str | None = None,
        last: int | None = None,
    ) -> Frame:
        """The first `limit` rows (or the `last` ones) from start_ns to end_ns, both inclusive, of closed bars.

        As known: each row as it was computed when its bar became known; what was revised or came in later does not show in it, and a bar
        that came late has its row from then on. With as_of_ns: what was known at that moment, with its values of then. `known` tells when
        the last input of each row was known. Raises UnknownView, UnknownSeries, BadSymbol, BadView, FeatureGraphChanged, BadTime (as_of in
        the future), DeadlineExceeded.
        """
        self._views.begin()
        (name, version), (symbol, interval) = reference(view), entity(of)
        now_ns = self._clock()
        _refuse_future(as_of_ns, now_ns)
        span = (-_EVER if start_ns is None else start_ns, _EVER if end_ns is None else end_ns)

        def run(c: Connection) -> Frame:
            info = rows.require(c, symbol, interval)
            found, graph = self._views.fitting(c, name, info, version)
            _check(found, graph, expect)
            if as_of_ns is not None:
                piece = _within(_as_of(c, info, graph, span[1], as_of_ns), span)
            else:
                most = None if limit is None else limit + 1
                piece = self._as_known(c, info, (found, graph), span, now_ns, most)
            following = None
            if last is not None:
                piece = _cut(piece, max(0, piece.t.size - last), piece.t.size)
            elif limit is not None and piece.t.size > limit:
                following = int(piece.t[limit])
                piece = _cut(piece, 0, limit)
            return Frame(found, graph, f"{symbol}:{interval}", "as_known" if as_of_ns is None else "as_of", piece, following)

        return self._database.read(run, deadline_seconds=self._deadline)

    def join(self, view: str, pairs: Sequence[tuple[str, int]], *, as_of_ns: int | None = None, expect: str | None = None) -> Join:
        """For each pair of entity and moment the last row that was known then, point in time. Raises as read().

        One version serves all: the newest whose columns every entity has.
        """
        self._views.begin()
        (name, version), now_ns = reference(view), self._clock()
        _refuse_future(as_of_ns, now_ns, "/as_of")
        keys = [entity(of, f"/pairs/{place}/0") for place, (of, _) in enumerate(pairs)]
        moments = np.array([t for _, t in pairs], np.int64)

        def run(c: Connection) -> Join:
            infos = {key: rows.require(c, *key) for key in dict.fromkeys(keys)}
            found, graph = self._common(c, name, version, list(infos.values()))
            _check(found, graph, expect)
            n = len(keys)
            join = Join(found, graph, np.zeros(n, np.bool_), moments * 0, moments * 0, np.full((n, len(graph.names)), np.nan))
            for key, info in infos.items():
                at = np.array([place for place, one in enumerate(keys) if one == key])
                span = (-_EVER, int(moments[at].max()))
                if as_of_ns is not None:
                    piece = _as_of(c, info, graph, span[1], as_of_ns)
                else:
                    piece = self._as_known(c, info, (found, graph), span, now_ns, None)
                _fill(join, piece, at, moments[at])
            return join

        return self._database.read(run, deadline_seconds=self._deadline)

    def _common(self, c: Connection, name: str, version: int | None, infos: list[SeriesInfo]) -> "tuple[View, Graph]":
        """The newest version that fits all. Raises UnknownView, BadView naming what the first series lacks."""
        refusal: BadView | None = None
        for view in views.require(c, name, version):
            try:
                found = [self._views.fitting(c, name, info, view.version) for info in infos]
            except BadView as error:
                refusal = error
                continue
            return found[0] if found else (view, self._views.graph(c, view))
        assert refusal is not None  # require() has found at least one
        raise refusal

    def _as_known(
        self, c: Connection, info: SeriesInfo, what: "tuple[View, Graph]", span: tuple[int, int], now_ns: int, most: int | None
    ) -> Piece:
        """Each row as it was known at its own moment: from what is stored when nothing came late, else from the versions of all rows."""
        superseded = revision.every(c, listing.group_of(info), len(info.columns), span[1])
        if superseded is None and (stored := _materialised(c, info, what, span, now_ns, most)) is not None:
            return stored
        return _within(_replayed(c, info, what[1], span[1], now_ns, time.monotonic() + self._deadline), span)


def _materialised(
    c: Connection, info: SeriesInfo, what: "tuple[View, Graph]", span: tuple[int, int], now_ns: int, most: int | None
) -> Piece | None:
    """The stored rows of the span with those of the bars since; None when they are not what was known, or not kept."""
    view, graph = what
    standing = view_standing.find(c, info, view.name)
    if standing is None or standing.head_ns is None or not standing.ordered:
        return None
    head, since_ns = standing_at(c, info, view, graph, standing)
    group = derived.find_group(c, info, group_of(view.name))
    if since_ns is not None or group is None or group.columns != graph.names:
        return None
    interval_ns = INTERVALS[info.interval]
    stored = derived.read_group(c, info, group.name, span[0], span[1], most)[1]
    pieces = [_of_group(stored, interval_ns)] if stored.n else []
    if span[1] > standing.head_ns and (most is None or stored.n < most):
        for piece, after in advanced(c, info, head, now_ns):
            if not after.standing.ordered:
                return None
            pieces.append(_within(piece, span))
            if piece.t[-1] > span[1]:
                break
    return joined(pieces, graph)


def _of_group(stored: Samples, interval_ns: int) -> Piece:
    return Piece(stored.t, known_of(stored, interval_ns), np.stack(list(stored.columns.values()), axis=1))


def _as_of(c: Connection, info: SeriesInfo, graph: "Graph", end_ns: int, as_of_ns: int) -> Piece:
    """All rows up to end_ns with what was known at as_of_ns."""
    from rpsd.feature import run  # numerics wait for the warm-up

    names = stored_names(info, graph.inputs)
    columns = list(dict.fromkeys(names.values()))
    samples = rows.read(c, info, end_ns=end_ns, columns=columns, as_of_ns=as_of_ns).closing()
    known = known_of(samples, INTERVALS[info.interval])
    there = known <= as_of_ns
    inputs = {name: cells[there] for name, cells in inputs_of(samples, names).items()}
    if not there.any():
        return nothing(graph)
    return Piece(samples.t[there], np.maximum.accumulate(known[there]), run.compute(graph, inputs))


def _replayed(c: Connection, info: SeriesInfo, graph: "Graph", end_ns: int, now_ns: int, until: float) -> Piece:
    """Each row up to end_ns as it was when it became known. Raises DeadlineExceeded."""
    names, interval_ns = stored_names(info, graph.inputs), INTERVALS[info.interval]
    columns = list(dict.fromkeys(names.values()))
    samples = rows.read(c, info, end_ns=end_ns, columns=columns).closing()
    parts = [Version(samples.t, known_of(samples, interval_ns), known_of(samples, interval_ns), inputs_of(samples, names))]
    if (old := revision.every(c, listing.group_of(info), len(info.columns), end_ns)) is not None:
        said = old.known_ns(interval_ns)
        cells: Mapping[str, Vector] = {name: old.values[info.columns.index(stored)] for name, stored in names.items()}
        parts.insert(0, Version(old.t, np.maximum(said, old.t + interval_ns), said, cells))

    def check() -> None:
        if time.monotonic() > until:
            raise DeadlineExceeded("the past of this series has been changed too often to be played again in time")

    return replayed(graph, parts, now_ns, check)


def _fill(join: Join, piece: Piece, at: npt.NDArray[np.int64], moments: Times) -> None:
    """Put into the places `at` the row of the greatest event time among those known at each moment."""
    if not piece.t.size:
        return
    order = np.argsort(piece.known, kind="stable")
    newest = np.maximum.accumulate(order)  # rows are in order of event time
    place = np.searchsorted(piece.known[order], moments, "right") - 1
    at, row = at[place >= 0], newest[place[place >= 0]]
    join.there[at], join.event[at], join.known[at], join.features[at] = True, piece.t[row], piece.known[row], piece.features[row]


def _within(piece: Piece, span: tuple[int, int]) -> Piece:
    start, stop = np.searchsorted(piece.t, span[0], "left"), np.searchsorted(piece.t, span[1], "right")
    return _cut(piece, int(start), int(max(start, stop)))


def _cut(piece: Piece, start: int, stop: int) -> Piece:
    return Piece(piece.t[start:stop], piece.known[start:stop], piece.features[start:stop])


def _check(view: View, graph: "Graph", expect: str | None) -> None:
    """Raise FeatureGraphChanged unless the graph is the expected one."""
    if expect is not None and expect != graph.hash:
        raise other_graph(f"{view.name}@{view.version}", graph.hash, expect)


def other_graph(view: str, have: str, expect: str) -> FeatureGraphChanged:
    """The refusal of a caller that counts on other features."""
    return FeatureGraphChanged(f"the graph of {view} is {have[:12]}…, not {expect[:12]}…")


def _refuse_future(as_of_ns: int | None, now_ns: int, pointer: str = "/query/as_of") -> None:
    if as_of_ns is not None and as_of_ns > now_ns:
        reason = "as_of lies in the future: nothing is known of then"
        raise BadTime(reason, errors=[Fault(pointer, reason)])
