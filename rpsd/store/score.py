"""Live scores of models: a value for each bar, or each move of a book, that came after a version's training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.errors import CorruptData
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.store import query
from rpsd.store.practices import Connection

SERVED: Final = 0
"""Stands for the version of what served, bar by bar."""
MOST: Final = 2000
"""Scores that are kept of a version, the latest."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Values (n,) in nats at the times t (n,) in ns UTC, rising; `by` (n,) int64: the version that each comes from."""

    t: Times
    values: Vector
    by: Times

    @classmethod
    def none(cls) -> "Scores":
        """Before the first bar."""
        return cls(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))

    @classmethod
    def of(cls, version: int, t: Times, values: Vector) -> "Scores":
        """All from one version."""
        return cls(t, values, np.full(t.size, version, np.int64))

    def followed(self, new: "Scores") -> "Scores":
        """These and those of the new that come later: a bar that was scored keeps its score. The latest MOST."""
        later = new.t > (self.t[-1] if self.t.size else np.iinfo(np.int64).min)
        pairs = ((self.t, new.t), (self.values, new.values), (self.by, new.by))
        return Scores(*(np.concatenate([old, fresh[later]])[-MOST:] for old, fresh in pairs))


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of a version in its role (served, predecessor or challenger), with the facts of its comparison with what served."""

    version: int
    role: str
    facts: Mapping[str, Any]
    at_ns: int
    scores: Scores


def find(c: Connection, name: str) -> dict[int, Row]:
    """The rows of the model by version; damaged ones are left out, for they can be made anew."""
    found = query.rows(c, "SELECT version, role, facts, at_ns, scores FROM model_score WHERE name = ? ORDER BY version", (name,))
    rows = (_row(row) for row in found)
    return {row.version: row for row in rows if row is not None}


def put(c: Connection, name: str, rows: Sequence[Row]) -> None:
    """Let these be the rows of the model; others go."""
    c.execute("DELETE FROM model_score WHERE name = ?", (name,))
    for row in rows:
        scores = row.scores
        data = Packet({}, {"t": scores.t, "values": scores.values, "by": scores.by}).pack()
        facts = json.dumps(dict(row.facts), allow_nan=False)
        c.execute("INSERT INTO model_score VALUES (?, ?, ?, ?, ?, ?)", (name, row.version, row.role, facts, row.at_ns, data))


def prune(c: Connection) -> int:
    """Drop the scores of models that no longer serve; how many rows."""
    c.execute("DELETE FROM model_score WHERE name NOT IN (SELECT name FROM model WHERE stage = 'production')")
    return c.changes()


def _row(row: tuple[Any, ...]) -> Row | None:
    version, role, facts, at_ns, data = row
    try:
        arrays = Packet.unpack(data).arrays
    except CorruptData:
        return None
    return Row(version, role, json.loads(facts), at_ns, Scores(*(np.array(arrays[name]) for name in ("t", "values", "by"))))
