"""Backups under full write load: each restores and verifies, and holds every write that was acknowledged before it began."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rpsd.config import Settings, read
from rpsd.core.errors import RpsdError
from rpsd.core.market import Samples
from rpsd.services.backup import taking
from rpsd.services.backup.restore import restore
from rpsd.services.backup.service import BackupService
from rpsd.store import series
from rpsd.store.db import FILE_NAME, Connection, Database, verify_database
from rpsd.telemetry import Metrics
from tests.fault.conftest import Record

pytestmark = pytest.mark.fault

BACKUPS = int(os.environ.get("RPSD_FAULT_BACKUPS", "100"))
SYMBOLS = 8
BATCH = 200


class Writers:
    """Four threads that write as fast as the database takes it; `durable` holds how many rows of each symbol have been acknowledged."""

    def __init__(self, database: Database) -> None:
        self._database, self._stop = database, threading.Event()
        self.durable, self.asked = [0] * SYMBOLS, [0] * SYMBOLS
        self._threads = [threading.Thread(target=self._write, args=(k,), daemon=True) for k in range(4)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self, k: int) -> None:
        while not self._stop.is_set():
            for n in range(k, SYMBOLS, 4):
                first = self.asked[n]
                t = np.arange(first, first + BATCH, dtype=np.int64) * 10**9
                samples = Samples(t, {"close": np.arange(first, first + BATCH, dtype=np.float64)})
                self.asked[n] += BATCH
                self._database.write(lambda c, n=n, s=samples: series.upsert(c, f"S{n}", "1s", s, now_ns=time.time_ns())).result()
                self.durable[n] = self.asked[n]


def content(directory: Path) -> dict[str, int]:
    """Rows of each symbol; each row holds what was written at its time."""
    with Database.open(directory, clock=time.time_ns) as database:
        found = {}
        for info in database.read(lambda c: series.page(c, None, 100)):
            samples = database.read(lambda c, i=info: series.read(c, i))
            assert np.array_equal(samples.columns["close"], samples.t / 1e9), info.symbol
            assert np.array_equal(samples.t, np.arange(samples.n) * 10**9), info.symbol
            found[info.symbol] = samples.n
        return found


def configured(directory: Path) -> Settings:
    return read(None, {}, {"storage.data_dir": str(directory), "storage.min_free_bytes": "1MiB"})


def backed_up(tmp_path: Path, count: int) -> tuple[int, int]:
    """Take so many backups under load and restore each: how many hold what they must, and how many rows were written meanwhile."""
    settings, good = configured(tmp_path / "data"), 0
    with Database.open(settings.storage.data_dir, clock=time.time_ns) as database:
        backups = BackupService(settings, database, Metrics(), time.time_ns)
        with Writers(database) as writers:
            time.sleep(0.2)
            for number in range(count):
                before = list(writers.durable)
                place = tmp_path / f"backup-{number}"
                try:
                    made = Path(backups.create(place)["path"])
                    after = list(writers.asked)
                    good += _holds(settings, made, tmp_path / f"restored-{number}", before, after)
                except (RpsdError, AssertionError) as error:
                    print(f"backup {number}: {error}"[:300])
                finally:
                    place.unlink(missing_ok=True)
        return good, sum(writers.durable)


def _holds(settings: Settings, made: Path, scratch: Path, before: list[int], after: list[int]) -> bool:
    restore(replace(settings, storage=replace(settings.storage, data_dir=scratch)), made)
    verify_database(scratch / FILE_NAME)
    found = content(scratch)
    for path in sorted(scratch.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    rows = [found.get(f"S{n}", 0) for n in range(SYMBOLS)]
    assert all(low <= n <= high for low, n, high in zip(before, rows, after, strict=True)), (before, rows, after)
    return True


def test_each_backup_under_full_write_load_restores_and_verifies(tmp_path: Path, record: Record) -> None:
    good, rows = backed_up(tmp_path, BACKUPS)
    record(
        "backups under load", f"{good} of {BACKUPS} restored and verified, each whole and of one moment, {rows:,} rows written meanwhile"
    )
    assert good == BACKUPS
    assert rows > BACKUPS * BATCH


def test_control_a_copy_of_a_file_whose_log_is_not_folded_in_loses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same backup, proved on what a reader sees and copied from the file alone while writers go on: each one is refused."""

    @contextmanager
    def moving(database: Database, _copy: Path, _progress: object) -> Iterator[tuple[Connection, int, int]]:
        time.sleep(0.3)  # the writers fill the log
        descriptor = os.open(database.path, os.O_RDONLY)
        connection = Connection(str(database.path))
        connection.execute("BEGIN")
        try:
            yield connection, descriptor, database.path.stat().st_size
        finally:
            connection.close(force=True)
            os.close(descriptor)

    monkeypatch.setattr(taking, "_still", moving)
    assert backed_up(tmp_path, 4)[0] < 4
