"""Experiments: a row each with its owner and who else may see it."""

from typing import Any, Final

from rpsd.core.errors import StateConflict, UnknownExperiment
from rpsd.core.experiment import Experiment, Visibility
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = """id, name, owner, scope, description, created_ns,
  (SELECT count(*) FROM run WHERE run.experiment = experiment.id)"""
VISIBLE: Final = "(?1 IS NULL OR scope <> 'private' OR experiment.owner = ?1)"
"""The condition that the viewer ?1, a key's id, may see the experiment; NULL is an administrator, who sees all."""


def _select(c: Connection, where: str, values: tuple[Any, ...]) -> list[Experiment]:
    found = query.rows(c, f"SELECT {_FIELDS} FROM experiment WHERE {where}", values)  # noqa: S608  (words of this file)
    return [Experiment(i, name, owner, Visibility(scope), *rest) for i, name, owner, scope, *rest in found]


def add(c: Connection, name: str, owner: str, scope: Visibility, description: str, now_ns: int) -> Experiment:
    """A new experiment. Raises StateConflict when the owner has one of that name."""
    if find_named(c, name, owner) is not None:
        raise StateConflict(f"there is an experiment {name!r} already", hint="Log into it, or choose another name.")
    c.execute(
        "INSERT INTO experiment (name, owner, scope, description, created_ns) VALUES (?, ?, ?, ?, ?)",
        (name, owner, scope.value, description, now_ns),
    )
    return find(c, c.last_insert_rowid())


def find(c: Connection, identifier: int) -> Experiment:
    """The experiment of that id. Raises UnknownExperiment."""
    found = _select(c, "id = ?", (identifier,))
    if not found:
        raise UnknownExperiment(f"there is no experiment {identifier}")
    return found[0]


def find_named(c: Connection, name: str, owner: str) -> Experiment | None:
    """The owner's experiment of that name, or None."""
    found = _select(c, "name = ? AND owner = ?", (name, owner))
    return found[0] if found else None


def named(c: Connection, name: str, viewer: str | None) -> list[Experiment]:
    """The experiments of that name that the viewer may see, the oldest first; names are unique within an owner."""
    return _select(c, f"{VISIBLE} AND name = ?2 ORDER BY id", (viewer, name))


def page(c: Connection, viewer: str | None, after: int | None, limit: int) -> list[Experiment]:
    """Up to `limit` experiments that the viewer may see, older than the id `after`, newest first."""
    return _select(c, f"{VISIBLE} AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3", (viewer, after, limit))


def change(c: Connection, identifier: int, scope: Visibility | None, description: str | None) -> Experiment:
    """Give the experiment another scope or description; None keeps what it has. Raises UnknownExperiment."""
    c.execute(
        "UPDATE experiment SET scope = coalesce(?, scope), description = coalesce(?, description) WHERE id = ?",
        (None if scope is None else scope.value, description, identifier),
    )
    return find(c, identifier)


def delete(c: Connection, identifier: int) -> None:
    """Drop the experiment with its runs; what their artifacts held is the business of artifact.sweep()."""
    c.execute("DELETE FROM experiment WHERE id = ?", (identifier,))


def counts(c: Connection) -> dict[str, int]:
    """How many experiments there are, and runs by state."""
    told = {"experiments": int(query.value(c, "SELECT count(*) FROM experiment"))}
    return told | dict(query.rows(c, "SELECT lower(state), count(*) FROM run GROUP BY state"))
