"""Opening, locking, reading, group commit, failures of the disk, copies."""

import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np
import pytest

from rpsd.core.errors import (
    Cancelled,
    CorruptData,
    DeadlineExceeded,
    DirectoryLocked,
    DiskFull,
    NewerSchema,
    StateConflict,
    Unavailable,
    UnsafeStorage,
)
from rpsd.core.market import Samples
from rpsd.store import db, lock, practices, query, readers, series, setting, trouble, writer
from rpsd.store.db import Connection, Database, verify_database


def count(database: Database) -> int:
    return int(database.read(lambda c: query.value(c, "SELECT count(*) FROM setting WHERE name LIKE 'n%'")))


def put(name: str) -> Callable[[Connection], None]:
    return lambda c: setting.put(c, name, 1)


def fill(database: Database, n: int = 20_000) -> None:
    samples = Samples(np.arange(n, dtype=np.int64), {"close": np.arange(n, dtype=float)})
    database.write(lambda c: series.upsert(c, "A", "1s", samples, now_ns=1)).result()


def test_a_new_directory_is_private_and_of_the_newest_schema(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a" / "b", clock=lambda: 7) as database:
        assert database.schema == len(practices.migrations())
        assert database.read(lambda c: setting.find(c, "created_ns")) == 7
        modes = {stat.S_IMODE(path.stat().st_mode) for path in database.directory.iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE(database.directory.stat().st_mode) == 0o700


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    for number in range(2):
        with Database.open(tmp_path, clock=lambda: 0) as database:
            assert count(database) == number
            database.write(put(f"n{number}")).result()
        database.close()  # twice is harmless
    with pytest.raises(Unavailable):
        database.write(put("n9"))
    with pytest.raises(Unavailable):
        count(database)


def test_the_second_owner_is_refused_at_once(database: Database) -> None:
    with pytest.raises(DirectoryLocked, match="in use by process"):
        Database.open(database.directory, clock=lambda: 0)
    assert database.healthy


def test_a_network_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock.file_system(Path("/proc")) == {"proc"}
    monkeypatch.setattr(lock, "REMOTE", lock.file_system(tmp_path) or frozenset())
    if lock.file_system(tmp_path):
        with pytest.raises(UnsafeStorage):
            lock.DirectoryLock(tmp_path)


def test_a_newer_schema_and_a_foreign_file_are_refused_untouched(tmp_path: Path) -> None:
    Database.open(tmp_path, clock=lambda: 0).close()
    path = tmp_path / db.FILE_NAME
    with Connection(str(path)) as c:
        c.execute("PRAGMA user_version = 999")
    c.close()
    with pytest.raises(NewerSchema):
        Database.open(tmp_path, clock=lambda: 0)
    for content in (b"not a database, but long enough to look like one " * 100, None):
        path.unlink()
        if content is None:
            foreign = Connection(str(path))
            foreign.execute("CREATE TABLE other (x)")
            foreign.close()
        else:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(UnsafeStorage):
            Database.open(tmp_path, clock=lambda: 0)
        assert path.read_bytes() == before
    path.unlink()
    Database.open(tmp_path, clock=lambda: 0).close()  # the lock was given free each time


def test_a_practice_that_does_not_stick_is_refused(tmp_path: Path) -> None:
    memory = Connection(":memory:")
    with pytest.raises(UnsafeStorage, match="journal_mode"):
        practices.apply(memory, practices.WRITER)
    with pytest.raises(UnsafeStorage, match="synchronous"):
        practices.connect(tmp_path / "x.db", (("synchronous", "normal", 2),))
    with pytest.raises(UnsafeStorage):
        practices.refuse_old_sqlite("3.51.2")
    practices.refuse_old_sqlite("3.51.3")


def test_a_broken_migration_leaves_the_schema_as_it_was() -> None:
    c = Connection(":memory:")
    steps = (*practices.migrations(), "CREATE TABLE fresh (x) STRICT; CREATE TABLE broken")
    with pytest.raises(apsw.SQLError):
        practices.migrate(c, steps)
    assert practices.pragma(c, "user_version") == len(steps) - 1
    assert query.rows(c, "SELECT 1 FROM sqlite_schema WHERE name = 'fresh'") == []


def test_readers_cannot_write_and_see_one_moment(database: Database) -> None:
    with pytest.raises(Unavailable):
        database.read(put("n1"))
    with database.reading() as c:
        before = query.value(c, "SELECT count(*) FROM setting")
        database.write(put("n2")).result()
        assert query.value(c, "SELECT count(*) FROM setting") == before
    assert count(database) == 1


def test_a_reader_that_forgets_its_cursor_does_not_hold_the_log(database: Database) -> None:
    fill(database)
    for _ in range(3):
        cursor = database.read(lambda c: c.execute("SELECT * FROM block"))
        del cursor
    forgotten = database.read(lambda c: (row for row in c.execute("SELECT t FROM tail UNION ALL SELECT id FROM block")))
    database.checkpoint()
    assert database.wal_bytes() == 0
    del forgotten


def test_a_read_ends_at_its_deadline_and_the_connection_lives_on(database: Database) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(DeadlineExceeded):
        database.read(lambda c: query.rows(c, endless), deadline_seconds=0.02)
    assert database.read(lambda c: query.value(c, "SELECT 1")) == 1


def test_a_damaged_file_is_reported_as_such(database: Database) -> None:
    def damaged(_: Connection) -> None:
        raise apsw.CorruptError("malformed")

    with pytest.raises(CorruptData):
        database.read(damaged)
    with pytest.raises(CorruptData):
        database.write(damaged).result()
    assert database.healthy


def test_a_failing_request_spares_its_neighbours(database: Database) -> None:
    gate = threading.Event()
    database.write(lambda _: gate.wait(5))  # so that the next ones wait together

    def fails(c: Connection) -> None:
        setting.put(c, "n_bad", 1)
        raise StateConflict("no")

    good, bad, worse, also_good = (database.write(fn) for fn in (put("n1"), fails, lambda c: 1 / 0, put("n2")))
    gate.set()
    assert (good.result(), also_good.result()) == (None, None)
    with pytest.raises(StateConflict):
        bad.result()
    with pytest.raises(ZeroDivisionError):
        worse.result()
    assert count(database) == 2


def test_what_waits_shares_one_commit(database: Database) -> None:
    begun, gate, commits = threading.Event(), threading.Event(), []

    def hold(c: Connection) -> None:
        c.set_commit_hook(lambda: bool(commits.append(1)))  # type: ignore[func-returns-value]
        begun.set()
        gate.wait(5)

    database.write(hold)
    assert begun.wait(5)  # what is queued from now on waits for the next group
    futures = [database.write(put(f"n{i}")) for i in range(50)]
    gate.set()
    for future in futures:
        future.result()
    assert len(commits) == 2  # that of the write which held the writer, and one for all that waited
    assert count(database) == 50


def test_what_was_committed_is_told_in_order_and_nothing_else_is(database: Database) -> None:
    gate, told = threading.Event(), list[tuple[str, int]]()

    def tell(name: str) -> None:
        told.append((name, count(database)))  # another connection sees it: the commit is done
        if name == "n1":
            raise RuntimeError("a fault of whoever tells")

    def refuse(c: Connection) -> str:
        put("n9")(c)
        raise StateConflict("not this one")

    held = database.write(lambda _: gate.wait(30))
    futures = [database.write(lambda c, name=f"n{i}": (put(name)(c), name)[1], after=tell) for i in range(3)]
    refused = database.write(refuse, after=tell)
    gate.set()
    assert held.result(30)
    assert [future.result(30) for future in futures] == ["n0", "n1", "n2"]
    with pytest.raises(StateConflict):
        refused.result(30)
    assert told == [("n0", 3), ("n1", 3), ("n2", 3)]
    assert database.healthy


def test_what_met_no_commit_is_not_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(database._writer, "_min_free_bytes", 1 << 62)
    with pytest.raises(DiskFull):
        database.write(put("n0"), after=told.append).result(30)
    assert told == []


def test_a_full_queue_sends_the_caller_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUE_REQUESTS", 2)
    gate, started = threading.Event(), threading.Event()
    database.write(lambda _: (started.set(), gate.wait(5)))
    started.wait(5)
    first, cancelled = database.write(put("n1")), database.write(put("n2"))
    assert database.queue_depth == 2
    with pytest.raises(Unavailable) as refused:
        database.write(put("n3"))
    assert refused.value.retry_after == 1.0
    cancelled.cancel()
    gate.set()
    first.result()
    database.checkpoint()
    assert count(database) == 1


def test_low_space_refuses_writes_until_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = [10**12]
    monkeypatch.setattr(db, "free_bytes", lambda _: space[0])
    with Database.open(tmp_path, min_free_bytes=10**9, clock=lambda: 0) as database:
        database.write(put("n1")).result()
        space[0] = 10**8
        with pytest.raises(DiskFull):
            database.write(put("n2")).result()
        assert database.healthy
        assert count(database) == 1
        space[0] = 10**12
        database.write(put("n3")).result()


def test_a_full_database_is_no_end(database: Database) -> None:
    pages = database.write(lambda c: c.execute(f"PRAGMA max_page_count = {practices.pragma(c, 'page_count') + 2}").fetchall()).result()
    assert pages
    with pytest.raises(DiskFull):
        fill(database)
    assert database.healthy
    database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchall()).result()
    fill(database)


def failing(error: apsw.Error, result: int) -> Callable[[Connection], None]:
    def fails(_: Connection) -> None:
        error.extendedresult = result  # type: ignore[attr-defined]
        raise error

    return fails


def test_an_io_error_stops_the_writer_for_good(database: Database) -> None:
    gate = threading.Event()
    database.write(lambda _: gate.wait(5))
    futures = [database.write(fn) for fn in (put("n1"), failing(apsw.IOError("fsync"), apsw.SQLITE_IOERR_FSYNC), put("n2"))]
    gate.set()
    for future in futures:
        with pytest.raises(Unavailable):
            future.result()
    assert not database.healthy
    with pytest.raises(Unavailable):
        database.write(put("n3"))
    assert count(database) == 0
    beat = database.heartbeat_ns
    time.sleep(2 * writer.BEAT_SECONDS)
    assert database.heartbeat_ns == beat


def test_busy_and_a_full_disk_in_disguise_are_no_end() -> None:
    busy = apsw.BusyError("busy")
    assert trouble.translated(busy, 0)[1]
    disguised = apsw.IOError("shm")
    disguised.extendedresult = apsw.SQLITE_IOERR_SHMSIZE  # type: ignore[attr-defined]
    assert isinstance(trouble.translated(disguised, 0)[0], DiskFull)
    assert isinstance(trouble.translated(disguised, 10**9)[0], Unavailable)
    assert not trouble.translated(disguised, 10**9)[1]


def test_the_idle_writer_beats(database: Database) -> None:
    before = database.heartbeat_ns
    until = time.monotonic() + 5
    while database.heartbeat_ns == before and time.monotonic() < until:
        time.sleep(0.01)
    assert database.heartbeat_ns > before


def test_the_log_is_cut_by_a_checkpoint_and_space_returns(database: Database) -> None:
    fill(database, 200_000)
    assert database.wal_bytes() > 3_000_000
    database.write(lambda c: series.delete(c, series.require(c, "A", "1s"))).result()
    database.upkeep()
    assert database.wal_bytes() == 0
    assert database.path.stat().st_size < 400_000  # an empty database has 330,000: its tables and indexes take a page each


def test_a_snapshot_under_writes_is_one_whole_moment(database: Database, tmp_path: Path) -> None:
    fill(database, 400_000)
    target, seen, stop = tmp_path / "copy.db", [], threading.Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            database.write(put(f"n{number}")).result()
            number += 1

    beside = threading.Thread(target=keep_writing)
    beside.start()
    try:
        database.snapshot(target, progress=seen.append)
    finally:
        stop.set()
        beside.join()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    facts = verify_database(target)
    assert (facts["rows"], facts["tables"]["block"]) == (400_000, 98)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_cancelled_or_impossible_snapshot_leaves_what_was(database: Database, tmp_path: Path) -> None:
    fill(database)
    target = tmp_path / "copy.db"
    target.write_bytes(b"older")
    with pytest.raises(Cancelled):
        database.snapshot(target, cancelled=lambda: True)
    assert target.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]
    with pytest.raises(Unavailable):
        database.snapshot(tmp_path / "nowhere" / "copy.db")


def test_idle_readers_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "IDLE_READERS", 1)
    with database.reading(), database.reading(), database.reading():
        pass
    assert count(database) == 0


def test_closing_finishes_a_full_queue_and_empties_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUE_REQUESTS", 3)
    gate, started = threading.Event(), threading.Event()
    database = Database.open(tmp_path, clock=lambda: 0)
    database.write(lambda _: (started.set(), gate.wait(5)))
    started.wait(5)
    futures = [database.write(put(f"n{number}")) for number in range(3)]
    threading.Timer(0.05, gate.set).start()
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert database.wal_bytes() == 0
    with Database.open(tmp_path, clock=lambda: 0) as again:
        assert count(again) == 3
