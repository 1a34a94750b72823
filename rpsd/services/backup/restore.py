"""Putting a backup back: with the server stopped, proved beside the live data, switched by one rename."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

from rpsd.config import Settings
from rpsd.services.backup import archive
from rpsd.services.backup.naming import stamp
from rpsd.services.backup.service import understood, unpack_proved
from rpsd.services.backup.taking import Progress, Stage
from rpsd.services.backup.workplace import workplace
from rpsd.store import audit
from rpsd.store import ended as ends
from rpsd.store.copying import sync
from rpsd.store.db import Database
from rpsd.store.lock import DirectoryLock
from rpsd.store.practices import Connection
from rpsd.store.settle import settle

T = TypeVar("T")


def restore(
    settings: Settings,
    file: Path,
    *,
    dry_run: bool = False,
    by: str = "cli",
    progress: Progress | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> dict[str, Any]:
    """Put a backup in the place of the live database; the server must be stopped, for this takes the directory's lock.

    The backup is proved, unpacked beside the live data, migrated and audited there; then one rename switches. Killed at any moment before
    that, the live data are as they were; after it, they are the backup's. The former database is kept in previous-<UTC>/. A dry run stops
    before the switch and needs no lock. API keys work as before only with the pepper they were made with, which no backup holds.

    A key that has ended since the backup stays ended, and so do tokens that were called back and lockouts: who was shut out does not come
    back with old data. `keys_ended` names those keys; it is None where the live database could not be asked: those revoked since then work
    again.

    Answer: path, sha256, created, schema, version, rows, previous (None on an empty directory or a dry run), keys_ended, restored.
    Raises DirectoryLocked, UnknownFile, BadBackup, NewerSchema, DiskFull.
    """
    tell, now_ns, directory = progress or (lambda _share, _words: None), clock(), settings.storage.data_dir
    live = directory / archive.DATABASE
    tell(0.0, "reading the manifest")
    manifest = understood(file)
    answer: dict[str, Any] = {"path": str(file), "previous": None, "keys_ended": None, "restored": False}
    answer |= {name: manifest[name] for name in ("created", "schema", "version", "rows")}
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with nullcontext() if dry_run else DirectoryLock(directory), workplace(directory) as work:
        digest = unpack_proved(file, manifest, work / archive.DATABASE, Stage(tell, 0.0, 0.6, "unpacking"))
        answer["sha256"] = digest
        if dry_run:
            return answer
        tell(0.6, "migrating the copy")
        detail = {"file": file.name, "sha256": digest, "created": manifest["created"]}
        since = ends.ended(live) if live.exists() and settle(live) else None

        def sign(c: Connection) -> list[str] | None:
            ended = None if since is None else ends.carry(c, since, now_ns)
            audit.append(c, by, "backup.restore", file.name, {**detail, "keys_ended": ended}, now_ns)
            return ended

        answer["keys_ended"] = _sign(work, sign, clock)
        tell(0.8, "keeping the present data")
        previous = _keep(live, f"previous-{stamp(now_ns)}")
        tell(0.9, "switching")
        (work / archive.DATABASE).replace(live)
        sync(directory)
        tell(0.95, "switched")
    tell(1.0, "done")
    return answer | {"previous": None if previous is None else str(previous), "restored": True}


def _sign(work: Path, write: Callable[[Connection], T], clock: Callable[[], int]) -> T:
    """Migrate the unpacked database and write into it, before it goes live; leaves one file without a log."""
    database = Database.open(work, clock=clock)
    try:
        written = database.write(write).result()
    finally:
        database.close()
    settle(work / archive.DATABASE)
    sync(work / archive.DATABASE)
    return written


def _keep(live: Path, name: str) -> Path | None:
    """A second name, in a directory beside it, for what is live now, so that the switch loses nothing; None when there is nothing.

    The live database is left as one file: a log beside it would be applied to its successor. One that SQLite cannot even open keeps its log
    in that directory only.
    """
    if not live.exists():
        return None
    settle(live)
    for former in live.parent.glob(f"previous-*/{live.name}"):
        if former.samefile(live):  # of a restore that was killed before its switch
            shutil.rmtree(former.parent)
    previous, number = live.with_name(name), 1
    while previous.exists():
        number += 1
        previous = live.with_name(f"{name}-{number}")
    previous.mkdir(mode=0o700)
    logs = [path for suffix in ("-wal", "-shm") if (path := live.with_name(live.name + suffix)).exists()]
    for path in (live, *logs):
        os.link(path, previous / path.name)
    sync(previous)
    for path in logs:
        path.unlink()
    sync(live.parent)
    return previous
