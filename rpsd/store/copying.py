"""Copies of a live database: stepped or locked, complete or absent, synced before they get their name."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from rpsd.core.errors import Cancelled, DiskFull, RpsdError, Unavailable
from rpsd.store.practices import Connection
from rpsd.store.written import write_out

_STEP_PAGES: Final = 512
_PIECE: Final = 64 << 20
_SMALL: Final = 8 << 20
_PIECEWISE: Final = 1 << 20
_FAR: Final = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""What copy_file_range says where it cannot copy between these two files."""


def copy_database(source: Connection, target: Path, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None) -> None:
    """Copy what source's read transaction sees to target (in place of an older file of that name).

    The open read transaction pins one moment: without it every commit beside it would start the copy anew. Raises Cancelled, DiskFull,
    Unavailable; whatever stops it, a file under target's name is whole.
    """
    source.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # the transaction begins with its first read
    with _complete_or_absent(target) as partial:
        _copied(source, partial, progress, cancelled)


def copy_locked(connection: Connection, file: int, target: Path, beat: Callable[[], None]) -> bool:
    """Copy the file behind the descriptor to target (in place of an older one) as fast as the file system can, while nobody writes.

    `connection` is the only one that writes, so with the log folded in and its lock held the file is the whole database. False when a
    reader keeps the log from being folded in; then nothing was copied. The copy is not durable yet: sync() it once the lock is gone.
    `beat` is called with each piece. Raises DiskFull, Unavailable.
    """
    if not fold(connection):
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        with _complete_or_absent(target, durable=False) as partial:
            copy = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _copy_bytes(file, copy, beat)
            finally:
                os.close(copy)
    finally:
        connection.execute("ROLLBACK")
    return True


@contextmanager
def at_rest(path: Path) -> Iterator[tuple[Connection, int]]:
    """A read transaction on a database file that nobody writes to, and a descriptor of the file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    connection = Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.execute("BEGIN")
        yield connection, descriptor
    finally:
        connection.close(force=True)
        os.close(descriptor)


def fold(connection: Connection) -> bool:
    """Fold the log into the file, waiting a second for readers; whether all of it is there now."""
    connection.set_busy_timeout(1000)
    try:
        # not cut: beside a copy, writes over a log that has its blocks are quicker than those that make it longer
        logged, folded = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    except apsw.BusyError:
        logged, folded = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)  # not begun anew, but perhaps folded in
    finally:
        connection.set_busy_timeout(10000)
    return bool(logged == folded)


def _copy_bytes(source: int, target: int, beat: Callable[[], None]) -> None:
    """All of one file to another, inside the kernel where it can."""
    size, done = os.fstat(source).st_size, 0
    while done < size:
        done += _copy_piece(source, target, min(_PIECE, size - done), done, done)
        beat()


def _copy_piece(source: int, target: int, n: int, at: int, to: int) -> int:
    """Up to n bytes of source from `at` into target from `to`; how many. Raises OSError."""
    try:
        step = os.copy_file_range(source, target, n, at, to)
    except OSError as error:
        if error.errno not in _FAR:
            raise
        step = os.pwrite(target, os.pread(source, min(n, _SMALL), at), to)
    if step == 0:
        raise OSError(errno.EIO, "the database file ended early")
    return step


def piecewise(source: int, target: int, size: int, to: int, arrived: Callable[[int, int], None]) -> None:
    """Copy the first bytes of source into target from `to` on, durable on return. Raises DiskFull, Unavailable.

    An fsync elsewhere on the file system waits for what others have under way, and a commit of its journal for the data of new files: each
    piece is written out before the next. `arrived` is called with where a piece begins in the source and its length, once it is on the disk
    and no longer in memory: while it reads it back, others write.
    """
    done = 0
    try:
        while done < size:
            n = _copy_piece(source, target, min(_PIECEWISE, size - done), done, to + done)
            write_out(target, to + done, n)
            os.posix_fadvise(target, to + done, n, os.POSIX_FADV_DONTNEED)
            arrived(done, n)
            done += n
        os.fdatasync(target)
    except OSError as error:
        raise _trouble(error, "the copy") from error


def _trouble(error: OSError, name: str) -> RpsdError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space for {name}")
    return Unavailable(f"{name} cannot be written ({error.strerror})")


@contextmanager
def _complete_or_absent(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """Where to write what becomes target at the end; whatever goes wrong, nothing half-written is left."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        partial.replace(target)
        if durable:
            sync(target.parent)
    except apsw.FullError as error:
        raise DiskFull(f"no space for a copy beside {target.name}") from error
    except (apsw.IOError, apsw.CantOpenError) as error:
        raise Unavailable(f"{target.name} cannot be written ({type(error).__name__})") from error
    except OSError as error:
        raise _trouble(error, target.name) from error
    finally:
        for leftover in (partial, partial.with_name(partial.name + "-journal")):
            leftover.unlink(missing_ok=True)


def _copied(source: Connection, target: Path, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None) -> None:
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    copy = Connection(str(target))
    try:
        copy.execute("PRAGMA synchronous = OFF").fetchall()  # synced once, at the end
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                if cancelled is not None and cancelled():
                    raise Cancelled("the copy was cancelled")
                backup.step(_STEP_PAGES)
                if progress is not None:
                    progress(1.0 - backup.remaining / max(backup.page_count, 1))
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, readable without a log beside it
    finally:
        copy.close()
    sync(target)


def sync(path: Path) -> None:
    """fsync a file or a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
