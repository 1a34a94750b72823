"""One worker slot: a process and the thread that owns it, killed and refilled whenever it does not behave."""

import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rpsd.core.errors import ERRORS, Fault, InternalError, RpsdError, WorkerFailed
from rpsd.core.model import Packet
from rpsd.services.frame import FrameReader, framed
from rpsd.services.spawning import Spawned, spawn

SLICE_SECONDS: Final = 0.02
"""How long a slot or a caller waits before it looks again whether to stop."""
_IDLE_SECONDS: Final = 0.5
_PIECE: Final = 1 << 20
_CODES: Final = {error.code: error for error in ERRORS}

Progress = Callable[[float, str], None]
"""Called with the progress in [0, 1] and a few words."""


@dataclass(slots=True)
class Call:
    """One request on its way: `stop` asks the slot to give up, `done` says that answer or error stands."""

    task: str
    packet: Packet
    on_progress: Progress | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Packet | None = None
    error: RpsdError | None = None


class _Stopped(Exception):
    """The caller has given up, or the server is closing."""


class Slot(threading.Thread):
    """One worker process and the thread that owns it.

    The thread, not its callers, spawns the process, which dies with the thread that spawned it. `first` was spawned before by another.
    """

    def __init__(
        self, calls: "queue.SimpleQueue[Call | None]", number: int, memory_bytes: int, tasks: str, first: Spawned | None = None
    ) -> None:
        super().__init__(name=f"worker-slot-{number}", daemon=True)
        self._calls, self._memory_bytes, self._tasks = calls, memory_bytes, tasks
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._spawned = 0
        self.closing = threading.Event()
        self.busy = False
        self.last_failure: str | None = None
        if first is not None:
            self._take(first)

    @property
    def pid(self) -> int | None:
        """Process id of the present worker."""
        process = self._process
        return process.pid if process is not None else None

    @property
    def alive(self) -> bool:
        """Whether the worker process runs."""
        process = self._process
        return process is not None and process.returncode is None

    @property
    def restarts(self) -> int:
        """How often the slot was refilled."""
        return max(0, self._spawned - 1)

    def run(self) -> None:
        """Serve calls until None comes."""
        while not self.closing.is_set():
            self._refill()
            try:
                call = self._calls.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                continue
            if call is None:
                break
            if not call.stop.is_set():
                self._serve(call)
        self._discard(patience_seconds=0.0)

    def _serve(self, call: Call) -> None:
        self.busy = True
        try:
            self._refill()  # it may have died since the slot looked last
            call.answer = self._exchange(call)
        except _Stopped:
            self._discard(patience_seconds=0.0)
            call.error = WorkerFailed("the worker was shut down while the task ran")
        except OSError:  # the socket broke: the process is dead or dying
            call.error = WorkerFailed(f"the worker was lost during {call.task}: {self._discard()}")
        except RpsdError as error:
            call.error = error
        except Exception as error:  # noqa: BLE001 - on_progress is foreign code; the slot's thread must live on
            self._discard()
            call.error = InternalError(f"the progress of {call.task} could not be reported: {type(error).__name__}")
        finally:
            self.busy = False
            if isinstance(call.error, WorkerFailed):
                self.last_failure = call.error.detail
            call.done.set()

    def _refill(self) -> None:
        """A living process in the slot."""
        if self._process is not None and self._process.poll() is not None:
            self.last_failure = f"the idle worker was lost: {self._discard()}"
        if self._process is not None:
            return
        self._take(spawn(self._memory_bytes, self._tasks))

    def _take(self, spawned: Spawned) -> None:
        self._process, self._link = spawned
        self._link.settimeout(SLICE_SECONDS)
        self._spawned += 1

    def _discard(self, patience_seconds: float = 0.5) -> str:
        """Kill and reap the process; how it ended, in words. One that is dying by itself gets a moment, so that the reason is its own."""
        process, link = self._process, self._link
        self._process = self._link = None
        if process is None or link is None:
            return "it was not running"
        link.close()
        try:
            status = process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status >= 0:
            return f"exit status {status}"
        name = signal.Signals(-status).name
        return f"{name} (out of memory, or killed by hand)" if name == "SIGKILL" else name

    def _exchange(self, call: Call) -> Packet:
        """Send the request and follow its frames to the answer. Raises the task's error, OSError when the process is gone, _Stopped."""
        self._send(framed(Packet({"task": call.task, "head": dict(call.packet.head)}, call.packet.arrays)), call)
        reader = FrameReader()
        while True:
            for frame in reader.feed(self._receive(call)):
                if frame.head["kind"] == "result":
                    return Packet(frame.head["head"], frame.arrays)
                if frame.head["kind"] == "error":
                    raise self._error(frame)
                if call.on_progress is not None:
                    call.on_progress(frame.head["progress"], frame.head["message"])

    def _error(self, frame: Packet) -> RpsdError:
        head = frame.head
        if head["fatal"]:
            self._discard()
        faults = tuple(Fault(pointer, reason) for pointer, reason in head["errors"])
        error = _CODES.get(head["code"], InternalError)(head["detail"], errors=faults, hint=head["hint"], retry_after=head["retry_after"])
        if head["trace"]:
            error.add_note(head["trace"])
        return error

    def _send(self, data: bytes, call: Call) -> None:
        assert self._link is not None
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._link.send(rest) :]
            except TimeoutError:
                self._look_for_stop(call)

    def _receive(self, call: Call) -> bytes:
        assert self._link is not None
        while True:
            self._look_for_stop(call)
            try:
                piece = self._link.recv(_PIECE)
            except TimeoutError:
                continue
            if not piece:
                raise ConnectionResetError("the worker closed its socket")
            return piece

    def _look_for_stop(self, call: Call) -> None:
        if call.stop.is_set() or self.closing.is_set():
            raise _Stopped
