"""What a database file at rest holds that a manifest should name: model digests and the end of the audit chain."""

from pathlib import Path
from typing import Any

import apsw

from rpsd.store import audit, query
from rpsd.store.practices import Connection


def inventory(path: Path) -> dict[str, Any]:
    """`models` {name: {version: digest}} and `audit` {seq, hash}; opens the file read-only and trusts it, see verify_database."""
    connection = Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        models: dict[str, dict[str, str]] = {}
        for name, version, digest in query.rows(connection, "SELECT name, version, digest FROM model ORDER BY name, version"):
            models.setdefault(name, {})[str(version)] = digest
        seq, link = audit.anchor(connection)
    finally:
        connection.close()
    return {"models": models, "audit": {"seq": seq, "hash": link.hex()}}
