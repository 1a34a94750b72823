"""A migrated database in memory for the row functions, and one on disk for the rest."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpsd.store.db import Connection, Database
from rpsd.store.practices import migrate, migrations


def _fresh() -> Connection:
    connection = Connection(":memory:")
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection, migrations())
    return connection


@pytest.fixture
def fresh() -> Callable[[], Connection]:
    """Makes an empty migrated database in memory."""
    return _fresh


@pytest.fixture
def c() -> Iterator[Connection]:
    connection = _fresh()
    yield connection
    connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "data", clock=lambda: 1_000) as opened:
        yield opened
