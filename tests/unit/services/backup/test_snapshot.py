"""Snapshots: whole, quick, few, and put back by one rename."""

import threading

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.errors import DirectoryLocked, DiskFull, Unavailable, UnknownFile
from rpsd.core.market import Samples
from rpsd.services.backup import snapshot
from rpsd.store import audit, copying, series
from rpsd.store.db import Database, verify_database


@pytest.fixture
def settings(tmp_path):
    return read(None, {}, {"storage.data_dir": str(tmp_path / "data")})


@pytest.fixture
def database(settings):
    opened = Database.open(settings.storage.data_dir, clock=lambda: 5)
    put(opened, 0)
    yield opened
    opened.close()


def put(database, first, n=1000):
    t = np.arange(first, first + n, dtype=np.int64) * 60 * 10**9
    samples = Samples(t, {"close": np.arange(n, dtype=np.float64)})
    database.write(lambda c: series.upsert(c, "AAA", "1m", samples, now_ns=5)).result()


def take(database, target=None):
    return snapshot.snapshot_locked(database, target, by="cli", clock=lambda: 5)


def test_a_snapshot_is_whole_private_and_audited(database, settings):
    made = take(database)
    path = settings.storage.data_dir / "snapshots" / "rpsd-19700101T000000Z.db"
    assert made | {"seconds": 0} == {
        "path": str(path), "bytes": path.stat().st_size, "seconds": 0, "schema": database.schema, "locked": True,
    }  # fmt: skip
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert verify_database(path)["rows"] == 1000
    assert path.stat().st_mode & 0o777 == 0o600
    assert [row.action for row in database.read(lambda c: audit.page(c, None, 9))] == ["backup.snapshot"]
    assert database.wal_bytes() < 1 << 20


def test_writes_go_on_afterwards_and_are_not_in_it(database):
    made = take(database)
    put(database, 1000)
    assert verify_database(snapshot.Path(made["path"]))["rows"] == 1000
    assert verify_database(snapshot.Path(take(database)["path"]))["rows"] == 2000


def test_under_writes_it_is_one_moment(database, tmp_path):
    stop = threading.Event()

    def write():
        first = 1000
        while not stop.is_set():
            put(database, first, 100)
            first += 100

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [take(database, tmp_path / f"{n}.db") for n in range(5)]
    finally:
        stop.set()
        writer.join()
    assert all(verify_database(snapshot.Path(each["path"]))["rows"] % 100 == 0 for each in made)


def test_a_long_read_is_not_waited_for_beyond_a_moment(database):
    with database.reading() as c:
        c.execute("SELECT count(*) FROM series").fetchall()
        put(database, 1000)
        made = take(database)
    assert made["locked"] is False
    assert verify_database(snapshot.Path(made["path"]))["rows"] == 2000


def test_where_the_kernel_cannot_copy_it_is_copied_by_hand(database, monkeypatch):
    def cannot(*_):
        raise OSError(copying.errno.EXDEV, "another device")

    monkeypatch.setattr(copying.os, "copy_file_range", cannot)
    assert verify_database(snapshot.Path(take(database)["path"]))["rows"] == 1000


def test_a_failure_leaves_nothing_and_the_writer_goes_on(database, monkeypatch):
    def fails(*_):
        raise OSError(copying.errno.ENOSPC, "full")

    monkeypatch.setattr(copying.os, "copy_file_range", fails)
    with pytest.raises(DiskFull):
        take(database)
    monkeypatch.setattr(copying.os, "copy_file_range", lambda *_: 0)
    with pytest.raises(Unavailable):
        take(database)
    assert list((database.directory / "snapshots").iterdir()) == []
    put(database, 1000)
    assert database.healthy


def test_few_stay(database):
    paths = [snapshot.snapshot_locked(database, by="cli", clock=lambda n=n: n * 10**9)["path"] for n in range(4)]
    (database.directory / "snapshots" / "rpsd-19700101T000000Z.db-wal").write_bytes(b"")  # of somebody who has looked into it
    snapshot.prune(database.directory)
    assert sorted(str(path) for path in (database.directory / "snapshots").iterdir()) == paths[2:]


def test_stopped_and_put_back(database, settings):
    with pytest.raises(DirectoryLocked):
        snapshot.snapshot_stopped(settings)
    database.close()
    made = snapshot.snapshot_stopped(settings, clock=lambda: 5)
    with Database.open(settings.storage.data_dir, clock=lambda: 5) as opened:
        put(opened, 1000)
        with pytest.raises(DirectoryLocked):
            snapshot.put_back(settings, snapshot.Path(made["path"]))
    snapshot.put_back(settings, snapshot.Path(made["path"]))
    with Database.open(settings.storage.data_dir, clock=lambda: 5) as opened:
        assert opened.read(lambda c: series.require(c, "AAA", "1m").rows) == 1000
    with pytest.raises(UnknownFile):
        snapshot.put_back(settings, snapshot.Path(made["path"]))


def test_nothing_to_copy(settings, tmp_path):
    settings.storage.data_dir.mkdir()
    with pytest.raises(UnknownFile):
        snapshot.snapshot_stopped(settings)
