"""Feature views in the user's words: the catalogue, the views that were made of it, and which of them fits a series."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.errors import BadView, Fault, FeatureGraphChanged, UnknownFeature, UnknownView
from rpsd.core.feature import CORE_TECHNICAL, View
from rpsd.core.market import SeriesInfo
from rpsd.services.feature.rows import lacking
from rpsd.store import audit, view_standing
from rpsd.store import view as views
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import Once, run_once

if TYPE_CHECKING:
    from rpsd.feature.graph import Graph

MOST_VIEWS: Final = 200
"""Names of views."""
MOST_VERSIONS: Final = 100
"""Versions of one view."""
BY: Final = "rpsd"
"""Who registers the views that every appliance has."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")

_BESIDE: Final = frozenset({"t", "entity", "event_time", "known_at"})


def entity(text: str, pointer: str = "/query/entity") -> tuple[str, str]:
    """Symbol and interval of SYMBOL:INTERVAL; SYMBOL alone means daily bars. Raises BadSymbol, which points at the place.

    >>> entity("brk.b"), entity("AAPL:1m")
    (('BRK.B', '1d'), ('AAPL', '1m'))
    """
    symbol, colon, interval = text.partition(":")
    return market.symbol(symbol, pointer.removeprefix("/")), market.interval(interval if colon else "1d")


def reference(text: str) -> tuple[str, int | None]:
    """Name and version of NAME or NAME@VERSION. Raises UnknownView for anything else.

    >>> reference("core_technical@2")
    ('core_technical', 2)
    """
    name, mark, version = text.partition("@")
    if mark and not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise UnknownView(f"there is no feature view {text[:80]!r}", hint="Name a view, or a version of it: core_technical@2.")
    return name, int(version) if mark else None


