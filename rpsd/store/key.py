"""API keys: never the secret, only its keyed hash, with scopes and times."""

import json
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import StateConflict, UnknownKey
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = "id, name, hash, scopes, created_ns, expires_ns, revoked_ns, last_used_ns, rate_limit, replaced_by"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as stored; times in ns UTC, `limit` in requests a minute (None: the default), `replaced_by` the id that a rotation made."""

    id: str
    name: str
    hash: bytes
    scopes: tuple[str, ...]
    created_ns: int
    expires_ns: int | None = None
    revoked_ns: int | None = None
    last_used_ns: int | None = None
    limit: int | None = None
    replaced_by: str | None = None

    def is_alive(self, now_ns: int) -> bool:
        """Whether the key works at now_ns."""
        return self.revoked_ns is None and (self.expires_ns is None or self.expires_ns > now_ns)


def _row(row: tuple[Any, ...]) -> KeyRow:
    key_id, name, digest, scopes, *rest = row
    return KeyRow(key_id, name, digest, tuple(json.loads(scopes)), *rest)


def add(c: Connection, row: KeyRow) -> None:
    """Store the key. Raises StateConflict when its id is taken."""
    c.execute(
        f"INSERT INTO key ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
        (
            row.id,
            row.name,
            row.hash,
            json.dumps(list(row.scopes)),
            row.created_ns,
            row.expires_ns,
            row.revoked_ns,
            row.last_used_ns,
            row.limit,
            row.replaced_by,
        ),
    )
    if not c.changes():
        raise StateConflict(f"there is a key {row.id} already")


def find(c: Connection, key_id: str) -> KeyRow | None:
    """The key of that id, revoked and expired ones too, or None."""
    rows = query.rows(c, f"SELECT {_FIELDS} FROM key WHERE id = ?", (key_id,))  # noqa: S608
    return _row(rows[0]) if rows else None


def list_keys(c: Connection) -> list[KeyRow]:
    """All keys, oldest first."""
    return [_row(row) for row in query.rows(c, f"SELECT {_FIELDS} FROM key ORDER BY created_ns, id")]  # noqa: S608


def page(c: Connection, after: str | None, limit: int) -> list[KeyRow]:
    """Up to `limit` keys made after the key with the id `after`, oldest first. Raises UnknownKey for an id that is none."""
    since = (-1, "") if after is None else (require(c, after).created_ns, after)
    select = f"SELECT {_FIELDS} FROM key WHERE (created_ns, id) > (?, ?) ORDER BY created_ns, id LIMIT ?"  # noqa: S608
    return [_row(row) for row in query.rows(c, select, (*since, limit))]


def require(c: Connection, key_id: str) -> KeyRow:
    """The key of that id. Raises UnknownKey."""
    if (row := find(c, key_id)) is None:
        raise UnknownKey(f"there is no key {key_id[:40]!r}")
    return row


def replace(c: Connection, key_id: str, by: str, expires_ns: int) -> None:
    """Note which key replaces this one, and when this one ends at the latest."""
    c.execute(
        "UPDATE key SET replaced_by = ?, expires_ns = min(coalesce(expires_ns, ?), ?) WHERE id = ?", (by, expires_ns, expires_ns, key_id)
    )


def revoke(c: Connection, key_id: str, now_ns: int) -> KeyRow:
    """Revoke the key from now_ns on; a second time changes nothing. Raises UnknownKey."""
    c.execute("UPDATE key SET revoked_ns = coalesce(revoked_ns, ?) WHERE id = ?", (now_ns, key_id))
    return require(c, key_id)


def touch(c: Connection, key_id: str, now_ns: int) -> None:
    """Note that the key was used."""
    c.execute("UPDATE key SET last_used_ns = max(coalesce(last_used_ns, 0), ?) WHERE id = ?", (now_ns, key_id))
