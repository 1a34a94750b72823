"""What a job is: a name, a schedule, and what it does when its time has come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpsd.core.errors import Cancelled

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.services.wiring import Services

ScheduleOf = Callable[["Settings"], str | None]
"""The schedule's text in these settings; None: only by hand."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a running job may touch. `progress(share, message)` and `cancelled()` are cheap: call them often.

    `args` are the run's arguments, `by` who asked (a key id, "cli", or "scheduler"), `run_id` the run's number.
    """

    services: "Services"
    args: Mapping[str, Any]
    by: str
    progress: Callable[[float, str], None]
    cancelled: Callable[[], bool]
    run_id: int = 0

    def go_on(self, share: float, message: str) -> None:
        """Report progress. Raises Cancelled when the run is to stop."""
        if self.cancelled():
            raise Cancelled("the job was stopped")
        self.progress(share, message)


@dataclass(frozen=True, slots=True)
class Job:
    """A member of JOBS. `run` returns the result that the run's row keeps (JSON), and raises to fail.

    `arguments` are the names that its args may have. `lease_seconds`: how long the row stays claimed after the runner's last sign of life.
    `jitter`: the occasions of an interval do not begin with the hour, but at a moment that each installation has of its own.
    """

    name: str
    summary: str
    schedule: ScheduleOf
    run: Callable[[JobContext], dict[str, Any]]
    lease_seconds: float = 60.0
    arguments: tuple[str, ...] = ()
    jitter: bool = False
