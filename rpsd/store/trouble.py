"""What an error of SQLite means in the appliance's words."""

from typing import Final

import apsw

from rpsd.core.errors import CorruptData, DeadlineExceeded, DiskFull, RpsdError, Unavailable

# The shared index of the WAL grows as the WAL does; on a full disk SQLite reports that as an I/O error instead of SQLITE_FULL.
_FULL_IN_DISGUISE: Final = frozenset({apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMMAP, apsw.SQLITE_IOERR_WRITE})
_NOTHING_LEFT: Final = 1 << 20


def is_storage_failure(error: BaseException) -> bool:
    """Whether the error came from the disk and not from the request: it takes the whole transaction with it."""
    return isinstance(error, (apsw.IOError, apsw.FullError, apsw.NoMemError, apsw.CantOpenError, apsw.BusyError, apsw.ReadOnlyError))


def translated(error: apsw.Error, free_bytes: int) -> tuple[RpsdError, bool]:
    """The error to answer with, and whether the writer may go on after it.

    After an I/O error it may not: what the disk holds is unknown, and an fsync that is tried again can report a success that is none.
    """
    disguised = getattr(error, "extendedresult", 0) in _FULL_IN_DISGUISE and free_bytes < _NOTHING_LEFT
    if isinstance(error, apsw.FullError) or disguised:
        return DiskFull("the disk is full; nothing was stored", retry_after=5.0), True
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return Unavailable("the database is busy; nothing was stored", retry_after=1.0), True
    return Unavailable(f"the database failed ({type(error).__name__}); nothing was stored"), False


def translated_read(error: apsw.Error) -> RpsdError:
    """The error to answer a failed read with."""
    if isinstance(error, apsw.InterruptError):
        return DeadlineExceeded("the read was interrupted at its deadline")
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return CorruptData(f"the database file is damaged ({type(error).__name__})")
    return Unavailable(f"the database cannot be read now ({type(error).__name__})", retry_after=1.0)
