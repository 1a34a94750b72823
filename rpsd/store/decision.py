"""Decisions about training: one row each, kept for a year and more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = "model, decision, cause, reason, version, job, run, at_ns, id"
_LONGEST: Final = 1000
"""Characters of a reason that are kept."""
_SLICE: Final = 10_000
_SETBACKS: Final = """SELECT model, count(*), max(at_ns) FROM retrain_decision AS d WHERE decision IN ('keep', 'rollback')
  AND id > coalesce((SELECT max(id) FROM retrain_decision WHERE model = d.model AND decision = 'promote'), 0) GROUP BY model"""


@dataclass(frozen=True, slots=True)
class Setback:
    """How often in a row a model's fits were kept back or taken back, and when last (ns UTC)."""

    count: int
    last_ns: int


def append(c: Connection, decisions: Sequence[Decision], now_ns: int) -> None:
    """Keep the decisions, which were made now."""
    insert = "INSERT INTO retrain_decision (model, decision, cause, reason, version, job, run, at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    for one in decisions:
        words = (one.model, one.choice.value, one.cause.value, one.reason[:_LONGEST])
        c.execute(insert, (*words, one.version, one.job, one.run, now_ns))


def page(c: Connection, after: int | None, limit: int, model: str | None = None, choice: str | None = None) -> list[Decision]:
    """Up to `limit` decisions older than number `after`, newest first; of one model and of one kind, if they are named."""
    where = "WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR decision = ?3)"
    found = query.rows(c, f"SELECT {_FIELDS} FROM retrain_decision {where} ORDER BY id DESC LIMIT ?4", (after, model, choice, limit))  # noqa: S608
    return [_decision(row) for row in found]


def setbacks(c: Connection) -> Mapping[str, Setback]:
    """Of each model whose last fits were kept back or taken back, since it was last promoted."""
    return {model: Setback(count, last_ns) for model, count, last_ns in query.rows(c, _SETBACKS)}


def retrained_since(c: Connection, since_ns: int) -> int:
    """How many times rpsd has decided by itself to fit a model that served already."""
    asked = "decision = 'retrain' AND cause <> 'asked' AND version IS NOT NULL AND at_ns >= ?"
    found: int = query.value(c, f"SELECT count(*) FROM retrain_decision WHERE {asked}", (since_ns,))  # noqa: S608
    return found


def prune(c: Connection, before_ns: int) -> int:
    """Drop decisions older than before_ns, some thousands at a time; how many."""
    c.execute("DELETE FROM retrain_decision WHERE id IN (SELECT id FROM retrain_decision WHERE at_ns < ? LIMIT ?)", (before_ns, _SLICE))
    return c.changes()


def _decision(row: tuple[Any, ...]) -> Decision:
    model, choice, cause, *rest = row
    return Decision(model, Choice(choice), Cause(cause), *rest)