class FeatureViews:
    """The registry of views. Graphs are resolved once for each version and kept while the process lives."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], int]) -> None:
        self._settings, self._database, self._clock = settings, database, clock
        self._graphs: dict[tuple[str, int], Graph] = {}
        self._present, self._lock = False, threading.Lock()

    def begin(self) -> None:
        """Register core_technical, and a further version of every view whose formulas another release has changed. Safe to repeat."""
        with self._lock:
            if self._present:
                return
            self._database.write(self._register_own).result()
            self._present = True

    def _register_own(self, c: Connection) -> None:
        from rpsd.feature import CORE_VIEWS  # numerics wait for the warm-up

        now_ns = self._clock()
        held = {view.version for view in views.versions(c, CORE_TECHNICAL)}
        for version, definition in CORE_VIEWS.items():
            if version not in held:
                self._add(c, CORE_TECHNICAL, self._resolved(c, CORE_TECHNICAL, definition), BY, now_ns)
        newest: dict[str, View] = {}
        for view in views.every(c):
            newest.setdefault(view.name, view)
        for view in newest.values():
            try:
                graph = self._resolved(c, view.name, view.definition)
            except BadView:
                continue  # it rests on a feature that this release no longer has; asking for it says so
            if graph.hash != view.graph:
                self._add(c, view.name, graph, BY, now_ns)

    def _add(self, c: Connection, name: str, graph: "Graph", by: str, now_ns: int) -> View:
        """A further version of the view."""
        held = views.versions(c, name)
        number = held[0].version + 1 if held else 1
        view = View(name, number, graph.definition, graph.hash, graph.names, graph.inputs, graph.lookback, now_ns, str(by))
        views.add(c, view)
        audit.append(c, by, "feature_view.create", name, {"version": number, "graph": graph.hash}, now_ns)
        return view

    def _resolved(self, c: Connection, name: str, definition: Mapping[str, Any]) -> "Graph":
        from rpsd.feature import graph  # numerics wait for the warm-up

        known = {f"{view.name}@{view.version}": view.definition for view in views.every(c)}
        return graph.resolve(name, definition, known)

    def register(self, name: str, definition: Mapping[str, Any], by: str, once: Once | None = None) -> dict[str, Any]:
        """A view of this definition: the newest version when it has the same, else a further one; durable when this returns.

        A view within it that is named without its version is taken at its newest, and written down so: what comes later changes nothing.
        Raises UnknownFeature, BadView (a bad name, a cycle, too many views, a name of rpsd's own), IdempotencyConflict.
        """
        self.begin()
        if not _NAME.fullmatch(name):
            raise _bad("/name", f"{name[:60]!r} is not a name: a letter, then up to 47 letters, digits and _, all in lower case")
        now_ns = self._clock()

        def add(c: Connection) -> dict[str, Any]:
            held, graph = views.versions(c, name), self._resolved(c, name, definition)
            if held and held[0].definition == graph.definition and held[0].graph == graph.hash:
                return described(held[0])
            if name == CORE_TECHNICAL:
                raise _bad("/name", f"{CORE_TECHNICAL} is rpsd's own; give the view another name")
            if taken := [one for one in graph.names if one in _BESIDE]:
                raise _bad("/features", f"{taken[0]} cannot name a feature: frames say something else by it")
            if len(held) >= MOST_VERSIONS or (not held and views.count(c) >= MOST_VIEWS):
                raise _bad("/name", f"there are {MOST_VIEWS} views, or {MOST_VERSIONS} versions of this one, already")
            return described(self._add(c, name, graph, by, now_ns))

        return self._database.write(lambda c: run_once(c, once, now_ns, lambda: add(c))[0]).result()

    def features(self, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` members of the catalogue in its order, and the cursor of the next page or None. Raises UnknownFeature."""
        from rpsd.feature.naming import listed  # numerics wait for the warm-up

        found = listed()
        names = [one["name"] for one in found]
        if after is not None and after not in names:
            raise UnknownFeature(
                "the cursor is not one of this list", errors=[Fault("/query/after", "expected the `next` of an earlier page")]
            )
        start = 0 if after is None else names.index(after) + 1
        return found[start : start + limit], names[start + limit - 1] if start + limit < len(found) else None

    def page(self, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """The newest version of up to `limit` views by name, and the cursor of the next page or None."""
        self.begin()
        found = self._database.read(lambda c: views.page(c, after, limit + 1))
        return [described(view) for view in found[:limit]], found[limit - 1].name if len(found) > limit else None

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Every version of the view, the newest first. Raises UnknownView."""
        self.begin()
        return [described(view) for view in self._database.read(lambda c: views.require(c, name))]

    def entities(self, name: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """How far the view is for up to `limit` series, by symbol and interval, and the next page's cursor. Raises UnknownView."""
        self.begin()
        cursor = None if after is None else entity(after, "/query/after")

        def read(c: Connection) -> list[view_standing.Materialised]:
            views.require(c, name)
            return view_standing.page(c, name, cursor, limit + 1)

        found = self._database.read(read)
        last = found[limit - 1] if len(found) > limit else None
        return [_told(one) for one in found[:limit]], f"{last.symbol}:{last.interval}" if last else None

    def counts(self) -> dict[str, int]:
        """How many features the catalogue has and how many views there are; 0 features before the warm-up."""
        self.begin()
        from rpsd.feature.naming import listed  # numerics wait for the warm-up

        return {"features": len(listed()), "views": self._database.read(views.count)}

    def graph(self, c: Connection, view: View) -> "Graph":
        """What the version computes. Raises FeatureGraphChanged when this release would compute something else, BadView."""
        held = self._graphs.get((view.name, view.version))
        if held is None or held.hash != view.graph:
            held = self._resolved(c, view.name, view.definition)
            if held.hash != view.graph:
                raise FeatureGraphChanged(
                    f"{view.name}@{view.version} was registered with features that this release computes otherwise",
                    hint="Use the newest version of the view, which has its present features.",
                )
            self._graphs[view.name, view.version] = held
        return held

    def fitting(
        self, c: Connection, name: str, info: SeriesInfo, version: int | None = None, held: Sequence[View] = ()
    ) -> "tuple[View, Graph]":
        """That version of the view, or without one the newest whose columns the series has.

        `held` spares reading the versions for one series after the other. Raises UnknownView; BadView naming features and columns when none
        fits; FeatureGraphChanged.
        """
        found = held or views.require(c, name, version)
        for view in found:
            if not lacking(info, view.inputs):
                return view, self.graph(c, view)
        raise self._refusal(c, found[-1], info)  # the oldest asks for least

    def _refusal(self, c: Connection, view: View, info: SeriesInfo) -> BadView:
        """Why the version cannot be computed for the series: each feature with the column that it lacks."""
        from rpsd.feature.run import missing  # numerics wait for the warm-up

        error = missing(self.graph(c, view), lacking(info, view.inputs))
        return BadView(f"{info.symbol}:{info.interval}: {error.detail}", errors=error.errors)


def described(view: View) -> dict[str, Any]:
    """A view as JSON."""
    return {
        "name": view.name,
        "version": view.version,
        "definition": dict(view.definition),
        "features": list(view.features),
        "inputs": list(view.inputs),
        "lookback": view.lookback,
        "graph": view.graph,
        "created": instant.text(view.created_ns),
        "created_by": view.created_by,
    }


def _told(one: view_standing.Materialised) -> dict[str, Any]:
    return {
        "entity": f"{one.symbol}:{one.interval}",
        "version": one.version,
        "rows": one.rows,
        "until": None if one.head_ns is None else instant.text(one.head_ns),
        "known": None if one.known_ns is None else instant.text(one.known_ns),
        "quality": one.quality,
        "waits": one.dirty_ns is not None,
    }


def _bad(pointer: str, reason: str) -> BadView:
    return BadView(reason, errors=[Fault(pointer, reason)])
