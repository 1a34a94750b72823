"""Rooms for the scheduler on a real SQLite file."""

import pytest

from rpsd.store.db import Database
from tests.unit.jobs.turning import Clock, rooms


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(tmp_path, clock):
    with Database.open(tmp_path / "data", clock=clock) as opened:
        yield opened


@pytest.fixture
def services(tmp_path, database, clock):
    return rooms(database, clock, tmp_path)
