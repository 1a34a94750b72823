"""Heavy work in niced worker processes: calls wait in one line for the next free slot."""

import os
import queue
import time
from collections.abc import Callable
from typing import Any, Protocol

from rpsd.core.errors import Cancelled, DeadlineExceeded, Unavailable, WorkerFailed
from rpsd.core.model import Packet
from rpsd.services.slot import SLICE_SECONDS, Call, Progress, Slot
from rpsd.services.spawning import MEMORY_BYTES, TASKS, Spawned

__all__ = ["Compute", "LocalCompute", "Progress", "slots_for"]


class Compute(Protocol):
    """Where heavy tasks run: this machine's worker slots, or a cluster with the same tasks."""

    def run(
        self,
        task: str,
        packet: Packet,
        *,
        deadline_seconds: float,
        cancelled: Callable[[], bool] | None = None,
        on_progress: Progress | None = None,
    ) -> Packet:
        """The task's answer. Raises what the task raised, DeadlineExceeded, Cancelled, or WorkerFailed with the reason."""
        ...

    def prewarm(self) -> None:
        """Have the numerics loaded before the first task; returns at once."""
        ...

    def status(self) -> dict[str, Any]:
        """Facts for the health page, without any waiting."""
        ...

    def close(self) -> None:
        """Stop; what runs ends as WorkerFailed."""
        ...


class LocalCompute:
    """`slots` spawned processes on this machine; calls beyond that number wait in line."""

    def __init__(self, slots: int = 1, *, memory_bytes: int = MEMORY_BYTES, tasks: str = TASKS, first: Spawned | None = None) -> None:
        """`memory_bytes` caps the writable memory of each worker (0: no cap); `tasks` names the module with the TASKS tuple; `first` is
        the worker of the first slot, if it has been spawned already."""
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._closed = False
        self._slots = [Slot(self._calls, number, memory_bytes, tasks, None if number else first) for number in range(slots)]
        for slot in self._slots:
            slot.start()

    def run(
        self,
        task: str,
        packet: Packet,
        *,
        deadline_seconds: float,
        cancelled: Callable[[], bool] | None = None,
        on_progress: Progress | None = None,
    ) -> Packet:
        """The task's answer; the deadline counts from here, waiting in line included.

        Raises what the task raised (same class), DeadlineExceeded and Cancelled (the worker is killed), WorkerFailed (it died; the detail
        says how), Unavailable (closed). `on_progress` is called on the slot's thread.
        """
        if self._closed:
            raise Unavailable("the worker is shut down")
        call = Call(task, packet, on_progress)
        self._calls.put(call)
        until = time.monotonic() + deadline_seconds
        while not call.done.wait(SLICE_SECONDS):
            if cancelled is not None and cancelled():
                call.stop.set()
                raise Cancelled(f"the task {task} was cancelled")
            if time.monotonic() > until:
                call.stop.set()
                raise DeadlineExceeded(f"the task {task} took longer than {deadline_seconds:g} s")
        if call.error is not None:
            raise call.error
        assert call.answer is not None
        return call.answer

    def prewarm(self) -> None:
        """Ask every slot to load the numerics; returns at once. A failure shows in status()."""
        for _ in self._slots:
            self._calls.put(Call("warm", Packet({}, {})))

    def status(self) -> dict[str, Any]:
        """Slots, how many are alive and busy, restarts since the start, and the last failure in words or None."""
        failures = [slot.last_failure for slot in self._slots if slot.last_failure]
        return {
            "slots": len(self._slots),
            "alive": sum(slot.alive for slot in self._slots),
            "busy": sum(slot.busy for slot in self._slots),
            "restarts": sum(slot.restarts for slot in self._slots),
            "pids": [slot.pid for slot in self._slots if slot.pid],
            "last_failure": failures[-1] if failures else None,
        }

    def close(self) -> None:
        """Kill the workers and end the slots' threads; a call that waits or runs ends as WorkerFailed. Safe to repeat."""
        self._closed = True
        for slot in self._slots:
            slot.closing.set()
        for _ in self._slots:
            self._calls.put(None)
        for slot in self._slots:
            slot.join()
        while not self._calls.empty():
            if (call := self._calls.get()) is not None:
                call.error = WorkerFailed("the worker was shut down before the task began")
                call.done.set()


def slots_for(max_workers: int | None) -> int:
    """How many slots fit: what is asked for (None: one), at most one less than the cores, at least one."""
    return max(1, min(max_workers or 1, (os.cpu_count() or 1) - 1))
