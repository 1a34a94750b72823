"""Messages that wait to go out: a row for each receiver of each message, until the receiver has it."""

import json
from collections.abc import Collection
from typing import Any, Final

from rpsd.core.source import Message
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = "id, receiver, delivery, queued_ns, message"


def add(c: Connection, receiver: str, delivery: str, message: dict[str, Any], now_ns: int, most: int) -> int:
    """Queue a message; where more than `most` wait for that receiver the oldest go. How many went."""
    c.execute(
        "INSERT INTO outbox (receiver, delivery, queued_ns, message) VALUES (?, ?, ?, ?)",
        (receiver, delivery, now_ns, json.dumps(message, allow_nan=False)),
    )
    c.execute(
        "DELETE FROM outbox WHERE receiver = ?1 AND id <= (SELECT id FROM outbox WHERE receiver = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (receiver, most),
    )
    return c.changes()


def page(c: Connection, after: int, limit: int) -> list[Message]:
    """Up to `limit` messages behind the id `after`, in the order in which they were queued; `receiver` is the digest."""
    rows = query.rows(c, f"SELECT {_FIELDS} FROM outbox WHERE id > ? ORDER BY id LIMIT ?", (after, limit))  # noqa: S608  (words of this file)
    return [Message(row, receiver, delivery, queued_ns, json.loads(told)) for row, receiver, delivery, queued_ns, told in rows]


def remove(c: Connection, row: int) -> bool:
    """Take a message out; whether it was there."""
    c.execute("DELETE FROM outbox WHERE id = ?", (row,))
    return c.changes() > 0


def keep_only(c: Connection, receivers: Collection[str], since_ns: int) -> int:
    """Remove what is for other receivers than these, or was queued before since_ns; returns how many."""
    held = json.dumps(sorted(receivers))
    c.execute("DELETE FROM outbox WHERE queued_ns < ? OR receiver NOT IN (SELECT value FROM json_each(?))", (since_ns, held))
    return c.changes()


def count(c: Connection) -> int:
    """How many wait."""
    return int(query.value(c, "SELECT count(*) FROM outbox"))
