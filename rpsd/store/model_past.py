"""Versions of models that are no longer kept: what is dropped, and the few facts that outlive it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rpsd.store import model, model_alias, query
from rpsd.store.practices import Connection

CHAIN: Final = 5
"""Predecessors of the version in production that are kept whatever their age: a rollback may go back to them."""
AT_ONCE: Final = 200
"""Versions that one transaction drops at most."""


def prune(c: Connection, keep: int, now_ns: int) -> int:
    """Drop versions beyond the newest `keep` of each name, leaving a trace of each; how many, at most AT_ONCE.

    Never one in production or in staging, one that an alias stands for, or one of the last CHAIN that production has replaced.
    """
    crowded = query.rows(c, "SELECT name FROM model GROUP BY name HAVING count(*) > ? ORDER BY name", (keep,))
    gone = 0
    for (name,) in crowded:
        for version in _droppable(c, name, keep):
            if gone == AT_ONCE:
                return gone
            _drop(c, name, version, now_ns)
            gone += 1
    return gone


def find(c: Connection, name: str, version: int) -> Mapping[str, Any] | None:
    """What is left of a version that was dropped, or None."""
    found = query.rows(c, "SELECT facts FROM model_past WHERE name = ? AND version = ?", (name, version))
    return json.loads(found[0][0]) if found else None


def _droppable(c: Connection, name: str, keep: int) -> Iterator[int]:
    """The oldest first."""
    listed = query.rows(c, "SELECT version, stage FROM model WHERE name = ? ORDER BY version DESC", (name,))
    held = {one.version for one in model_alias.listed(c, name)} | set(_chain(c, name))
    for version, stage in reversed(listed[keep:]):
        if stage not in ("production", "staging") and version not in held:
            yield version


def _chain(c: Connection, name: str) -> list[int]:
    """The versions that served before the one in production, as far as a rollback may go."""
    serving = model.production(c, name)
    at, chain = None if serving is None else serving.predecessor, list[int]()
    while at is not None and at not in chain and len(chain) < CHAIN:
        chain.append(at)
        found = query.rows(c, "SELECT predecessor FROM model WHERE name = ? AND version = ?", (name, at))
        at = found[0][0] if found else None
    return chain


def _drop(c: Connection, name: str, version: int, now_ns: int) -> None:
    old = model.find(c, name, version)
    card = old.card
    facts = {
        "version": version,
        "created_ns": old.created_ns,
        "trained_from_ns": old.trained_from_ns,
        "trained_until_ns": old.trained_until_ns,
        "data_fingerprint": old.data_fingerprint,
        "digest": old.digest,
        "reason": old.reason,
        "predecessor": card.get("predecessor"),
        "labels": card.get("labels"),
        "graph": card.get("graph"),
        "run": (card.get("lineage") or {}).get("run"),
    }
    c.execute("INSERT OR REPLACE INTO model_past VALUES (?, ?, ?, ?)", (name, version, json.dumps(facts, allow_nan=False), now_ns))
    c.execute("DELETE FROM model WHERE name = ? AND version = ?", (name, version))
