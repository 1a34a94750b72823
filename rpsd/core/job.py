"""One run of a job: who asked, how far it is, how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rpsd.core import instant


class JobState(StrEnum):
    """Where a run stands; the last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


def _stamp(ns: int | None) -> str | None:
    return None if ns is None else instant.text(ns)


@dataclass(frozen=True, slots=True)
class JobRun:
    """A row of the job table. Times in ns UTC; `progress` in [0, 1]; `occasion_ns` is the scheduled moment that it stands for.

    `cancel_requested` tells a running job to stop at its next heartbeat.
    """

    id: int
    name: str
    state: JobState
    args: Mapping[str, Any]
    progress: float
    message: str
    error_code: str | None
    by: str
    occasion_ns: int | None
    queued_ns: int
    started_ns: int | None
    finished_ns: int | None
    lease_until_ns: int | None
    cancel_requested: bool
    result: Mapping[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """The run in the shape of the contract's GET /api/v1/jobs/{id}; times as ISO 8601."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state.value,
            "progress": self.progress,
            "message": self.message,
            "error_code": self.error_code,
            "started": _stamp(self.started_ns),
            "finished": _stamp(self.finished_ns),
            "result": None if self.result is None else dict(self.result),
            "queued": _stamp(self.queued_ns),
            "occasion": _stamp(self.occasion_ns),
            "by": self.by,
            "args": dict(self.args),
        }
