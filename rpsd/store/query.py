"""Asking the database: every cursor is exhausted here, so that none holds a read transaction open."""

from collections.abc import Sequence
from typing import Any

from rpsd.store.practices import Connection


def rows(c: Connection, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of the statement."""
    return c.execute(sql, values).fetchall()


def value(c: Connection, sql: str, values: Sequence[Any] = ()) -> Any:
    """The only value of a statement that always gives one row."""
    return rows(c, sql, values)[0][0]
