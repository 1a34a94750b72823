"""Feature views as they were registered: every version with its definition, none ever changed."""

import json
from typing import Any, Final

from rpsd.core.errors import UnknownView
from rpsd.core.feature import View
from rpsd.store import query
from rpsd.store.practices import Connection

_SELECT: Final = "SELECT name, version, definition, graph, features, inputs, lookback, created_ns, created_by FROM feature_view"


def add(c: Connection, view: View) -> None:
    """Store a version; the name and the number must be free."""
    c.execute(
        "INSERT INTO feature_view VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            view.name,
            view.version,
            json.dumps(dict(view.definition), allow_nan=False),
            view.graph,
            json.dumps(list(view.features)),
            json.dumps(list(view.inputs)),
            view.lookback,
            view.created_ns,
            view.created_by,
        ),
    )


def versions(c: Connection, name: str) -> list[View]:
    """All versions of the view, the newest first; none when there is no such view."""
    return [_view(row) for row in query.rows(c, f"{_SELECT} WHERE name = ? ORDER BY version DESC", (name,))]


def require(c: Connection, name: str, version: int | None = None) -> list[View]:
    """The version, or without one all of them, the newest first. Raises UnknownView."""
    found = [view for view in versions(c, name) if version in (None, view.version)]
    if not found:
        raise UnknownView(f"there is no feature view {name[:80]!r}" + ("" if version is None else f" of version {version}"))
    return found


def every(c: Connection) -> list[View]:
    """All versions of all views, by name, each name's newest first."""
    return [_view(row) for row in query.rows(c, f"{_SELECT} ORDER BY name, version DESC")]


def page(c: Connection, after: str | None, limit: int) -> list[View]:
    """The newest version of up to `limit` views after the given name, by name."""
    newest = "WHERE name > ? AND version = (SELECT max(v.version) FROM feature_view v WHERE v.name = feature_view.name)"
    return [_view(row) for row in query.rows(c, f"{_SELECT} {newest} ORDER BY name LIMIT ?", (after or "", limit))]


def count(c: Connection) -> int:
    """How many views there are."""
    return int(query.value(c, "SELECT count(DISTINCT name) FROM feature_view"))


def _view(row: tuple[Any, ...]) -> View:
    name, version, definition, graph, features, inputs, *rest = row
    return View(name, version, json.loads(definition), graph, tuple(json.loads(features)), tuple(json.loads(inputs)), *rest)
