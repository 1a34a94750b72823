"""The runner's side of the job table: what is due, who runs it, how it ended, and whether it is tried again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from rpsd.core.job import JobRun, JobState
from rpsd.core.market import SECOND_NS
from rpsd.store import job as rows
from rpsd.store import setting
from rpsd.store.db import Database
from rpsd.store.practices import Connection

BY: Final = "scheduler"
"""Who asked for a run that came by its schedule."""
RETRY_SECONDS: Final = (60, 300, 1800)
"""Waits before each further attempt of a scheduled run that failed for a reason that may pass; then its next occasion is awaited."""
_LEASE_SECONDS: Final = 60.0
_NEVER_NS: Final = 1 << 62


class Recurring(Protocol):
    """A schedule."""

    def after(self, instant_ns: int) -> int:
        """The first occasion later than the instant, in ns UTC."""
        ...


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. `may_pass`: another attempt could fare better."""

    state: JobState
    result: Mapping[str, Any] | None = None
    error_code: str | None = None
    message: str = ""
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Sign:
    """A running job's sign of life: progress in [0, 1], words, and the end of the lease that it asks for."""

    run_id: int
    progress: float
    message: str
    lease_until_ns: int


class JobQueue:
    """Each method is one transaction; two queues on one database never hand out a run twice."""

    def __init__(self, database: Database, tell: Callable[[list[JobRun]], None] | None = None) -> None:
        """`tell` hears of every run that has changed, once that is durable; it must return at once."""
        self._database = database
        self._tell = tell or (lambda _: None)

    def installation(self) -> int:
        """A number of this database's own: when it was made, in ns UTC."""
        return int(self._database.read(lambda c: setting.find(c, "created_ns")) or 0)

    def queue_due(self, schedules: Mapping[str, Recurring], now_ns: int) -> int:
        """Queue a run of every job whose time has come; the next moment (ns UTC) at which any will be due."""

        queued: list[JobRun] = []

        def write(c: Connection) -> int:
            for name, schedule in schedules.items():
                queued.extend(_queue_if_due(c, name, schedule, now_ns))
            return min((stored.next_ns for stored in rows.schedules(c) if stored.name in schedules), default=_NEVER_NS)

        return self._database.write(write, lambda _: self._tell(queued)).result()

    def claim(self, now_ns: int, owner: str) -> JobRun | None:
        """The oldest queued run that is due, now ours; or None."""

        def told(run: JobRun | None) -> None:
            self._tell([] if run is None else [run])

        return self._database.write(lambda c: rows.claim(c, now_ns, _LEASE_SECONDS, owner), told).result()

    def depth(self) -> int:
        """Runs that are queued."""
        return self._database.read(rows.depth)

    def unwanted(self, run_ids: Sequence[int]) -> set[int]:
        """Which of these runs somebody has asked to cancel."""
        return self._database.read(lambda c: {run_id for run_id in run_ids if rows.find(c, run_id).cancel_requested})

    def renew(self, signs: Sequence[Sign]) -> None:
        """Write the signs of life."""

        def write(c: Connection) -> list[JobRun]:
            for sign in signs:
                rows.heartbeat(c, sign.run_id, sign.progress, sign.message, sign.lease_until_ns)
            return [rows.find(c, sign.run_id) for sign in signs]

        self._database.write(write, self._tell).result()

    def end(self, run: JobRun, end: End, now_ns: int) -> None:
        """Record the end of a run, and with it the next attempt if there is to be one. Raises StateConflict when it has ended before."""

        def write(c: Connection) -> list[JobRun]:
            ended = rows.finish(c, run.id, end.state, end.result, end.error_code, end.message, now_ns)
            return [ended, *(_try_again(c, run, now_ns) if end.may_pass else ())]

        self._database.write(write, self._tell).result()

    def interrupt_orphans(self, now_ns: int) -> int:
        """Record what a dead process left running as interrupted, and queue the scheduled ones again; how many there were."""

        changed: list[JobRun] = []

        def write(c: Connection) -> int:
            orphans = rows.page(c, None, 1000, None, JobState.RUNNING.value)
            count = rows.interrupt_orphans(c, now_ns)
            for run in orphans:
                changed.extend([rows.find(c, run.id), *_try_again(c, run, now_ns)])
            return count

        return self._database.write(write, lambda _: self._tell(changed)).result()


def _queue_if_due(c: Connection, name: str, schedule: Recurring, now_ns: int) -> list[JobRun]:
    """The run that was queued, if one was."""
    stored, queued = rows.schedule_get(c, name), list[JobRun]()
    if stored is None or not _stands(schedule, stored.next_ns, now_ns):
        rows.schedule_set(c, name, schedule.after(now_ns))
    elif stored.next_ns <= now_ns:
        if not _pending(c, name):
            queued.append(rows.enqueue(c, name, {}, BY, now_ns, stored.next_ns))
        rows.schedule_set(c, name, schedule.after(now_ns), last_ns=stored.next_ns)
    return queued


def _stands(schedule: Recurring, next_ns: int, now_ns: int) -> bool:
    """Whether a stored next occasion still holds: it has come, or it is of this schedule and near.

    It does not when the schedule was changed, or when it was computed by a clock that ran far ahead: then the job would sleep until there.
    """
    if next_ns <= now_ns:
        return True
    return schedule.after(next_ns - 1) == next_ns and next_ns <= schedule.after(schedule.after(now_ns))


def _pending(c: Connection, name: str) -> bool:
    """Whether a scheduled run of the job still waits or runs: it stands for this occasion too, and they do not pile up."""
    states = (JobState.QUEUED, JobState.RUNNING)
    return any(run.by == BY for state in states for run in rows.page(c, None, 100, name, state.value))


def _try_again(c: Connection, run: JobRun, now_ns: int) -> list[JobRun]:
    """Queue another attempt of a scheduled run, later each time, a bounded number of times per occasion; the attempt, if there is one."""
    stored = rows.schedule_get(c, run.name)
    if run.by != BY or stored is None or stored.failures >= len(RETRY_SECONDS):
        return []
    wait_ns = RETRY_SECONDS[stored.failures] * SECOND_NS
    queued = rows.enqueue(c, run.name, run.args, BY, now_ns, not_before_ns=now_ns + wait_ns)
    rows.schedule_set(c, run.name, stored.next_ns, failures=stored.failures + 1)
    return [queued]
