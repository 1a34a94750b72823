"""Reader connections, pooled: one call, one connection, one read transaction that ends with the call."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from rpsd.core.errors import Unavailable
from rpsd.store.practices import READER, Connection, connect
from rpsd.store.trouble import translated_read

IDLE_READERS: Final = 8
"""Connections kept open between calls."""
_STEPS: Final = 100
"""SQLite instructions between two looks at the clock: about ten blocks."""


class Readers:
    """The pool of reading connections to one database file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def reading(self, deadline_seconds: float | None = None) -> Iterator[Connection]:
        """A connection inside one read transaction: all its queries see the same moment.

        Raises DeadlineExceeded past the deadline, CorruptData and Unavailable as SQLite's errors ask.
        """
        try:
            connection = self._lent()
            try:
                if deadline_seconds is not None:
                    until = time.monotonic() + deadline_seconds
                    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
                connection.execute("BEGIN")
                yield connection
            finally:
                self._returned(connection)
        except apsw.Error as error:
            raise translated_read(error) from error

    def close(self) -> None:
        """Close the idle connections; those in use are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _lent(self) -> Connection:
        with self._lock:
            if self._closed:
                raise Unavailable("the store is closed")
            if self._idle:
                return self._idle.pop()
        return connect(self._path, READER)

    def _returned(self, connection: Connection) -> None:
        """End the transaction; a connection that still reads (a forgotten cursor) is closed, for it would hold back the WAL."""
        connection.set_progress_handler(None)
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._lock:
            ended = connection.txn_state("main") == apsw.SQLITE_TXN_NONE
            if ended and not self._closed and len(self._idle) < IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close(force=True)
