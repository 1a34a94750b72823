"""The inbox: files that are dropped into a folder are imported whole, then moved to done/, or to failed/ with the reason beside them."""

import fcntl
import json
import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant, market
from rpsd.core.errors import BodyTooLarge, InternalError, InvalidRequest, Kind, RpsdError
from rpsd.core.market import INTERVALS
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.services.intake.rows import Parsed
    from rpsd.services.job import JobService
    from rpsd.services.series import SeriesService

JOB: Final = "inbox"
BY: Final = "inbox"
"""Who the audit log and the job's row name."""
DONE: Final = "done"
FAILED: Final = "failed"
REASON: Final = ".reason.txt"
"""What the file beside a failed one ends with."""
SIDECAR: Final = ".json"
"""AAPL.csv.json may say what the name AAPL.csv does not; it is moved with its file."""
_WORDS: Final = frozenset({"symbol", "interval", "tz", "date_format", "on_error"})
_NAME: Final = re.compile(rf"(.+)_({'|'.join(INTERVALS)})(?:[_.-].*)?")
_MOST_SIDECAR_BYTES: Final = 4096
_CHUNK: Final = 1 << 20
_LOOK_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 2.0
"""Between the two looks that must find a file unchanged."""
_UNENDED_SECONDS: Final = 60.0
"""A text file whose last line has no end is taken for unfinished for so long."""
_AGAIN_SECONDS: Final = 60.0
"""How soon files that were left where they are, such as on a full disk, are tried again."""
_MOST_REASONS: Final = 100

Look = tuple[int, int, int]
"""Inode, size and time of the last change of a file: alike at two looks, nobody has written."""


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


@dataclass(frozen=True, slots=True)
class _Said:
    """What name and sidecar say of a file."""

    symbol: str
    interval: str
    options: Mapping[str, Any]


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
            failed = sum(not name.endswith((REASON, SIDECAR)) for name in _names(self._dir / FAILED))
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
            go_on(number / len(settled), file.name)
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
                        found[Path(entry.path)] = _look(entry.stat(follow_symlinks=False))
        return found

    def _one(self, file: Path) -> int | None:
        """Import and move one file: its rows, -1 when it went to failed/, None when it is to wait. Raises what may pass."""
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._fail(file, InvalidRequest(f"{file.name} cannot be opened: {error.strerror}"))
        with os.fdopen(descriptor, "rb") as stream:
            before = os.fstat(descriptor)
            if _is_being_written(descriptor, before, file):
                return None
            rows = self._taken(file, stream, before.st_size)
            if rows >= 0 and _look(os.fstat(descriptor)) != _look(before):
                return None  # it grew meanwhile: what was read is stored, and the whole comes with the next run
        if rows >= 0:
            self._move(file, DONE)
            self._last_ns = self._clock()
            logger(operation=JOB).info(f"{file.name} imported", data_size=rows, outcome="success")
        return rows

    def _taken(self, file: Path, stream: Any, size: int) -> int:
        """Import one file: its rows, or -1 when it went to failed/. Raises what may pass."""
        try:
            return self._import(file, stream, size)
        except RpsdError as error:
            if error.kind is Kind.BUSY:
                raise
            return self._fail(file, error)
        except Exception as error:  # noqa: BLE001 - one file must not keep all others waiting
            logger(operation=JOB).error(f"{file.name} could not be imported", exc_info=error, outcome="error")
            return self._fail(file, InternalError("an unexpected error; the log names it"))

    def _import(self, file: Path, stream: Any, size: int) -> int:
        if size > self._most_bytes:
            raise BodyTooLarge(f"{file.name} has {size} bytes; server.max_stream_bytes allows {self._most_bytes}")
        said = _said(file)
        parsed = _parsed(file, stream, said)
        answer = self._series.append(said.symbol, said.interval, parsed.samples, rejected=parsed.rejected, by=BY)
        return int(answer["accepted"])

    def _fail(self, file: Path, error: RpsdError) -> int:
        """Put the file aside, with the reason beside it."""
        listed = [f"{fault.pointer}: {fault.reason}" for fault in error.errors[:_MOST_REASONS]]
        text = "\n".join([f"{error.code}: {error.detail}", f"hint: {error.advice}", *listed]) + "\n"
        logger(operation=JOB).warning(f"{file.name} could not be imported: {error.detail}", error_code=error.code, outcome="error")
        moved = self._move(file, FAILED)
        if moved is not None:
            with suppress(OSError):
                moved.with_name(moved.name + REASON).write_text(text, encoding="utf-8")
        return -1

    def _move(self, file: Path, where: str) -> Path | None:
        """Put the file, and its sidecar, into a folder of the inbox under a name that is free; None when that cannot be done."""
        try:
            folder = self._dir / where
            folder.mkdir(0o750, exist_ok=True)
            target = folder / file.name
            stamp = instant.text(self._clock() // 10**9 * 10**9).replace("-", "").replace(":", "")
            number = 0
            while target.exists():  # a file of that name has come before
                number += 1
                target = folder / f"{file.stem}.{stamp}{f'-{number}' if number > 1 else ''}{file.suffix}"
            file.rename(target)
            sidecar = file.with_name(file.name + SIDECAR)
            if sidecar.is_file():
                sidecar.rename(target.with_name(target.name + SIDECAR))
        except OSError as error:
            self._trouble = "inbox_unwritable"
            logger(operation=JOB).error(f"{file.name} cannot be moved to {where}: {error.strerror}", outcome="error")
            return None
        self._trouble = ""
        return target

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


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return []


def _look(found: os.stat_result) -> Look:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_being_written(descriptor: int, found: os.stat_result, file: Path) -> bool:
    """Whether somebody has the file open for writing, or it ends within a line and was changed lately."""
    if not stat.S_ISREG(found.st_mode) or _is_open_for_writing(descriptor):
        return True
    if _kind(file) == "parquet":
        return False
    ended = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) == b"\n"
    return not ended and abs(time.time() - found.st_mtime) < _UNENDED_SECONDS


