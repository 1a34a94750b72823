"""Tokens that ended before their time."""

from rpsd.store import query
from rpsd.store.practices import Connection


def deny(c: Connection, jti: str, key_id: str, expires_ns: int) -> None:
    """Keep that the token has ended, until it would have ended by itself."""
    c.execute("INSERT OR IGNORE INTO denied_token (jti, key_id, expires_ns) VALUES (?, ?, ?)", (jti, key_id, expires_ns))


def denied(c: Connection, now_ns: int) -> dict[str, int]:
    """When each of them would have ended by itself (ns UTC), of those that have not yet."""
    return dict(query.rows(c, "SELECT jti, expires_ns FROM denied_token WHERE expires_ns > ?", (now_ns,)))


def count(c: Connection, key_id: str, now_ns: int) -> int:
    """How many of a key's tokens are kept that would still work."""
    held: int = query.rows(c, "SELECT count(*) FROM denied_token WHERE key_id = ? AND expires_ns > ?", (key_id, now_ns))[0][0]
    return held


def prune(c: Connection, now_ns: int) -> int:
    """Drop those that have ended by themselves; returns how many."""
    c.execute("DELETE FROM denied_token WHERE expires_ns <= ?", (now_ns,))
    return c.changes()
