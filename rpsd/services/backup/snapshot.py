"""Snapshots: locked copies of the database beside itself, taken before something that may have to be undone, and put back by one rename."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core.errors import BadBackup, DiskFull, UnknownFile
from rpsd.services.backup.naming import stamp
from rpsd.store import audit
from rpsd.store.copying import sync
from rpsd.store.db import FILE_NAME, Database
from rpsd.store.lock import DirectoryLock
from rpsd.store.settle import settle

DIRECTORY: Final = "snapshots"
"""Where they lie, within the data directory: on the same disk, so that putting one back is a rename."""
KEPT: Final = 2
"""So many stay; each is as large as the database."""
_TRIES: Final = 3


def snapshot_locked(database: Database, target: Path | None = None, *, by: str, clock: Callable[[], int]) -> dict[str, Any]:
    """Copy the open database at the speed of `cp`; writes wait meanwhile. Older snapshots beyond KEPT go.

    target is a file; None: a new one below DIRECTORY. Answer: path, bytes, seconds, schema, locked (False: a long read was in the way, and
    the copy was made in steps). Raises DiskFull, Unavailable.
    """
    began = time.monotonic()
    path = target or place(database.directory, clock())
    _prepare(path)
    require_space(path.parent, database.path.stat().st_size + database.wal_bytes())
    locked = any(database.snapshot_locked(path) for _ in range(_TRIES))
    if not locked:
        database.snapshot(path)
    size = path.stat().st_size
    answer = {"path": str(path), "bytes": size, "seconds": round(time.monotonic() - began, 3), "schema": database.schema, "locked": locked}
    database.write(lambda c: audit.append(c, by, "backup.snapshot", path.name, {"bytes": size}, clock())).result()
    if target is None:
        prune(database.directory)
    return answer


def snapshot_stopped(settings: Settings, target: Path | None = None, *, clock: Callable[[], int] = time.time_ns) -> dict[str, Any]:
    """The same of a data directory that no server owns, without touching its schema; takes the directory's lock.

    Answer as snapshot_locked(), schema None. Raises DirectoryLocked, UnknownFile, BadBackup (the file cannot be opened), DiskFull.
    """
    began, directory = time.monotonic(), settings.storage.data_dir
    live = directory / FILE_NAME
    with DirectoryLock(directory):
        if not live.is_file():
            raise UnknownFile(f"there is no database in {directory}")
        if not settle(live):
            raise BadBackup(f"{live} cannot be opened as a database")
        path = target or place(directory, clock())
        _prepare(path)
        require_space(path.parent, live.stat().st_size)
        partial = path.with_name(path.name + ".partial")
        try:
            shutil.copyfile(live, partial)
            partial.chmod(0o600)
            sync(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync(path.parent)
    if target is None:
        prune(directory)
    seconds = round(time.monotonic() - began, 3)
    return {"path": str(path), "bytes": path.stat().st_size, "seconds": seconds, "schema": None, "locked": True}


def put_back(settings: Settings, snapshot: Path) -> None:
    """Make a snapshot the live database again, by one rename; it is consumed. The server must be stopped: takes the directory's lock.

    Killed at any moment, the live data are those before or the snapshot's. Raises DirectoryLocked, UnknownFile.
    """
    directory = settings.storage.data_dir
    live = directory / FILE_NAME
    if not snapshot.is_file():
        raise UnknownFile(f"there is no snapshot {snapshot}")
    with DirectoryLock(directory):
        settle(live)  # folds the log of what is replaced into it: left behind it would be applied to its successor
        for suffix in ("-wal", "-shm"):
            live.with_name(live.name + suffix).unlink(missing_ok=True)
        sync(directory)
        sync(snapshot)
        snapshot.replace(live)
        sync(directory)


def place(directory: Path, now_ns: int) -> Path:
    """A free name below the data directory."""
    stem, number = directory / DIRECTORY / f"rpsd-{stamp(now_ns)}.db", 1
    while (path := stem if number == 1 else stem.with_stem(f"{stem.stem}-{number}")).exists():
        number += 1
    return path


def prune(directory: Path, kept: int = KEPT) -> None:
    """Remove all but the newest snapshots, and what a killed copy left."""
    found = sorted((directory / DIRECTORY).glob("rpsd-*.db"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    stay = tuple(path.name for path in found[:kept])
    for path in (directory / DIRECTORY).glob("rpsd-*"):
        if not path.name.startswith(stay) or path.suffix == ".partial":
            path.unlink(missing_ok=True)


def _prepare(path: Path) -> None:
    """The directory, without logs of an earlier file of that name: SQLite would apply them to the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def require_space(directory: Path, need: int) -> None:
    """Raises DiskFull when the disk cannot take so many bytes."""
    if (free := shutil.disk_usage(directory).free) < need + (1 << 20):
        raise DiskFull(f"{directory} has {free:,} bytes free; a copy of the database needs {need:,}")
