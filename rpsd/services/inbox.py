"""The inbox: files that are dropped into a folder are imported whole, then moved to done/, or to failed/ with the reason beside them."""

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.errors import BodyTooLarge, InternalError, InvalidRequest, Kind, RpsdError
from rpsd.services.intake.dropped import FLAGS, SIDECAR, Look, is_being_written, look, parsed, said_of, shown
from rpsd.services.intake.shelf import DONE, FAILED, REASON, count, put
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.services.job import JobService
    from rpsd.services.series import SeriesService

JOB: Final = "inbox"
BY: Final = "inbox"
"""Who the audit log and the job's row name."""
_LOOK_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 2.0
"""Between the two looks that must find a file unchanged."""
_AGAIN_SECONDS: Final = 60.0
"""How soon files that were left where they are, such as on a full disk, are tried again."""
_MOST_REASONS: Final = 100
_CLOSED: Final = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO)
"""Why a file cannot be opened now nor later; anything else may pass."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many files wait and have failed, when this process last imported one (ns UTC), and a code when the folder is of no use."""

    waiting: int = 0
    failed: int = 0
    last_ns: int | None = None
    trouble: str = ""

    def part(self) -> tuple[str, str]:
        """State and code for health; failed files are `degraded` until somebody has taken them away."""
        code = self.trouble or ("files_failed" if self.failed else "")
        return ("degraded" if code else "healthy", code)

    def as_dict(self) -> dict[str, Any]:
        """For detailed health."""
        last = None if self.last_ns is None else instant.text(self.last_ns)
        return {"waiting": self.waiting, "failed": self.failed, "last_import": last}


EMPTY: Final = Standing()


