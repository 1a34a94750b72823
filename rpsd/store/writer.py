"""The one writer thread: whatever waits in its queue shares one commit, and nobody is answered before that commit is on disk."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import apsw

from rpsd.core.errors import CorruptData, DiskFull, InternalError, Kind, RpsdError, Unavailable
from rpsd.store.practices import Connection
from rpsd.store.trouble import is_storage_failure, translated
from rpsd.telemetry import logger

T = TypeVar("T")

QUEUE_REQUESTS: Final = 1024
"""Requests that may wait; beyond them the caller is told to come back."""
GROUP_REQUESTS: Final = 256
"""Requests that may share one commit, so that the first of them does not wait for ever."""
BEAT_SECONDS: Final = 0.25
BUSY_PAGES: Final = 4096
"""The log may grow by so many pages before a checkpoint while writes keep coming (16 MiB)."""
_IDLE_PAGES: Final = 256
_LONG_WAL_PAGES: Final = 16384


E = TypeVar("E", bound=Exception)


@dataclass(frozen=True, slots=True)
class _Request:
    fn: Callable[[Connection], Any]
    future: "Future[Any]"
    alone: bool  # outside of any transaction: checkpoints
    after: Callable[[Any], None] | None = None


class Writer:
    """Owns the writing connection. `free_bytes()` tells the space left on its disk; below min_free_bytes writes are refused."""

    def __init__(self, connection: Connection, free_bytes: Callable[[], int], min_free_bytes: int = 0) -> None:
        self._connection = connection
        self._free_bytes = free_bytes
        self._min_free_bytes = min_free_bytes
        self._queue: deque[_Request] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._drained = False
        self._stopped: RpsdError | None = None
        self._wal_pages = 0
        self._checkpointed = 0
        self.heartbeat_ns = time.monotonic_ns()
        self.commits = 0
        connection.set_wal_hook(self._note_wal)
        self._thread = threading.Thread(target=self._run, name="rpsd-writer", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the thread lives and no I/O error has stopped it."""
        return self._stopped is None and self._thread.is_alive()

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def beat(self) -> None:
        """Give a sign of life; long work of the thread calls it now and then."""
        self.heartbeat_ns = time.monotonic_ns()

    def submit(self, fn: Callable[[Connection], T], *, alone: bool = False, after: Callable[[T], None] | None = None) -> "Future[T]":
        """Queue fn; its future resolves after the commit, and `after` has been called with its value by then: see Database.write.

        Raises Unavailable when the queue is full or the writer has ended.
        """
        future: Future[T] = Future()
        with self._wake:
            if self._stopped is not None or self._closing:
                raise self._stopped or Unavailable("the store is closing")
            if len(self._queue) >= QUEUE_REQUESTS:
                raise Unavailable(f"{QUEUE_REQUESTS} writes are waiting already", retry_after=1.0)
            self._queue.append(_Request(fn, future, alone, after))
            self._wake.notify()
        return future

    def close(self) -> None:
        """Finish what is queued, end the thread, empty the log into the database file and close the connection."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        if self._drained:
            self._drained = False
            with contextlib.suppress(apsw.Error):  # the log is durable as it is; the next start reads it
                checkpoint(self._connection, truncate=True)
        self._connection.close()

    def _run(self) -> None:
        try:
            while (group := self._take()) is not None and self._stopped is None:
                self.heartbeat_ns = time.monotonic_ns()
                if group and group[0].alone:
                    self._run_alone(group[0])
                elif group:
                    self._commit(group)
                self._checkpoint_when_due(idle=not group)
        except apsw.Error as error:
            self._stop(translated(error, self._free_bytes())[0])
        finally:
            self._drained = self._stopped is None
            self._stop(self._stopped or Unavailable("the writer has ended"))

    def _take(self) -> list[_Request] | None:
        """The next group: what waits now, up to an alone request; empty after an idle beat, None at the end."""
        with self._wake:
            if not self._queue and not self._closing:
                self._wake.wait(BEAT_SECONDS)
            if not self._queue:
                return None if self._closing else []
            group = [self._queue.popleft()]
            while self._queue and not (group[0].alone or self._queue[0].alone) and len(group) < GROUP_REQUESTS:
                group.append(self._queue.popleft())
        return [request for request in group if request.future.set_running_or_notify_cancel()]

    def _commit(self, group: list[_Request]) -> None:
        """Run the group in one transaction, then answer each: all after the commit, or all with why there was none."""
        try:
            if self._min_free_bytes and self._free_bytes() < self._min_free_bytes:
                raise DiskFull(f"less than {self._min_free_bytes} bytes are free", retry_after=5.0)
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._attempt(request) for request in group]
            self._connection.execute("COMMIT")
            self.commits += 1  # before the answers: who has one finds the number moved on
        except (apsw.Error, RpsdError) as error:
            reason, may_go_on = (_bare(error), True) if isinstance(error, RpsdError) else translated(error, self._free_bytes())
            self._roll_back()
            if not may_go_on:
                self._stop(reason)  # before the answers, so that nobody who sees one finds the writer healthy
            for request in group:
                request.future.set_exception(reason)
            return
        for request, (value, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                _tell(request, value)
                request.future.set_result(value)
            else:
                request.future.set_exception(failure)

    def _attempt(self, request: _Request) -> tuple[Any, BaseException | None]:
        """Run one request in its savepoint: its failure undoes its own changes only. A failure of the disk is raised."""
        connection = self._connection
        connection.execute("SAVEPOINT request")
        value, failure = None, None
        try:
            value = request.fn(connection)
        except Exception as error:
            if is_storage_failure(error):
                raise
            if not connection.in_transaction:
                raise Unavailable("the transaction was lost; nothing was stored", retry_after=1.0) from error
            damaged = isinstance(error, (apsw.CorruptError, apsw.NotADBError))
            failure = CorruptData(f"the database file is damaged ({type(error).__name__})") if damaged else _bare(error)
            connection.execute("ROLLBACK TO request")
        connection.execute("RELEASE request")
        self.heartbeat_ns = time.monotonic_ns()
        return value, failure

    def _roll_back(self) -> None:
        """End whatever transaction is left open; after an I/O error SQLite has often done so itself."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            self._stop(translated(error, self._free_bytes())[0])

    def _run_alone(self, request: _Request) -> None:
        try:
            request.future.set_result(request.fn(self._connection))
        except apsw.Error as error:
            reason, may_go_on = translated(error, self._free_bytes())
            if not may_go_on:
                self._stop(reason)
            request.future.set_exception(reason)
        except Exception as error:  # noqa: BLE001  (as in _attempt)
            request.future.set_exception(_bare(error))

    def _stop(self, reason: RpsdError) -> None:
        """Refuse everything from now on: nothing may be acknowledged by a writer that does not know what the disk holds."""
        with self._wake:
            self._stopped = self._stopped or reason
            waiting = list(self._queue)
            self._queue.clear()
        for request in waiting:
            if request.future.set_running_or_notify_cancel():
                request.future.set_exception(self._stopped)

    def _note_wal(self, _connection: Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint_when_due(self, *, idle: bool) -> None:
        """Move committed pages into the database file after the answers are out; a WAL that readers keep from ending is cut when it can."""
        if self._wal_pages < self._checkpointed:
            self._checkpointed = 0  # the WAL has begun anew
        if self._stopped is not None or self._wal_pages - self._checkpointed < (_IDLE_PAGES if idle else BUSY_PAGES):
            return
        self._checkpointed = self._wal_pages
        try:
            checkpoint(self._connection, truncate=self._wal_pages > _LONG_WAL_PAGES)
        except apsw.Error as error:
            reason, may_go_on = translated(error, self._free_bytes())
            if not may_go_on:
                self._stop(reason)


def _bare(error: E) -> E:
    """The error; a refusal, which says all in words, without its frames and what was behind it.

    They hold the request, and that its future, and that the error: a ring that would stay in memory until the collector comes by.
    """
    if isinstance(error, RpsdError) and error.kind is not Kind.INTERNAL:  # of those the log wants to know where
        error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


def _tell(request: _Request, value: Any) -> None:
    """Say that the request is durable. What goes wrong in saying so is a fault of this program, and no reason to fail what is on disk."""
    if request.after is None:
        return
    try:
        request.after(value)
    except Exception:  # noqa: BLE001 - logged, and the next request must be answered
        logger(operation="store").exception("what was committed could not be told", error_code=InternalError.code)


def checkpoint(connection: Connection, *, truncate: bool) -> None:
    """Checkpoint without ever waiting for readers for longer than a moment."""
    connection.set_busy_timeout(100)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE if truncate else apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.BusyError:
        pass  # a reader still needs the WAL; the next attempt will find it gone
    finally:
        connection.set_busy_timeout(10000)
