"""The tasks of the worker, run where they are asked: for the command line and for tests, which have no server to keep awake."""

from collections.abc import Callable
from typing import Any

from rpsd.core.errors import Cancelled
from rpsd.core.model import Packet
from rpsd.services.compute import Progress
from rpsd.services.tasks import TASKS


class InlineCompute:
    """The interface of LocalCompute without a process; a deadline cannot interrupt anything here."""

    def run(
        self,
        task: str,
        packet: Packet,
        *,
        deadline_seconds: float,  # noqa: ARG002 - nobody could enforce it
        cancelled: Callable[[], bool] | None = None,
        on_progress: Progress | None = None,
    ) -> Packet:
        """The task's answer. Raises what the task raises, and Cancelled before it begins."""
        if cancelled is not None and cancelled():
            raise Cancelled(f"the task {task} was cancelled")
        return dict(TASKS)[task](packet, on_progress or (lambda _share, _words: None))

    def prewarm(self) -> None:
        """Nothing to warm."""

    def status(self) -> dict[str, Any]:
        """No slots."""
        return {"slots": 0, "alive": 0, "busy": 0, "restarts": 0, "pids": [], "last_failure": None}

    def close(self) -> None:
        """Nothing to close."""
