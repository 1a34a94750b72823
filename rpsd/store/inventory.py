"""What a database holds that a manifest should name: model digests and the end of the audit chain."""

from typing import Any

from rpsd.store import audit, query
from rpsd.store.practices import Connection


def inventory(c: Connection) -> dict[str, Any]:
    """`models` {name: {version: digest}} and `audit` {seq, hash}; trusts what it reads, see store/verify.py."""
    models: dict[str, dict[str, str]] = {}
    for name, version, digest in query.rows(c, "SELECT name, version, digest FROM model ORDER BY name, version"):
        models.setdefault(name, {})[str(version)] = digest
    seq, link = audit.anchor(c)
    return {"models": models, "audit": {"seq": seq, "hash": link.hex()}}
