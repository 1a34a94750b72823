"""Small facts that the appliance remembers by name: JSON values, such as the outcome of the last backup."""

import json
from typing import Any

from rpsd.store import query
from rpsd.store.practices import Connection


def find(c: Connection, name: str) -> Any:
    """The value of that name, or None."""
    rows = query.rows(c, "SELECT value FROM setting WHERE name = ?", (name,))
    return json.loads(rows[0][0]) if rows else None


def put(c: Connection, name: str, value: Any) -> None:
    """Remember the JSON value under the name, in place of an earlier one."""
    c.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (name, json.dumps(value, allow_nan=False)))
