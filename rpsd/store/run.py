"""Runs: a row each, with parameters that never change once set, and tags that may."""

import json
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import StateConflict, UnknownRun
from rpsd.core.experiment import Run, RunState
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = "seq, id, experiment, name, state, owner, parent, started_ns, finished_ns"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands, without what was logged: what a write needs to know of it."""

    seq: int
    id: str
    experiment: int
    name: str
    state: RunState
    owner: str
    parent: str | None
    started_ns: int
    finished_ns: int | None


def new_id() -> str:
    """The id of a run: 32 hex digits, as other trackers have them."""
    return secrets.token_hex(16)


def add(
    c: Connection,
    identifier: str,
    experiment: int,
    *,
    name: str,
    owner: str,
    started_ns: int,
    now_ns: int,
    parent: str | None = None,
    model: tuple[str, int | None] = ("", None),
) -> int:
    """A new run in state RUNNING; its number. `model` is the name and version that a fit of the product became."""
    c.execute(
        """INSERT INTO run (id, experiment, name, state, owner, parent, started_ns, heard_ns, points, bytes, model, version)
           VALUES (?, ?, ?, 'RUNNING', ?, ?, ?, ?, 0, 0, nullif(?, ''), ?)""",
        (identifier, experiment, name, owner, parent, started_ns, now_ns, *model),
    )
    return c.last_insert_rowid()


def find(c: Connection, identifier: str) -> Place:
    """The run of that id. Raises UnknownRun."""
    found = query.rows(c, f"SELECT {_FIELDS} FROM run WHERE id = ?", (identifier,))  # noqa: S608
    if not found:
        raise UnknownRun(f"there is no run {identifier[:40]!r}")
    return _place(found[0])


def _place(row: tuple[Any, ...]) -> Place:
    seq, identifier, experiment, name, state, *rest = row
    return Place(seq, identifier, experiment, name, RunState(state), *rest)


def whole(c: Connection, numbers: Sequence[int]) -> list[Run]:
    """The runs of these numbers, in their order, with parameters, last metrics and tags; those that are gone are left out."""
    wanted = json.dumps(list(numbers))
    places = {row[0]: _place(row) for row in query.rows(c, f"SELECT {_FIELDS} FROM run WHERE seq IN {_THESE}", (wanted,))}  # noqa: S608
    logged: list[dict[int, dict[str, Any]]] = []
    for table in ("run_param", "run_metric", "run_tag"):
        held: dict[int, dict[str, Any]] = {}
        for seq, name, value in query.rows(c, f"SELECT run, name, value FROM {table} WHERE run IN {_THESE} ORDER BY run, name", (wanted,)):  # noqa: S608
            held.setdefault(seq, {})[name] = value
        logged.append(held)
    return [_run(places[seq], *(held.get(seq, {}) for held in logged)) for seq in numbers if seq in places]


_THESE: Final = "(SELECT value FROM json_each(?))"


def _run(place: Place, params: Mapping[str, str], metrics: Mapping[str, float], tags: Mapping[str, str]) -> Run:
    times = place.started_ns, place.finished_ns
    return Run(place.id, place.experiment, place.name, place.state, place.owner, place.parent, *times, params, metrics, tags)


def search(c: Connection, where: str, order: str, values: Sequence[Any], limit: int, *, skip: int = 0) -> list[int]:
    """Numbers of up to `limit` runs, after the first `skip`, by a condition of services/experiment/run_search.py.

    Its words are its own and its values are bound; it may name `run` and `experiment`.
    """
    joined = "SELECT seq FROM run JOIN experiment ON experiment.id = run.experiment"
    return [row[0] for row in query.rows(c, f"{joined} WHERE {where} ORDER BY {order} LIMIT {int(limit)} OFFSET {int(skip)}", values)]


def children(c: Connection, identifier: str) -> int:
    """How many runs name this one as their parent."""
    return int(query.value(c, "SELECT count(*) FROM run WHERE parent = ?", (identifier,)))


def hear(c: Connection, seq: int, now_ns: int) -> None:
    """Note a sign of life of the run's writer."""
    c.execute("UPDATE run SET heard_ns = max(heard_ns, ?) WHERE seq = ?", (now_ns, seq))


def set_params(c: Connection, seq: int, params: Mapping[str, str]) -> None:
    """Set parameters for good. Raises StateConflict when one has another value already; then none is set."""
    before = dict(query.rows(c, "SELECT name, value FROM run_param WHERE run = ?", (seq,)))
    changed = [name for name, value in params.items() if before.get(name, value) != value]
    if changed:
        raise StateConflict(
            f"the parameter {changed[0]!r} is {before[changed[0]]!r} already", hint="Parameters never change: begin a new run."
        )
    rows = [(seq, name, value, number(value)) for name, value in params.items() if name not in before]
    c.executemany("INSERT INTO run_param (run, name, value, number) VALUES (?, ?, ?, ?)", rows)


def number(text: str) -> float | None:
    """The finite number that a parameter's text reads as, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def set_tags(c: Connection, seq: int, tags: Mapping[str, str]) -> None:
    """Set tags; those that are there take the new value."""
    sql = "INSERT INTO run_tag (run, name, value) VALUES (?, ?, ?) ON CONFLICT (run, name) DO UPDATE SET value = excluded.value"
    c.executemany(sql, [(seq, name, value) for name, value in tags.items()])


def names(c: Connection, table: str, seq: int) -> set[str]:
    """What the run holds in run_param, run_tag, run_metric or run_artifact, by name."""
    return {row[0] for row in query.rows(c, f"SELECT name FROM {table} WHERE run = ?", (seq,))}  # noqa: S608


def finish(c: Connection, seq: int, state: RunState, now_ns: int) -> None:
    """End a running run. Raises StateConflict when it has ended."""
    c.execute("UPDATE run SET state = ?, finished_ns = ?, heard_ns = ?2 WHERE seq = ? AND state = 'RUNNING'", (state.value, now_ns, seq))
    if not c.changes():
        raise StateConflict("the run has ended already")


def delete(c: Connection, seq: int) -> None:
    """Drop the run with all that was logged."""
    c.execute("DELETE FROM run WHERE seq = ?", (seq,))


def silent(c: Connection, before_ns: int, limit: int) -> list[int]:
    """Numbers of running runs that nothing was heard of since."""
    found: Iterable[tuple[Any, ...]] = query.rows(
        c, "SELECT seq FROM run WHERE state = 'RUNNING' AND heard_ns < ? ORDER BY heard_ns LIMIT ?", (before_ns, limit)
    )
    return [row[0] for row in found]


def prune(c: Connection, before_ns: int, limit: int) -> int:
    """Drop runs of the product that ended earlier, save those whose model version is still held; returns how many, at most `limit`."""
    c.execute(
        """DELETE FROM run WHERE seq IN (SELECT seq FROM run WHERE owner = 'rpsd' AND finished_ns < ? AND NOT EXISTS
           (SELECT 1 FROM model WHERE model.name = run.model AND model.version = run.version) LIMIT ?)""",
        (before_ns, limit),
    )
    return c.changes()
