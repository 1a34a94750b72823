"""A database with one series and the service that backs it up; the tests turn the clock."""

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.instant import parse as moment
from rpsd.core.market import Samples
from rpsd.services.backup.service import BackupService
from rpsd.store import series
from rpsd.store.db import Database
from rpsd.telemetry import Metrics

NOW = moment("2026-03-01T02:03:04Z")
DAY = 86_400 * 10**9


class Clock:
    def __init__(self):
        self.now_ns = NOW

    def __call__(self):
        return self.now_ns


@pytest.fixture
def settings(tmp_path):
    return read(None, {}, {"storage.data_dir": str(tmp_path / "data"), "storage.min_free_bytes": "1MiB"})


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(settings, clock):
    opened = Database.open(settings.storage.data_dir, clock=clock)
    put(opened, "AAA", 0, 5000)
    yield opened
    opened.close()


@pytest.fixture
def backups(settings, database, clock):
    return BackupService(settings, database, Metrics(), clock)


def put(database, symbol, first, n):
    t = np.arange(first, first + n, dtype=np.int64) * 60 * 10**9
    samples = Samples(t, {"close": np.arange(n, dtype=np.float64)})
    database.write(lambda c: series.upsert(c, symbol, "1m", samples, now_ns=NOW)).result()
