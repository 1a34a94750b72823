"""Peers that failed to log in too often, and those from which keys have worked."""

from dataclasses import dataclass
from typing import Final

from rpsd.core.market import DAY_NS
from rpsd.store import query
from rpsd.store.practices import Connection

FORGOTTEN_NS: Final = DAY_NS
"""A lockout counts for the next one, and a key's work for its peer, this long."""
MOST_LOCKED: Final = 65_536
MOST_KNOWN: Final = 16_384
"""Rows that are kept."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A peer's latest lockout: its round and its end (ns UTC)."""

    peer: str
    rounds: int
    until_ns: int


def locked(c: Connection, now_ns: int) -> list[Locked]:
    """The lockouts that still count."""
    rows = query.rows(c, "SELECT peer, rounds, until_ns FROM lockout WHERE until_ns > ? ORDER BY until_ns", (now_ns - FORGOTTEN_NS,))
    return [Locked(*row) for row in rows]


def lock(c: Connection, row: Locked, dropped: str | None) -> None:
    """Keep a lockout, in place of the peer `dropped`."""
    c.execute("DELETE FROM lockout WHERE peer = ?", (dropped,))
    c.execute("INSERT OR REPLACE INTO lockout (peer, rounds, until_ns) VALUES (?, ?, ?)", (row.peer, row.rounds, row.until_ns))


def known(c: Connection, now_ns: int) -> list[tuple[str, str, int]]:
    """(key, peer, ns) of the keys that have worked lately."""
    rows = query.rows(c, "SELECT key_id, peer, seen_ns FROM known_peer WHERE seen_ns > ? ORDER BY seen_ns", (now_ns - FORGOTTEN_NS,))
    return [(key_id, peer, seen_ns) for key_id, peer, seen_ns in rows]


def know(c: Connection, key_id: str, peer: str, now_ns: int, dropped: tuple[str, str] | None) -> None:
    """Keep that the key has worked from the peer, in place of the pair `dropped`."""
    if dropped is not None:
        c.execute("DELETE FROM known_peer WHERE key_id = ? AND peer = ?", dropped)
    c.execute("INSERT OR REPLACE INTO known_peer (key_id, peer, seen_ns) VALUES (?, ?, ?)", (key_id, peer, now_ns))


def prune(c: Connection, now_ns: int) -> int:
    """Drop what no longer counts; returns how many rows."""
    before = c.total_changes()
    c.execute("DELETE FROM lockout WHERE until_ns <= ?", (now_ns - FORGOTTEN_NS,))
    c.execute("DELETE FROM known_peer WHERE seen_ns <= ?", (now_ns - FORGOTTEN_NS,))
    return c.total_changes() - before
