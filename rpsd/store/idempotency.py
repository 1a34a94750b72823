"""Idempotency keys: the same request again gives the first answer, in the same transaction as its effect."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import IdempotencyConflict
from rpsd.core.market import DAY_NS
from rpsd.store import query
from rpsd.store.practices import Connection

KEPT_NS: Final = DAY_NS
"""How long an answer is kept, as long as its principal has not sent so many since."""

MOST_ANSWERS: Final = 100_000
"""Answers that are kept for one principal, …"""

MOST_BYTES: Final = 64 << 20
"""… and their bytes; then the oldest go."""

_AT_ONCE: Final = 32  # the oldest that go together: more than come, so that an insert seldom has to wait for a second turn


@dataclass(frozen=True, slots=True)
class Once:
    """What identifies a request: the client's key, who asks, the route, and a hash of the body."""

    key: str
    principal: str
    route: str
    body_hash: str


def run_once(c: Connection, once: Once | None, now_ns: int, fn: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """fn's answer and False, or the answer of the first such request and True.

    Call it in the transaction that fn writes in. Raises IdempotencyConflict when the key was used for another route or body.
    """
    if once is None:
        return fn(), False
    if (first := answered(c, once, now_ns)) is not None:
        return first, True
    answer = fn()
    _keep(c, once, now_ns, json.dumps(answer, allow_nan=False))
    return answer, False


def _keep(c: Connection, once: Once, now_ns: int, answer: str) -> None:
    """Store the answer, in the place of an expired one of the same key, and let the principal's oldest go when they are too many."""
    c.execute("DELETE FROM idempotency WHERE principal = ? AND key = ?", (once.principal, once.key))
    c.execute(
        "INSERT INTO idempotency (principal, key, route, body_hash, created_ns, answer) VALUES (?, ?, ?, ?, ?, ?)",
        (once.principal, once.key, once.route, once.body_hash, now_ns, answer),
    )
    while _is_over(c, once.principal):
        c.execute(
            "DELETE FROM idempotency WHERE rowid IN"
            " (SELECT rowid FROM idempotency WHERE principal = ? AND key <> ? ORDER BY created_ns LIMIT ?)",
            (once.principal, once.key, _AT_ONCE),
        )
        if c.changes() == 0:  # one answer alone is above the bound: it stays
            return


def _is_over(c: Connection, principal: str) -> bool:
    [(answers, size)] = query.rows(c, "SELECT answers, bytes FROM idempotency_use WHERE principal = ?", (principal,))
    return bool(answers > MOST_ANSWERS or size > MOST_BYTES)


def answered(c: Connection, once: Once, now_ns: int) -> dict[str, Any] | None:
    """The answer of the first such request, or None. Raises IdempotencyConflict when the key was used for another route or body."""
    rows = query.rows(
        c,
        "SELECT route, body_hash, answer FROM idempotency WHERE principal = ? AND key = ? AND created_ns > ?",
        (once.principal, once.key, now_ns - KEPT_NS),
    )
    if not rows:
        return None
    route, body_hash, answer = rows[0]
    if (route, body_hash) != (once.route, once.body_hash):
        raise IdempotencyConflict(f"the key {once.key[:64]!r} was used for another request")
    first: dict[str, Any] = json.loads(answer)
    return first


def prune(c: Connection, now_ns: int) -> int:
    """Forget the answers that are older than a day; returns how many."""
    c.execute("DELETE FROM idempotency WHERE created_ns <= ?", (now_ns - KEPT_NS,))
    return c.changes()
