"""The worker process: takes a task's frame from its socket, sends progress and one answer back, and owns nothing else."""

import argparse
import ctypes
import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from rpsd.core.errors import InternalError, RpsdError, WorkerFailed
from rpsd.core.model import Packet
from rpsd.services.frame import FrameReader, framed
from rpsd.services.tasks import Task

_NICENESS: Final = 10
_PR_SET_PDEATHSIG: Final = 1
_PIECE: Final = 1 << 20


def main() -> None:
    """Serve tasks on the inherited socket until the server closes it. Started by compute.LocalCompute, never by hand."""
    parser = argparse.ArgumentParser(prog="rpsd worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--tasks", required=True)
    given = parser.parse_args()
    _settle(given.parent, given.memory_bytes)
    tasks = dict(importlib.import_module(given.tasks).TASKS)
    with socket.socket(fileno=given.fd) as link:
        serve(link, tasks)


def _settle(parent: int, memory_bytes: int) -> None:
    """Be nice, die with the parent, keep within the memory cap, leave the group's signals to the parent."""
    os.nice(_NICENESS)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        sys.exit(1)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold market data
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # sent to the whole group; the server decides, and kills
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()  # the last log line of a worker that crashes names the place


def serve(link: socket.socket, tasks: Mapping[str, Task]) -> None:
    """Answer each request frame by progress frames and one of kind `result` or `error`, until the other end closes."""
    reader = FrameReader()
    with suppress(ConnectionError):  # a server that is killed closes without reading; that is its end and ours, not a defect
        while piece := link.recv(_PIECE):
            for request in reader.feed(piece):
                link.sendall(framed(_answer(request, tasks, link)))


def _answer(request: Packet, tasks: Mapping[str, Task], link: socket.socket) -> Packet:
    name = request.head["task"]

    def report(progress: float, message: str) -> None:
        link.sendall(framed(Packet({"kind": "progress", "progress": progress, "message": message}, {})))

    try:
        result = tasks[name](Packet(request.head["head"], request.arrays), report)
        return Packet({"kind": "result", "head": result.head}, result.arrays)
    except RpsdError as error:
        return _refusal(error)
    except MemoryError:
        return _refusal(WorkerFailed(f"the task {name} needs more memory than the worker may take"), fatal=True)
    except Exception as error:  # noqa: BLE001 - whatever a task raises must reach the server as an answer
        return _refusal(InternalError(f"the task {name} raised {type(error).__name__}"), trace=traceback.format_exc())


def _refusal(error: RpsdError, *, trace: str = "", fatal: bool = False) -> Packet:
    """An error as a frame: its code finds the class again; `fatal` asks for a fresh worker, `trace` is for the log only."""
    faults = [[fault.pointer, fault.reason] for fault in error.errors]
    head: dict[str, Any] = {"kind": "error", "code": error.code, "detail": error.detail, "hint": error.advice, "errors": faults}
    return Packet(head | {"retry_after": error.retry_after, "trace": trace, "fatal": fatal}, {})


if __name__ == "__main__":
    main()