def _is_open_for_writing(descriptor: int) -> bool:
    """Whether the kernel says so; it tells the file's owner alone, of others' files nothing is known and False is said."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # ignored by default: a lease that is broken must not end the process
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _kind(file: Path) -> str:
    suffix = file.suffix.lower()
    return "parquet" if suffix in (".parquet", ".pq") else "ndjson" if suffix in (".ndjson", ".jsonl") else "csv"


def _said(file: Path) -> _Said:
    """Symbol, interval and options of the file. Raises InvalidRequest, BadSymbol."""
    found: dict[str, Any] = {}
    if match := _NAME.fullmatch(file.name.rpartition(".")[0] or file.name):
        found = {"symbol": match[1], "interval": match[2]}
    found |= _sidecar(file.with_name(file.name + SIDECAR))
    if "symbol" not in found or "interval" not in found:
        raise InvalidRequest(
            f"{file.name} does not say which series it is", hint="Name it SYMBOL_INTERVAL.csv, such as AAPL_1d.csv, or put a sidecar there."
        )
    options = {name: value for name, value in found.items() if name not in ("symbol", "interval")}
    if options.get("on_error", "reject") not in ("reject", "skip"):
        raise InvalidRequest(f"{file.name}{SIDECAR}: on_error is reject or skip")
    return _Said(market.symbol(found["symbol"]), market.interval(found["interval"]), options)


def _sidecar(file: Path) -> dict[str, str]:
    """What the sidecar says, nothing without one. Raises InvalidRequest."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidRequest(f"{file.name} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(_MOST_SIDECAR_BYTES + 1)
    try:
        found = json.loads(data) if len(data) <= _MOST_SIDECAR_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()) or set(found) - _WORDS:
        raise InvalidRequest(f"{file.name} is no JSON object of {', '.join(sorted(_WORDS))} and texts")
    return found


def _parsed(file: Path, stream: Any, said: _Said) -> "Parsed":
    """The rows of the file. Raises as the readers do."""
    if _kind(file) == "parquet":
        from rpsd.services.intake.parquet import read_parquet

        return read_parquet(file, said.interval, **said.options)
    from rpsd.services.intake.ingest import CsvReader, NdjsonReader

    reader = (NdjsonReader if _kind(file) == "ndjson" else CsvReader)(said.interval, **said.options)
    while chunk := stream.read(_CHUNK):
        reader.feed(chunk)
    return reader.finish()
