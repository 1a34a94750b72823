"""Backups: taken online, verified before they count, kept for a while, and put back with the server stopped."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import BadBackup, CorruptData, DiskFull, Fault, NewerSchema, StateConflict, UnknownFile
from rpsd.core.market import SECOND_NS
from rpsd.services.backup import archive
from rpsd.services.backup.naming import NAME, ONCE, SEALED, SEALS, free_name, is_ahead, kept_since, order, ranked
from rpsd.services.backup.snapshot import snapshot_locked
from rpsd.services.backup.taking import Progress, take
from rpsd.services.backup.workplace import workplace
from rpsd.store import audit, setting
from rpsd.store.copying import sync
from rpsd.store.db import Database, verify_database
from rpsd.store.practices import migrations
from rpsd.telemetry import Metrics

_DAY_NS: Final = 86_400 * SECOND_NS
_DRILL: Final = "restore_drill"

Rows = list[dict[str, Any]]
Names = list[str]
_Paths = list[Path]


class BackupService:
    """Takes, lists, verifies and prunes backups of the live database."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._settings, self._database, self._metrics, self._clock = settings, database, metrics, clock
        drill = database.read(lambda c: setting.find(c, _DRILL))
        metrics.restore_drill_last_success_timestamp_seconds.set(drill["at_ns"] / SECOND_NS if drill else 0)

    def create(
        self,
        target: Path | None = None,
        *,
        by: str = "",
        once: bool = False,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Take a backup to a file, into a directory, or (None) into backup.dir, while writers go on; it gets its name once it is verified.

        Answer: path, bytes, sha256, seconds, created, schema, version, rows (of samples). Needs the database's size.
        `once`: it is made to be taken elsewhere: it is not listed, and delete() or prune() removes it.
        Raises DiskFull, Cancelled, CorruptData (the live data did not pass), BadBackup (what was written does not read back).
        """
        began, now_ns, tell = time.monotonic(), self._clock(), progress or (lambda _share, _words: None)
        if target is None:
            self._settings.backup.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        final = free_name(target or self._settings.backup.dir, now_ns, ONCE if once else "")
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._require_space(final.parent)
        with workplace(final.parent) as work:
            written = work / final.name
            manifest, digest, size = take(self._settings, self._database, written, now_ns, tell, cancelled)
            written.replace(final)
            sync(final.parent)
        answer = {"path": str(final), "bytes": size, "sha256": digest, "seconds": round(time.monotonic() - began, 3)}
        answer |= {name: manifest[name] for name in ("created", "schema", "version", "rows")}
        self._record("backup.create", by, final.name, {"bytes": size, "sha256": digest})
        if target is None and not once:
            self._metrics.backup_last_success_timestamp_seconds.set(now_ns / SECOND_NS)
        tell(1.0, "done")
        return answer

    def snapshot_locked(self, target: Path | None = None, *, by: str = "") -> dict[str, Any]:
        """A copy of the database beside it at the speed of `cp`, for an upgrade to go back to; see the function snapshot_locked."""
        return snapshot_locked(self._database, target, by=by, clock=self._clock)

    def list(self) -> Rows:
        """Backups in backup.dir, newest first, those dated in the future last: path, bytes, created, schema, version, rows.

        One that was cut short or cannot be read has `error_code` instead, an encrypted one `encrypted`. Damage in the middle shows only
        when it is verified.
        """
        rows = []
        for path in self._files(sealed=True):
            with suppress(FileNotFoundError, UnknownFile):  # pruned since it was listed
                rows.append({"path": str(path), "bytes": path.stat().st_size, **_told(path)})
        return rows

    def last_ns(self) -> int | None:
        """When the newest backup in backup.dir was taken (by its name), or None; one dated in the future tells nothing of that."""
        return next((order(path)[0] for path in self._files() if not is_ahead(path, self._clock())), None)

    def ahead(self) -> Names:
        """Backups in backup.dir whose names tell a time to come."""
        return [path.name for path in self._files(sealed=True) if is_ahead(path, self._clock())]

    def newest(self) -> Path:
        """The newest backup in backup.dir; one dated in the future only where there is no other. Raises UnknownFile."""
        files = self._files()
        if not files:
            raise UnknownFile(f"there is no backup in {self._settings.backup.dir}", hint="`rpsd backup create` takes one.")
        return files[0]

    def drilled(self, answer: dict[str, Any]) -> None:
        """Remember that a drill has succeeded; see jobs/restore_drill.py."""
        now_ns = self._clock()
        self._database.write(lambda c: setting.put(c, _DRILL, {"at_ns": now_ns, **answer})).result()
        self._metrics.restore_drill_last_success_timestamp_seconds.set(now_ns / SECOND_NS)

    def verify(self, path: Path, *, by: str = "") -> dict[str, Any]:
        """Prove a backup completely; see the function verify. The outcome is audited."""
        try:
            answer = verify(path, self._settings.storage.cache_dir)
        except (BadBackup, NewerSchema) as error:
            self._record("backup.verify", by, path.name, {"error_code": error.code})
            raise
        self._record("backup.verify", by, path.name, {"sha256": answer["sha256"]})
        return answer

    def prune(self, keep_days: int | None = None, *, by: str = "") -> Names:
        """Remove backups older than keep_days (None: backup.keep_days) from backup.dir, never the newest; the names of the removed.

        One dated in the future is as old as its file.
        """
        now_ns, keep_ns = self._clock(), (self._settings.backup.keep_days if keep_days is None else keep_days) * _DAY_NS
        plain, removed = self._files()[:1], []
        for path in self._files(sealed=True):
            with suppress(FileNotFoundError):  # another hand was faster
                if path not in plain and kept_since(path, now_ns) < now_ns - keep_ns:
                    path.unlink()
                    removed.append(path)
        for path in self._forgotten():
            path.unlink(missing_ok=True)
        names = [path.name for path in removed]
        if names:
            sync(self._settings.backup.dir)
            self._record("backup.prune", by, str(len(names)), {"removed": names})
        return names

    def find(self, name: str) -> Path:
        """The backup of that file name in backup.dir, so that no other file can be asked for. Raises UnknownFile."""
        path = self._settings.backup.dir / name
        if not any(kind.fullmatch(name.removeprefix(ONCE)) for kind in (NAME, SEALED)) or not path.is_file():
            raise UnknownFile(f"there is no backup {name[:80]!r}", errors=[Fault("/name", "no such backup")])
        return path

    def open(self, name: str) -> BinaryIO:
        """The file of the backup of that name; who reads it has all of it, though it be removed meanwhile. Raises UnknownFile."""
        try:
            return self.find(name).open("rb")
        except FileNotFoundError as error:
            raise UnknownFile(f"the backup {name} is gone") from error

    def delete(self, name: str, *, by: str = "") -> None:
        """Remove a backup from backup.dir; audited. Raises UnknownFile, StateConflict for the newest one."""
        path = self.find(name)
        if path in self._files()[:1]:
            raise StateConflict("the newest backup stays", hint="Take another one first.")
        path.unlink(missing_ok=True)
        sync(path.parent)
        self._record("backup.delete", by, name, {})

    def _forgotten(self) -> _Paths:
        """Backups that were to be taken elsewhere an hour ago or more."""
        found = []
        for path in self._settings.backup.dir.glob(f"{ONCE}rpsd-*"):
            with suppress(FileNotFoundError):  # fetched and removed meanwhile
                if path.stat().st_mtime < time.time() - 3600:
                    found.append(path)
        return found

    def _files(self, *, sealed: bool = False) -> _Paths:
        directory = self._settings.backup.dir
        kinds = (NAME, SEALED) if sealed else (NAME,)
        listed = directory.iterdir() if directory.is_dir() else ()
        return ranked((path for path in listed if any(kind.fullmatch(path.name) for kind in kinds)), self._clock())

    def _require_space(self, directory: Path) -> None:
        """Room for the file."""
        need = self._database.path.stat().st_size + self._database.wal_bytes() + (1 << 20)
        free = shutil.disk_usage(directory).free
        if free < need + self._settings.storage.min_free_bytes:
            raise DiskFull(f"{directory} has {free:,} bytes free; a backup needs {need:,} beyond storage.min_free_bytes")

    def _record(self, action: str, by: str, subject: str, detail: dict[str, Any]) -> None:
        self._database.write(lambda c: audit.append(c, by, action, subject, detail, self._clock())).result()


def _told(path: Path) -> dict[str, Any]:
    """What a backup says of itself without being verified. Raises UnknownFile, FileNotFoundError."""
    if path.suffix in SEALS:
        return {"encrypted": path.suffix[1:], "created": instant.text(order(path)[0])}
    try:
        manifest = archive.manifest(path)
        archive.ends_well(path)
        return {name: manifest[name] for name in ("created", "schema", "version", "rows")}
    except (BadBackup, KeyError):
        if not path.exists():
            raise UnknownFile(f"{path.name} is gone") from None
        return {"error_code": BadBackup.code}


def verify(path: Path, scratch: Path, progress: archive.Progress = lambda _: None) -> dict[str, Any]:
    """Unpack the database below scratch, proving every byte of the file, and prove its structure, block CRCs and row counts.

    Answer: path, bytes, sha256, created, schema, version, rows. Raises UnknownFile, BadBackup, NewerSchema, DiskFull.
    """
    manifest = understood(path)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with workplace(scratch) as work:
        digest = unpack_proved(path, manifest, work / archive.DATABASE, progress)
    answer = {"path": str(path), "bytes": path.stat().st_size, "sha256": digest}
    return answer | {name: manifest[name] for name in ("created", "schema", "version", "rows")}


def understood(path: Path) -> dict[str, Any]:
    """The manifest, if this release can use the backup. Raises BadBackup, NewerSchema."""
    manifest = archive.manifest(path)
    try:
        schema = int(manifest["schema"])
        _ = int(manifest["database"]["bytes"]), manifest["created"], manifest["version"], manifest["rows"], manifest["tables"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadBackup(f"{path.name}: the manifest is not complete") from error
    if schema > (known := len(migrations())):
        raise NewerSchema(f"{path.name} holds schema {schema}; {known} is the newest that this release knows")
    return manifest


def unpack_proved(path: Path, manifest: dict[str, Any], target: Path, progress: archive.Progress) -> str:
    """The database of the backup, unpacked to target and proved against its manifest; the SHA-256 (hex) of the backup.

    Raises BadBackup, DiskFull.
    """
    need, free = int(manifest["database"]["bytes"]), shutil.disk_usage(target.parent).free
    if free < need + (1 << 20):
        raise DiskFull(f"{target.parent} has {free:,} bytes free; unpacking the backup needs {need:,}")
    digest = archive.unpack(path, target, progress)
    try:
        facts = verify_database(target)
    except CorruptData as error:
        raise BadBackup(f"{path.name}: {error.detail}") from error
    if any(facts[name] != manifest[name] for name in ("rows", "tables", "schema")):
        raise BadBackup(f"{path.name}: row counts or schema differ from the manifest")
    return digest
