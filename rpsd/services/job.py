"""Jobs as clients see them: ask for a run, look at runs, cancel one."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rpsd.core.errors import Fault, InvalidRequest, Unavailable, UnknownJob
from rpsd.core.job import JobRun, JobState
from rpsd.core.market import SECOND_NS
from rpsd.services.events import EventHub
from rpsd.store import audit
from rpsd.store import job as rows
from rpsd.store.db import Database
from rpsd.store.idempotency import Once, run_once
from rpsd.store.practices import Connection

CHANNEL: Final = "jobs"
"""Events: {"event": queued | running | progress | ended, "job": …} with the job of GET /jobs/{id}, without its result."""
_MOST_WITH_DATA: Final = 16
"""Runs that came with data and have not ended: their data, up to 16 MB each, lie in the database."""
_LONGEST: Final = 200
"""Characters of an argument, which its row and the audit log keep."""
_PACE_NS: Final = SECOND_NS
"""Between two events on how far a run is."""
_FOLLOWED: Final = 1024
"""Runs whose progress is remembered; far fewer run at a time."""


def _is_short(argument: Any) -> bool:
    return isinstance(argument, str) and len(argument) <= _LONGEST


def _check_room(c: Connection, name: str) -> None:
    """Raise Unavailable when no more data may wait."""
    if (waiting := rows.inputs(c)) >= _MOST_WITH_DATA:
        hint = "Wait until one has ended, or cancel one: GET /api/v1/jobs lists them."
        raise Unavailable(f"{waiting} runs of {name} and the like wait already", hint=hint, retry_after=10.0)


class JobService:
    """Runs of jobs, on top of the job table. What a job does is the business of rpsd.jobs.

    `on_enqueue` is set whenever a run was asked for or cancelled: the runner waits on it. `offered` holds name and summary of every job;
    and `arguments` the names that its args may have; the runner fills them in, and while they are empty anything is taken.
    """

    def __init__(self, database: Database, clock: Callable[[], int], events: EventHub) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._followed: OrderedDict[int, tuple[int, float, str]] = OrderedDict()
        self.on_enqueue = threading.Event()
        self.offered: Mapping[str, str] = {}
        self.arguments: Mapping[str, tuple[str, ...]] = {}

    def enqueue(
        self, name: str, args: Mapping[str, Any], *, by: str, once: Once | None = None, data: bytes | None = None
    ) -> dict[str, Any]:
        """Ask for a run now; durable when this returns. The answer is the contract's job. `data` is what it works on, see given().

        Raises UnknownJob, InvalidRequest, IdempotencyConflict, Unavailable when too many that came with data wait already.
        """
        if self.offered and name not in self.offered:
            raise UnknownJob(f"there is no job {name[:40]!r}; there are {', '.join(self.offered)}")
        self._check(name, args)
        now_ns, queued = self._clock(), list[JobRun]()

        def write(c: Connection) -> dict[str, Any]:
            def add() -> dict[str, Any]:
                run = rows.enqueue(c, name, dict(args), str(by), now_ns)
                queued.append(run)
                if data is not None:
                    _check_room(c, name)
                    rows.give(c, run.id, data)
                audit.append(c, by, "job.run", name, {"job": run.id, "args": dict(args)}, now_ns)
                return run.as_dict()

            return run_once(c, once, now_ns, add)[0]

        answer = self._database.write(write, lambda _: self.tell(queued)).result()
        self.on_enqueue.set()
        return answer

    def tell(self, runs: Sequence[JobRun]) -> None:
        """Say on the channel where these runs stand now; call it once that is durable, in the order of the commits.

        How far a run is, is said when it has changed, and at most once a second.
        """
        for run in runs:
            event = "ended" if run.state.final else run.state.value
            if run.state is JobState.RUNNING:
                held = self._followed.get(run.id)
                if held is not None and not _is_news(held, run, self._clock()):
                    continue
                event = "running" if held is None and run.progress == 0.0 else "progress"
                self._followed[run.id] = (self._clock(), run.progress, run.message)
                while len(self._followed) > _FOLLOWED:
                    self._followed.popitem(last=False)
            else:
                self._followed.pop(run.id, None)
            told = {name: value for name, value in run.as_dict().items() if name != "result"}
            self._events.publish(CHANNEL, {"event": event, "job": told})

    def given(self, job_id: int) -> bytes | None:
        """The data that came with the run, None without any; gone when the run has ended."""
        return self._database.read(lambda c: rows.given(c, job_id))

    def _check(self, name: str, args: Mapping[str, Any]) -> None:
        """Raise InvalidRequest for arguments that the job does not have, or that are no short text."""
        known = self.arguments.get(name)
        if known is None:
            return
        unknown = f"unknown; {name} takes {', '.join(known) or 'no arguments'}"
        faults = [Fault(f"/args/{key[:40]}", unknown) for key in args if key not in known]
        faults += [
            Fault(f"/args/{key}", f"expected a text of at most {_LONGEST}") for key in known if key in args and not _is_short(args[key])
        ]
        if faults:
            raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)

    def page(
        self, after: int | None = None, limit: int = 100, name: str | None = None, state: str | None = None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Runs, newest first, and the cursor of the next page or None. Raises InvalidRequest for a state that does not exist."""
        if state is not None and state not in set(JobState):
            raise InvalidRequest(
                f"no job is ever {state[:40]!r}; states are {', '.join(JobState)}", errors=[Fault("/state", "unknown state")]
            )
        runs = self._database.read(lambda c: rows.page(c, after, limit + 1, name, state))
        return [run.as_dict() for run in runs[:limit]], runs[limit - 1].id if len(runs) > limit else None

    def find(self, job_id: int) -> dict[str, Any]:
        """The run with this id. Raises UnknownJob."""
        return self._database.read(lambda c: rows.find(c, job_id)).as_dict()

    def cancel(self, job_id: int, *, by: str) -> dict[str, Any]:
        """Cancel a queued run at once, ask a running one to stop (its state follows within a second or two).

        Raises UnknownJob, StateConflict when it has ended already.
        """
        now_ns = self._clock()

        def write(c: Connection) -> JobRun:
            run = rows.cancel(c, job_id, now_ns)
            audit.append(c, by, "job.cancel", run.name, {"job": job_id}, now_ns)
            return run

        answer = self._database.write(write, lambda run: self.tell([run])).result()
        self.on_enqueue.set()
        return answer.as_dict()


def _is_news(held: tuple[int, float, str], run: JobRun, now_ns: int) -> bool:
    """Whether the run has got on since it was last told, and that was long enough ago."""
    return held[1:] != (run.progress, run.message) and abs(now_ns - held[0]) >= _PACE_NS
