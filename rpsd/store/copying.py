"""Copies of a live database: stepped, complete or absent, synced before they get their name."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from rpsd.core.errors import Cancelled, DiskFull, Unavailable
from rpsd.store.practices import Connection

_STEP_PAGES: Final = 512


def copy_database(source: Connection, target: Path, progress: Callable[[float], None] | None, cancelled: Callable[[], bool] | None) -> None:
    """Copy what source's read transaction sees to target (in place of an older file of that name).

    The open read transaction pins one moment: without it every commit beside it would start the copy anew. Raises Cancelled, DiskFull,
    Unavailable; whatever stops it, a file under target's name is whole.
    """
    source.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # the transaction begins with its first read
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        _copied(source, partial, progress, cancelled)
        partial.replace(target)
        sync(target.parent)
    except apsw.FullError as error:
        raise DiskFull(f"no space for a copy beside {target.name}") from error
    except (apsw.IOError, apsw.CantOpenError) as error:
        raise Unavailable(f"{target.name} cannot be written ({type(error).__name__})") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"no space for a copy beside {target.name}") from error
        raise Unavailable(f"{target.name} cannot be written ({error.strerror})") from error
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
