"""What was set aside: model files that were refused, and stored versions that no longer match their digest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rpsd.store import query
from rpsd.store.practices import Connection

MOST: Final = 200
"""Rows that are kept, the newest."""
MOST_BYTES: Final = 64 << 20
"""Bytes of files that are kept together, the newest."""
LARGEST: Final = 8 << 20
"""A larger file is told of by its digest alone."""
_SELECT: Final = "SELECT id, noted_ns, origin, name, version, digest, bytes, reason, noted_by, content IS NOT NULL FROM quarantine"


@dataclass(frozen=True, slots=True)
class SetAside:
    """One thing that was set aside; `origin` is import or store, `kept` tells whether its bytes are still here. noted_ns in ns UTC."""

    id: int
    noted_ns: int
    origin: str
    name: str | None
    version: int | None
    digest: str
    bytes: int
    reason: str
    noted_by: str
    kept: bool


def put_file(c: Connection, data: bytes, digest: str, name: str | None, reason: str, by: str, now_ns: int) -> SetAside:
    """Set a file aside; older ones make room for it."""
    content = data if len(data) <= LARGEST else None
    if content is not None:
        c.execute("UPDATE quarantine SET content = NULL WHERE digest = ?", (digest,))  # the same bytes are kept once
    row = (now_ns, "import", name, None, digest, len(data), reason, by, content)
    return _added(c, row)


def put_stored(c: Connection, name: str, version: int, reason: str, now_ns: int) -> SetAside | None:
    """Note that a stored version is damaged, with the digest that its packet has now; None when that is noted already.

    The packet stays where it is: nothing loads it, and a copy would take its room twice.
    """
    found = query.rows(c, "SELECT packet FROM model WHERE name = ? AND version = ?", (name, version))
    data = found[0][0] if found else b""
    digest = hashlib.sha256(data).hexdigest()
    noted = "SELECT 1 FROM quarantine WHERE origin = 'store' AND name = ? AND version = ? AND digest = ?"
    if query.rows(c, noted, (name, version, digest)):
        return None
    return _added(c, (now_ns, "store", name, version, digest, len(data), reason, "rpsd", None))


def page(c: Connection, after: int | None, limit: int) -> list[SetAside]:
    """Up to `limit` rows older than the one of that id, the newest first."""
    found = query.rows(c, f"{_SELECT} WHERE id < ? ORDER BY id DESC LIMIT ?", (after or 2**62, limit))
    return [_row(row) for row in found]


def content(c: Connection, row_id: int) -> bytes | None:
    """The bytes of a file that was set aside, or None."""
    found = query.rows(c, "SELECT content FROM quarantine WHERE id = ?", (row_id,))
    return found[0][0] if found else None


def drop(c: Connection, row_id: int) -> SetAside | None:
    """Forget what was set aside; what it was, or None."""
    found = query.rows(c, f"{_SELECT} WHERE id = ?", (row_id,))
    c.execute("DELETE FROM quarantine WHERE id = ?", (row_id,))
    return _row(found[0]) if found else None


def _added(c: Connection, row: tuple[Any, ...]) -> SetAside:
    c.execute(
        """INSERT INTO quarantine (noted_ns, origin, name, version, digest, bytes, reason, noted_by, content)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        row,
    )
    made = c.last_insert_rowid()
    _make_room(c)
    return _row(query.rows(c, f"{_SELECT} WHERE id = ?", (made,))[0])


def _make_room(c: Connection) -> None:
    """Forget the oldest rows beyond MOST, and the bytes of the oldest files beyond MOST_BYTES."""
    c.execute("DELETE FROM quarantine WHERE id NOT IN (SELECT id FROM quarantine ORDER BY id DESC LIMIT ?)", (MOST,))
    c.execute(
        """UPDATE quarantine SET content = NULL WHERE id IN (
             SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id DESC) AS total FROM quarantine WHERE content IS NOT NULL)
             WHERE total > ?)""",
        (MOST_BYTES,),
    )


def _row(row: Sequence[Any]) -> SetAside:
    i, noted_ns, origin, name, version, digest, size, reason, by, kept = row
    return SetAside(i, noted_ns, origin, name, version, digest, size, reason, by, bool(kept))
