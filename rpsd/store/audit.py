"""The audit log: append-only, each row's hash covers the row before it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.actor import Actor
from rpsd.store import query
from rpsd.store.practices import Connection

_GENESIS: Final = bytes(32)
_FIELDS: Final = "seq, at_ns, actor, action, subject, detail, hash"


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what to whom, when (ns UTC), and the chain's hash up to here."""

    seq: int
    at_ns: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    hash: bytes


def _link(before: bytes, seq: int, at_ns: int, actor: str, action: str, subject: str, detail: str) -> bytes:
    words = json.dumps([seq, at_ns, actor, action, subject, detail], separators=(",", ":"))
    return hashlib.sha256(before + words.encode()).digest()


def append(c: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any], now_ns: int) -> AuditRow:
    """Add a row at the end of the chain; an Actor's address goes into its detail as `from`."""
    seq, before = anchor(c)
    if isinstance(actor, Actor) and actor.peer:
        detail = {**detail, "from": actor.peer} if "from" not in detail else detail
    text = json.dumps(dict(detail), sort_keys=True, allow_nan=False)
    row = (seq + 1, now_ns, str(actor), action, subject, text)
    link = _link(before, *row)
    c.execute(f"INSERT INTO audit ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, link))  # noqa: S608
    return AuditRow(seq + 1, now_ns, actor, action, subject, dict(detail), link)


def anchor(c: Connection) -> tuple[int, bytes]:
    """Number and hash of the last row; kept elsewhere, it shows later that no row was cut off."""
    rows = query.rows(c, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    return rows[0] if rows else (0, _GENESIS)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted: of an action or of all below it (`key` finds key.create), of an actor, from a moment on (ns UTC)."""

    action: str | None = None
    actor: str | None = None
    since_ns: int | None = None


EVERY: Final = AuditFilter()
_WANTED: Final = (
    "(?1 IS NULL OR seq < ?1) AND (?3 IS NULL OR action = ?3 OR substr(action, 1, length(?3) + 1) = ?3 || '.')"
    " AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR at_ns >= ?5)"
)


def page(c: Connection, after: int | None, limit: int, wanted: AuditFilter = EVERY) -> list[AuditRow]:
    """Up to `limit` rows older than number `after`, newest first; O(rows) for a filter that little passes."""
    rows = c.execute(
        f"SELECT {_FIELDS} FROM audit WHERE {_WANTED} ORDER BY seq DESC LIMIT ?2",  # noqa: S608
        (after, limit, wanted.action, wanted.actor, wanted.since_ns),
    )
    return [AuditRow(seq, at, actor, action, subject, json.loads(text), link) for seq, at, actor, action, subject, text, link in rows]


def verify(c: Connection, known: tuple[int, bytes] | None = None) -> int | None:
    """The number of the first row that breaks the chain, or None. With an earlier anchor also its row must be there unchanged, O(n)."""
    expected, link = 1, _GENESIS
    for seq, at_ns, actor, action, subject, text, stored in c.execute(f"SELECT {_FIELDS} FROM audit ORDER BY seq"):  # noqa: S608
        try:
            link = _link(link, seq, at_ns, actor, action, subject, text)
        except TypeError:  # a cell that was never written here
            return expected
        if seq != expected or link != stored or (known is not None and seq == known[0] and link != known[1]):
            return expected
        expected += 1
    return expected if known is not None and expected <= known[0] else None
