"""A disk that fails: whichever operation it is, nothing is acknowledged that is not there, and the file stays whole."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from rpsd.core.errors import RpsdError
from rpsd.store import query, setting
from rpsd.store.db import FILE_NAME, Database, verify_database

pytestmark = pytest.mark.fault


class Disk(apsw.VFS):
    """SQLite's own file layer, whose n-th write or sync from now on fails (once, or from then on)."""

    def __init__(self) -> None:
        super().__init__("faulty", "unix", makedefault=True)
        self.left = -1
        self.persistent = False
        self.failed = 0

    def xOpen(self, name: object, flags: list[int]) -> "File":
        return File(self, name, flags)

    def strike(self) -> None:
        """Count one operation; raise when it is the one."""
        if self.left == 0 or (self.failed and self.persistent):
            self.failed += 1
            self.left = -1
            raise apsw.IOError("the disk fails")
        self.left -= self.left > 0


class File(apsw.VFSFile):
    """A file of that disk."""

    def __init__(self, disk: Disk, name: object, flags: list[int]) -> None:
        super().__init__("unix", name, flags)  # type: ignore[arg-type]
        self.disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.strike()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self.disk.strike()
        super().xSync(flags)


@contextmanager
def faulty() -> Iterator[Disk]:
    """All databases opened within lie on such a disk."""
    disk = Disk()
    try:
        yield disk
    finally:
        disk.unregister()


@pytest.mark.parametrize("persistent", [False, True])
def test_every_operation_may_fail(tmp_path: Path, persistent: bool) -> None:
    """Sweep: the n-th write or sync after the start fails, for n = 0, 1, … until none does."""
    struck = 0
    for n in range(200):
        directory = tmp_path / str(n)
        with faulty() as disk, Database.open(directory, clock=time.time_ns) as database:
            database.write(lambda c: setting.put(c, "before", 1)).result()
            disk.left, disk.persistent, disk.failed = n, persistent, 0
            acknowledged = ingest(database)
            stopped = not database.healthy
            assert stopped == (disk.failed > 0)
            disk.left, disk.failed = -1, 0
        with Database.open(directory, clock=time.time_ns) as database:  # the disk is well again
            names = {name for (name,) in database.read(lambda c: query.rows(c, "SELECT name FROM setting"))}
        assert {"before"} | acknowledged <= names
        verify_database(directory / FILE_NAME)
        struck += stopped
        if not stopped:
            break
    assert struck > 20
    assert not stopped


def ingest(database: Database) -> set[str]:
    """Names whose write was acknowledged, until the disk fails or ten are through."""
    safe = set()
    for number in range(10):
        name = f"n{number}"
        try:
            database.write(lambda c, name=name: setting.put(c, name, "x" * 5000)).result()
        except RpsdError:
            assert not database.healthy
            break
        safe.add(name)
    return safe
