"""What has ended for good, carried from a database into an older copy of it: keys, tokens, and who is locked out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from rpsd.store import query
from rpsd.store.practices import Connection


@dataclass(frozen=True, slots=True)
class Ended:
    """Keys that were revoked or given an end as (revoked ns, expires ns, id), tokens called back, and lockouts, as rows."""

    keys: Sequence[tuple[Any, ...]]
    tokens: Sequence[tuple[Any, ...]]
    lockouts: Sequence[tuple[Any, ...]]


def ended(path: Path) -> Ended | None:
    """What has ended by the database at path, a settled file that nobody writes; None when it cannot be read as one."""
    try:
        connection = Connection(f"{path.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    except apsw.Error:
        return None
    try:
        tables = {name for (name,) in query.rows(connection, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
        fields = {
            "key": "SELECT revoked_ns, expires_ns, id FROM key WHERE revoked_ns IS NOT NULL OR expires_ns IS NOT NULL",
            "denied_token": "SELECT jti, key_id, expires_ns FROM denied_token",
            "lockout": "SELECT peer, rounds, until_ns FROM lockout",
        }
        return Ended(*(query.rows(connection, select) if table in tables else [] for table, select in fields.items()))
    except apsw.Error:
        return None
    finally:
        connection.close()


def carry(c: Connection, found: Ended, now_ns: int) -> list[str]:
    """Let end here what has ended there; the ids of the keys that would have worked again. Nothing gets a longer life."""
    living = "SELECT id FROM key WHERE revoked_ns IS NULL AND (expires_ns IS NULL OR expires_ns > ?)"
    before = {key_id for (key_id,) in query.rows(c, living, (now_ns,))}
    for revoked_ns, expires_ns, key_id in found.keys:
        c.execute(
            "UPDATE key SET revoked_ns = coalesce(revoked_ns, ?1), expires_ns = min(coalesce(expires_ns, ?2), coalesce(?2, expires_ns))"
            " WHERE id = ?3",
            (revoked_ns, expires_ns, key_id),
        )
    c.executemany("INSERT OR IGNORE INTO denied_token (jti, key_id, expires_ns) VALUES (?, ?, ?)", found.tokens)
    c.executemany("INSERT OR REPLACE INTO lockout (peer, rounds, until_ns) VALUES (?, ?, ?)", found.lockouts)
    return sorted(before - {key_id for (key_id,) in query.rows(c, living, (now_ns,))})