class Inbox:
    """Looks for files every few seconds and asks for a run of the job when there are any; sweep() is that run.

    A file counts as written when two looks find it unchanged, no process has it open for writing as far as the kernel tells, and its last
    line has an end. It is imported in one transaction, and moved when that is durable: a crash in between imports it again, which changes
    nothing. Whoever writes slowly should write elsewhere on the same disk and rename.
    """

    def __init__(self, settings: "Settings", series: "SeriesService", job: "JobService", clock: Callable[[], int]) -> None:
        self._dir, self._pattern = settings.inbox.dir, settings.inbox.pattern
        self._most_bytes = settings.server.max_stream_bytes
        self._series, self._job, self._clock = series, job, clock
        self._last_ns: int | None = None
        self._trouble = ""
        self._asked: tuple[dict[Path, Look], float] = ({}, 0.0)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look every few seconds until close()."""
        self._thread = threading.Thread(target=self._watch, name="inbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def standing(self) -> Standing:
        """How the inbox is; reads two folders."""
        try:
            waiting = len(self._found())
            failed = count(self._dir / FAILED)
        except OSError:
            return Standing(0, 0, self._last_ns, "inbox_unreadable")
        return Standing(waiting, failed, self._last_ns, self._trouble)

    def sweep(self, go_on: Callable[[float, str], None] = lambda _share, _message: None) -> dict[str, Any]:
        """Import every file that is wholly there: {"imported", "failed", "waiting", "rows"}. `go_on` may raise to stop between two files.

        Raises Unavailable, DiskFull and the like when the store takes no writes; the files stay for the next run.
        """
        result = {"imported": 0, "failed": 0, "waiting": 0, "rows": 0}
        before = self._found()
        if not before:
            return result
        self._stop.wait(_SETTLE_SECONDS)
        settled = [file for file, look in self._found().items() if before.get(file) == look]
        for number, file in enumerate(sorted(settled)):
            go_on(number / len(settled), shown(file.name))
            rows = self._one(file)
            if rows is None:
                result["waiting"] += 1
            elif rows < 0:
                result["failed"] += 1
            else:
                result["imported"] += 1
                result["rows"] += rows
        return result

    def _found(self) -> dict[Path, Look]:
        """The files that may be taken, with how they look. Raises OSError when the folder cannot be read."""
        found = {}
        with suppress(FileNotFoundError), os.scandir(self._dir) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".") or entry.name.endswith((SIDECAR, REASON, ".partial", ".part", ".tmp"))
                if not hidden and fnmatchcase(entry.name, self._pattern) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        found[Path(entry.path)] = look(entry.stat(follow_symlinks=False))
        return found

    def _one(self, file: Path) -> int | None:
        """Import and move one file: its rows, -1 when it went to failed/, None when it is to wait. Raises what may pass."""
        try:
            descriptor = os.open(file, FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._closed(file, error)
        with os.fdopen(descriptor, "rb") as stream:
            before = os.fstat(descriptor)
            if is_being_written(descriptor, before, file):
                return None
            rows = self._taken(file, stream, before.st_size)
            if look(os.fstat(descriptor)) != look(before):
                return None  # it changed meanwhile: what was read is no fault of it, and the whole comes with the next run
        if isinstance(rows, RpsdError):
            return self._fail(file, rows)
        self._move(file, DONE)
        self._last_ns = self._clock()
        logger(operation=JOB).info(f"{shown(file.name)} imported", data_size=rows, outcome="success")
        return rows

    def _closed(self, file: Path, error: OSError) -> int | None:
        """A file that cannot be opened goes to failed/, or waits when that may pass, such as too many open files."""
        told = f"{shown(file.name)} cannot be opened: {error.strerror}"
        if error.errno in _CLOSED:
            return self._fail(file, InvalidRequest(told))
        self._trouble = "inbox_unreadable"
        logger(operation=JOB).warning(told, outcome="error")
        return None

    def _taken(self, file: Path, stream: Any, size: int) -> int | RpsdError:
        """Import one file: its rows, or why they cannot be taken. Raises what may pass."""
        try:
            return self._import(file, stream, size)
        except RpsdError as error:
            if error.kind is Kind.BUSY:
                raise
            return error
        except Exception as error:  # noqa: BLE001 - one file must not keep all others waiting
            logger(operation=JOB).error(f"{shown(file.name)} could not be imported", exc_info=error, outcome="error")
            return InternalError("an unexpected error; the log names it")

    def _import(self, file: Path, stream: Any, size: int) -> int:
        if size > self._most_bytes:
            raise BodyTooLarge(f"{shown(file.name)} has {size} bytes; server.max_stream_bytes allows {self._most_bytes}")
        said = said_of(file)
        rows = parsed(file, stream, size, said)
        if os.fstat(stream.fileno()).st_size < size:
            raise InvalidRequest(f"{shown(file.name)} was cut short while it was read")
        answer = self._series.append(said.symbol, said.interval, rows.samples, rejected=rows.rejected, by=BY)
        return int(answer["accepted"])

    def _fail(self, file: Path, error: RpsdError) -> int:
        """Put the file aside, with the reason beside it."""
        listed = [f"{fault.pointer}: {fault.reason}" for fault in error.errors[:_MOST_REASONS]]
        text = "\n".join([f"{error.code}: {error.detail}", f"hint: {error.advice}", *listed]) + "\n"
        told = f"{shown(file.name)} could not be imported: {shown(error.detail)}"
        logger(operation=JOB).warning(told, error_code=error.code, outcome="error")
        self._move(file, FAILED, text)
        return -1

    def _move(self, file: Path, where: str, reason: str = "") -> None:
        """Put the file with what belongs to it into a folder of the inbox; where that cannot be done it stays, and health says so."""
        stamp = instant.text(self._clock() // 10**9 * 10**9).replace("-", "").replace(":", "")
        try:
            put(file, where, stamp, reason)
        except OSError as error:
            self._trouble = "inbox_unwritable"
            logger(operation=JOB).error(f"{shown(file.name)} cannot be moved to {where}: {error.strerror}", outcome="error")
        else:
            self._trouble = ""

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            with suppress(RpsdError, OSError):  # the folder's state shows in health, the store's in its own part
                self._ask()

    def _ask(self) -> None:
        """Ask for a run when there are files that the last one did not see, or left a while ago."""
        found = self._found()
        asked, at = self._asked
        if not found or (found == asked and time.monotonic() - at < _AGAIN_SECONDS) or not self._job.offered:
            return
        latest = self._job.page(None, 1, JOB)[0]
        if latest and latest[0]["state"] in ("queued", "running"):
            return
        self._asked = found, time.monotonic()
        self._job.enqueue(JOB, {}, by=BY)
