"""Logs: one JSON object a line, written by a thread of its own, so that logging never blocks or fails a request."""

import atexit
import contextlib
import json
import logging
import math
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from rpsd import __version__
from rpsd.telemetry.log_file import LogFile

_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it for tracebacks on a terminal: a tenth of the start
import structlog  # noqa: E402 - after rich is hidden from it

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich

CAPACITY = 10_000
"""Lines that wait at most; then the oldest is dropped and counted."""

_GATHER_SECONDS = 0.02

_KEY = re.compile(r"\brpsd_([A-Za-z0-9]{4,32})_[A-Za-z0-9_-]{16,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON leaves as it is, and a terminal or a viewer takes for a command, a new line, or another direction."""
_SECRET_FIELDS = frozenset({"authorization", "x-api-key", "api_key", "key", "secret", "password", "token", "pepper", "jwt"})
_ECS = {
    "timestamp": "@timestamp", "level": "log.level", "service": "service.name", "operation": "event.action", "user_id": "user.id",
    "message": "message", "request_id": "http.request.id", "version": "service.version", "outcome": "event.outcome",
    "error_code": "error.code", "method": "http.request.method", "route": "url.path", "status": "http.response.status_code",
    "client_ip": "client.ip", "exception": "error.stack_trace", "logger": "log.logger",
}  # fmt: skip
_ECS_VERSION = "8.11.0"
_ECS_OUTCOMES = {"ok": "success", "success": "success", "succeeded": "success", "error": "failure", "failed": "failure"}
"""The schema knows these two and `unknown`; a run that was cancelled or interrupted is the latter."""

Event = MutableMapping[str, Any]


def redact(text: str) -> str:
    """The text without the secret part of API keys and without JWTs; control characters beyond ASCII's are spelt out as in JSON.

    >>> redact("key rpsd_ab12cd34_0123456789abcdef0123 given")
    'key rpsd_ab12cd34_*** given'
    """
    if not text.isascii() or "\x7f" in text:
        text = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if "rpsd_" in text:
        text = _KEY.sub(r"rpsd_\1_***", text)
    return _JWT.sub("[jwt]", text) if "eyJ" in text else text


def _plain(value: Any) -> Any:
    """What JSON cannot hold, in words it can; NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): "***" if str(key).lower() in _SECRET_FIELDS else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value


def _dressed(_logger: Any, level: str, event: Event) -> Event:
    """The fields that every line carries, in the order of the contract."""
    known = {
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "level": {"exception": "ERROR", "warn": "WARNING"}.get(level, level.upper()),
        "service": "rpsd",
        "version": __version__,
        "message": event.pop("event", ""),
    }
    return known | {name: "***" if name.lower() in _SECRET_FIELDS else value for name, value in event.items()}


def _as_ecs(_logger: Any, _level: str, event: Event) -> Event:
    """The same fields under the names of the Elastic Common Schema; what it has no name for goes below rpsd."""
    named = {_ECS.get(name, f"rpsd.{name}"): value for name, value in event.items() if name != "processing_time"}
    if event.get("processing_time") is not None:
        named["event.duration"] = int(float(event["processing_time"]) * 1e9)
    if named.get("client.ip") == "unix":  # the schema wants a number there, and this is what it has for the rest
        named["client.address"] = named.pop("client.ip")
    if "outcome" in event:
        named["event.outcome"] = _ECS_OUTCOMES.get(str(event["outcome"]), "unknown")
    return named | {"ecs.version": _ECS_VERSION}


def _render(_logger: Any, _level: str, event: Event) -> str:
    """One line; a value that cannot be rendered never costs the line."""
    try:
        return redact(json.dumps(_plain(event), default=str, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        kept = {name: value for name, value in event.items() if isinstance(value, str)}
        return redact(json.dumps(kept, ensure_ascii=False))


class LogWriter:
    """A bounded queue of lines and the thread that writes them to a stream and, when named, to a file.

    The thread wakes at the first line and gathers for some milliseconds what comes after it: a busy server wakes it fifty times a second
    and not once a line.
    """

    def __init__(
        self, stream: BinaryIO | None, file: Path | None, *, capacity: int = CAPACITY, on_drop: Callable[[], None] | None = None
    ) -> None:
        self.dropped = 0
        self.on_drop = on_drop
        self._stream, self._file = stream, LogFile(file)
        self._lines: deque[str | threading.Event] = deque()
        self._capacity = capacity
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._awake = False
        self._closing = False
        self._thread = threading.Thread(target=self._write_forever, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Queue the line; when the queue is full the oldest gives way. Takes no lock, and never blocks on the sink."""
        if len(self._lines) >= self._capacity:
            with contextlib.suppress(IndexError):  # the thread has just taken them all
                self._drop(self._lines.popleft())
        self._lines.append(line)
        if not self._awake:
            self._awake = True
            self._wake.set()

    def _drop(self, oldest: "str | threading.Event") -> None:
        if isinstance(oldest, threading.Event):
            oldest.set()
            return
        self.dropped += 1
        if self.on_drop is not None:
            self.on_drop()

    def redirect(self, file: Path | None) -> None:
        """Write to another file from the next line on, or to none."""
        self._file.path = file

    def flush(self, seconds: float = 2.0) -> bool:
        """Wait until everything queued is written, at most so long; whether it was. After close() there is nobody to wait for."""
        if not self._thread.is_alive():
            return not self._lines
        written = threading.Event()
        self._lines.append(written)
        self._hurry.set()
        self._wake.set()
        return written.wait(seconds)

    def close(self) -> None:
        """Write what waits, within two seconds, and end the thread."""
        self.flush()
        self._closing = True
        self._hurry.set()
        self._wake.set()
        self._thread.join(2.0)
        if not self._thread.is_alive():  # else it is held up by its sink, and the file is its own
            self._file.close()

    def _write_forever(self) -> None:
        while not (self._closing and not self._lines):
            self._wake.wait()
            self._hurry.wait(_GATHER_SECONDS)
            self._hurry.clear()
            self._wake.clear()
            self._awake = False  # before the lines are taken: whoever adds one from here on wakes this thread again
            taken: list[str | threading.Event] = []
            with contextlib.suppress(IndexError):  # a full queue gives its oldest away meanwhile
                taken.extend(self._lines.popleft() for _ in range(len(self._lines)))
            batch = [line for line in taken if isinstance(line, str)]
            if batch:
                data = "".join(f"{line}\n" for line in batch).encode("utf-8", "replace")
                # a sink that fails (closed pipe, full disk) must not end the thread: the lines are lost and counted
                self._attempt(self._write_stream, data)
                self._attempt(self._file.write, data)
            for mark in taken:
                if isinstance(mark, threading.Event):
                    mark.set()

    def _attempt(self, write: Callable[[bytes], int], data: bytes) -> None:
        """Write the lines; those that the sink did not take are counted."""
        try:
            taken = write(data)
        except (OSError, ValueError):
            taken = 0
        for _ in range(data.count(b"\n", taken)):
            self.dropped += 1
            if self.on_drop is not None:
                self.on_drop()

    def _write_stream(self, data: bytes) -> int:
        if self._stream is not None:
            self._stream.write(data)
            self._stream.flush()
        return len(data)


class _Sink:
    """What structlog writes through: every level is one put."""

    def __init__(self, writer: LogWriter) -> None:
        self._put = writer.put

    def __getattr__(self, _level: str) -> Callable[[str], None]:
        return self._put


class PlainLine:
    """The line of a request, past the machinery that every other line takes: the same fields, at a tenth of the cost.

    Before configure_logging() it takes the usual way.
    """

    def __init__(self) -> None:
        self._put: Callable[[str], None] | None = None
        self._number, self._ecs = logging.INFO, False
        self._second, self._prefix = 0, ""
        self._encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode

    def configure(self, put: Callable[[str], None], number: int, *, ecs: bool) -> None:
        """Write with `put` what is at or above the level `number`."""
        self._put, self._number, self._ecs = put, number, ecs

    def __call__(self, number: int, message: str, fields: Event) -> None:
        """One line at logging.DEBUG or logging.INFO."""
        if self._put is None:
            structlog.get_logger().log(number, message, **fields)
            return
        if number < self._number:
            return
        level = "INFO" if number == logging.INFO else "DEBUG"
        event: Event = {"timestamp": self._now(), "level": level, "service": "rpsd", "version": __version__, "message": message, **fields}
        if not _SECRET_FIELDS.isdisjoint(fields):
            event = {name: "***" if name in _SECRET_FIELDS else value for name, value in event.items()}
        if self._ecs:
            event = _as_ecs(None, level, event)
        try:
            line = redact(self._encode(event))
        except (TypeError, ValueError, RecursionError):  # NaN, or what has no text
            line = _render(None, level, event)
        self._put(line)

    def _now(self) -> str:
        """UTC to the millisecond; the date is written once a second."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{int((now - second) * 1000):03d}Z"


request_line: Final = PlainLine()
"""Where the edge writes its access log."""


class _Foreign(logging.Handler):
    """Lines of libraries (server, framework) through the same queue."""

    def emit(self, record: logging.LogRecord) -> None:
        event = structlog.get_logger()
        try:
            fields: dict[str, Any] = {"logger": record.name}
            if record.exc_info:
                fields["exc_info"] = record.exc_info
            event.log(max(record.levelno, logging.DEBUG), record.getMessage(), **fields)
        except Exception:  # noqa: BLE001 - a log line never fails its caller
            self.handleError(record)


def configure_logging(
    level: str = "INFO",
    format: Literal["flat", "ecs"] | str = "flat",
    file: Path | None = None,
    *,
    writer: LogWriter | None = None,
    stream: BinaryIO | None = None,
    on_drop: Callable[[], None] | None = None,
) -> LogWriter:
    """Log from `level` on, to stdout (or `stream`) and to `file`; called again with the `writer` it changes level, format and file.

    Returns the writer; its close() flushes at most two seconds, which also happens at exit.
    """
    if writer is None:
        writer = LogWriter(stream if stream is not None else sys.stdout.buffer, file, on_drop=on_drop)
        atexit.register(writer.close)
    else:
        writer.redirect(file)
    number = logging.getLevelNamesMapping()[level]
    sink = _Sink(writer)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _dressed,
            *([_as_ecs] if format == "ecs" else []),
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    request_line.configure(writer.put, number, ecs=format == "ecs")
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _Foreign):
            root.removeHandler(handler)
    root.addHandler(_Foreign())
    root.setLevel(max(number, logging.WARNING))  # the chatter of libraries is not ours to log
    return writer


def logger(**bound: Any) -> Any:
    """A logger whose lines carry the given fields: logger(operation="denoise").info("denoised", data_size=1741)."""
    return structlog.get_logger(**bound)
