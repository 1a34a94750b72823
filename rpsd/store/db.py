"""The database of one data directory: many readers, one writer, a lock, and copies of itself."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

import apsw

from rpsd.core.errors import Unavailable, UnsafeStorage
from rpsd.store import query, setting
from rpsd.store.copying import copy_database, copy_locked, fold, sync
from rpsd.store.lock import DirectoryLock
from rpsd.store.practices import WRITER, Connection, connect, migrate, migrations, refuse_foreign, refuse_old_sqlite
from rpsd.store.readers import Readers
from rpsd.store.verify import verify_database
from rpsd.store.writer import Writer, checkpoint

__all__ = ["FILE_NAME", "Connection", "Database", "verify_database"]

T = TypeVar("T")

FILE_NAME: Final = "rpsd.db"
"""The database's file within the data directory."""
_VACUUM_PAGES: Final = 1024


class Database:
    """Opened with Database.open(); close() it, or leave its `with`, to end well."""

    def __init__(self, directory: Path, lock: DirectoryLock, writer: Writer, schema: int) -> None:
        self.directory = directory
        self.path = directory / FILE_NAME
        self.schema = schema
        self._lock = lock
        self._writer = writer
        self._readers = Readers(self.path)
        self._file: int | None = None

    @classmethod
    def open(cls, directory: Path, *, min_free_bytes: int = 0, clock: Callable[[], int]) -> Self:
        """Create or open the database of the directory, locked for this process and lifted to the newest schema.

        Raises DirectoryLocked, UnsafeStorage, NewerSchema.
        """
        refuse_old_sqlite(apsw.sqlite_lib_version())
        lock = DirectoryLock(directory)
        try:
            connection, schema = _opened(directory / FILE_NAME)
            if setting.find(connection, "created_ns") is None:
                setting.put(connection, "created_ns", clock())
            return cls(directory, lock, Writer(connection, lambda: free_bytes(directory), min_free_bytes), schema)
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, fn: Callable[[Connection], T], *, deadline_seconds: float | None = None) -> T:
        """fn's value, computed inside one read transaction. fn must not return an open cursor or generator: see reading().

        Raises DeadlineExceeded past the deadline, CorruptData, Unavailable.
        """
        with self._readers.reading(deadline_seconds) as connection:
            return fn(connection)

    @contextmanager
    def reading(self, *, deadline_seconds: float | None = None) -> Iterator[Connection]:
        """A read transaction for streams: it lasts as long as the `with`. Raises like read()."""
        with self._readers.reading(deadline_seconds) as connection:
            yield connection

    def write(self, fn: Callable[[Connection], T], after: Callable[[T], None] | None = None) -> "Future[T]":
        """Queue fn for the writer thread; the future holds its value once the commit is on disk.

        fn runs in a savepoint of its own: its exception undoes its changes alone and is raised by its future. The future raises DiskFull
        or Unavailable when there was no commit. Raises Unavailable at once when the queue is full or the writer has stopped.

        `after` is called with the value once the commit is on disk, before the future is answered, by the writer thread and so in the order
        of the commits: it must return at once. It is not called when there was no commit.
        """
        return self._writer.submit(fn, after=after)

    @property
    def heartbeat_ns(self) -> int:
        """When the writer thread last gave a sign of life, on time.monotonic_ns(); idle it beats four times a second."""
        return self._writer.heartbeat_ns

    @property
    def commits(self) -> int:
        """How many commits there were since the start: what was read after one look at it stays true until it changes."""
        return self._writer.commits

    @property
    def healthy(self) -> bool:
        """Whether writes are possible at all; False for good after an I/O error."""
        return self._writer.healthy

    @property
    def queue_depth(self) -> int:
        """Writes that wait."""
        return self._writer.depth

    def wal_bytes(self) -> int:
        """Size of the write-ahead log on disk."""
        log = self.path.with_name(self.path.name + "-wal")
        return log.stat().st_size if log.exists() else 0

    def snapshot(
        self, target: Path, *, progress: Callable[[float], None] | None = None, cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Copy the database as of now to target while writes go on; the file appears complete and synced, or not at all.

        progress is called with the share done. Raises Cancelled, DiskFull, Unavailable.
        """
        with self._readers.reading() as source:
            copy_database(source, target, progress, cancelled)

    def snapshot_locked(self, target: Path) -> bool:
        """Copy the database as of now to target at the speed of a file copy; writes wait meanwhile, reads do not.

        The file appears complete and synced. False when a long read kept the log from being folded in: ask again, or take snapshot().
        Raises DiskFull, Unavailable.
        """
        copied = self._writer.submit(lambda c: copy_locked(c, self._descriptor(), target, self._writer.beat), alone=True).result()
        if copied:
            sync(target)
            sync(target.parent)
        return copied

    @contextmanager
    def still(self) -> Iterator[tuple[Connection, int] | None]:
        """The database file standing still while writes go on: a read transaction, and a descriptor of the file that holds what it sees.

        The log is folded in, and the transaction begins before the next write: until it ends nothing may be folded into the file, so the
        file alone is the database of that moment. None when a long read kept the log from being folded in. Raises Unavailable at the end
        when the file was written to after all.
        """
        with self._readers.reading() as connection:
            begun = self._writer.submit(lambda c: fold(c) and _begun(connection), alone=True).result()
            before = os.fstat(self._descriptor())
            yield (connection, self._descriptor()) if begun else None
            after = os.fstat(self._descriptor())
            if begun and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
                raise Unavailable("the database file was written to while it was to stand still", retry_after=1.0)

    def _descriptor(self) -> int:
        """The database file, opened once and closed last: closing any descriptor of a file drops the locks that SQLite holds on it."""
        if self._file is None:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._file

    def checkpoint(self) -> None:
        """Move the whole write-ahead log into the database file and cut it, as far as readers allow."""
        self._writer.submit(lambda c: checkpoint(c, truncate=True), alone=True).result()

    def vacuum(self) -> int:
        """Give free pages back to the disk, some at a time so that writes hardly wait; returns the pages given back."""
        before = self.read(_free_pages)
        left = before
        while left:
            self.write(lambda c: query.rows(c, f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")).result()
            now = self.read(_free_pages)
            if now >= left:
                break
            left = now
        return before - left

    def upkeep(self) -> None:
        """Vacuum, refresh the planner's statistics, checkpoint."""
        self.vacuum()
        self.write(lambda c: query.rows(c, "PRAGMA optimize")).result()
        self.checkpoint()

    def close(self) -> None:
        """Finish the queued writes, checkpoint and give the directory free; harmless when done twice."""
        self._readers.close()
        self._writer.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._lock.release()


def _opened(path: Path) -> tuple[Connection, int]:
    """The writing connection with practices and newest schema, and that schema's number."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its -wal and -shm the mode of this file
    steps = migrations()
    try:
        with Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE) as probe:
            refuse_foreign(probe, steps)
        probe.close()
        connection = connect(path, WRITER)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise UnsafeStorage(f"{path} is not a database", hint="Restore a backup, or choose an empty storage.data_dir.") from error
    try:
        return connection, migrate(connection, steps)
    except BaseException:
        connection.close()
        raise


def _begun(connection: Connection) -> bool:
    """A transaction begins with its first read."""
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    return True


def _free_pages(c: Connection) -> int:
    return int(query.value(c, "PRAGMA freelist_count"))


def free_bytes(directory: Path) -> int:
    """Bytes that this process may still write on the directory's file system."""
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize
