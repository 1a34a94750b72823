"""A database at rest: the write-ahead log folded into the file, so that one rename replaces all of it."""

from pathlib import Path

import apsw


def settle(path: Path) -> bool:
    """Fold the log of the database at path into the file and remove it. The caller holds the directory's lock.

    Looks neither at the schema nor at its number: a newer one settles as well. False when SQLite cannot open or fold it.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]
        finally:
            connection.close()
    except apsw.Error:
        return False
    return not busy
