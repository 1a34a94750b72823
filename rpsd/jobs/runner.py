"""The scheduler: notices what is due, claims it exactly once, runs it in a thread of its own, and records how it ended."""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import Cancelled, InternalError, Kind, RpsdError, StateConflict, Unavailable, UnknownJob
from rpsd.core.job import JobRun, JobState
from rpsd.core.market import SECOND_NS
from rpsd.jobs import JOBS
from rpsd.jobs.job import Job, JobContext
from rpsd.jobs.schedule import parse
from rpsd.services.queue import End, JobQueue, Sign
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.services.wiring import Services

_BEAT_SECONDS: Final = 1.0
_MAY_PASS: Final = frozenset({Kind.BUSY, Kind.INTERNAL})


@dataclass(slots=True)
class _Running:
    """A claimed run and its thread. `told` is the progress that the database knows; `closed` makes sure that the end is written once."""

    run: JobRun
    job: Job
    renewed_ns: int
    stop: threading.Event = field(default_factory=threading.Event)
    now: tuple[float, str] = (0.0, "")
    told: tuple[float, str] = (0.0, "")
    closed: bool = False
    thread: threading.Thread | None = None

    def report(self, share: float, message: str) -> None:
        self.now = (share, message)


class Scheduler:
    """Owns all recurring work of the process: one thread beats, each job runs in a thread of its own, at most `concurrency` at a time.

    An occasion is unique in the database and a run is claimed by a conditional update: two schedulers on one database run nothing twice.
    Occasions missed while rpsd was down are caught up once, not once each. A clock that is set back runs nothing again.
    """

    def __init__(self, services: "Services", jobs: tuple[Job, ...] = JOBS, *, concurrency: int = 2) -> None:
        self._services = services
        self._jobs = {job.name: job for job in jobs}
        texts = {job.name: job.schedule(services.settings) for job in jobs}
        self._queue = JobQueue(services.database, services.job.tell)
        self._schedules = {name: parse(text, services.settings.jobs.timezone) for name, text in texts.items() if text}
        if wandering := [job.name for job in jobs if job.jitter and job.name in self._schedules]:
            own = self._queue.installation()
            self._schedules |= {name: self._schedules[name].moved(f"{own} {name}") for name in wandering}
        self._owner = uuid.uuid4().hex
        self._concurrency = concurrency
        self._running: dict[int, _Running] = {}
        self._unrecorded: list[tuple[JobRun, End]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_ns = self._next_ns = 0
        self.beat_ns = 0
        services.job.arguments = {job.name: job.arguments for job in jobs}
        services.job.offered = {job.name: job.summary for job in jobs}

    def start(self) -> None:
        """Record the runs that a dead process left behind as interrupted, then beat until stop()."""
        if left := self._queue.interrupt_orphans(self._services.clock()):
            logger().warning("interrupted the runs of an earlier process", operation="jobs", data_size=left)
        self._thread = threading.Thread(target=self._beat, name="scheduler", daemon=True)
        self._thread.start()

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Claim nothing more, ask the running jobs to stop, and record those that have not ended within the grace as interrupted."""
        self._stopping.set()
        self._services.job.on_enqueue.set()
        if self._thread is not None:
            self._thread.join()
        running = self._present()
        for each in running:
            each.stop.set()
        until = time.monotonic() + grace_seconds
        for each in running:
            if each.thread is not None:
                each.thread.join(max(0.0, until - time.monotonic()))
            self._close(each, _interrupted("rpsd was stopped while the job ran"))

    def tick(self, now_ns: int) -> int:
        """One look: queue what is due, stop what was cancelled, renew leases, start what fits; returns how many it started.

        Under maintenance what is due is queued and waits.
        """
        self._record_late(now_ns)
        if now_ns >= self._next_ns or now_ns < self._looked_ns:  # due, or the clock was set back
            self._next_ns = self._queue.queue_due(self._schedules, now_ns)
        self._looked_ns = now_ns
        self._attend(now_ns)
        depth, started = self._queue.depth(), 0
        takes = not self._stopping.is_set() and not self._services.health.maintenance
        while takes and depth > started and len(self._running) < self._concurrency and self._claim(now_ns):
            started += 1
        self._services.metrics.job_queue_depth.set(depth - started)
        return started

    def _beat(self) -> None:
        """Never ends by an error: whatever goes wrong is logged once and tried again with the next beat."""
        trouble, wake = "", self._services.job.on_enqueue
        while not self._stopping.is_set():
            wake.clear()
            now_ns = self._services.clock()
            try:
                self.tick(now_ns)
                trouble = ""
            except Exception as error:  # noqa: BLE001 - the beat must go on; logged below
                if repr(error) != trouble:
                    logger().exception(
                        "the scheduler could not look", operation="jobs", error_code=getattr(error, "code", "internal_error")
                    )
                trouble = repr(error)
            self.beat_ns = self._services.health.scheduler_beat_ns = now_ns
            wake.wait(_BEAT_SECONDS)

    def _attend(self, now_ns: int) -> None:
        """Stop the runs that were cancelled; write progress and leases, all in one transaction and only when there is news."""
        running = self._present()
        if not running:
            return
        unwanted = self._queue.unwanted([each.run.id for each in running])
        signs = []
        for each in running:
            lease_ns = int(each.job.lease_seconds * SECOND_NS)
            if each.run.id in unwanted:
                each.stop.set()
            if each.now != each.told or abs(now_ns - each.renewed_ns) > lease_ns / 3:
                each.told, each.renewed_ns = each.now, now_ns
                signs.append(Sign(each.run.id, *each.told, now_ns + lease_ns))
        if signs:
            self._queue.renew(signs)

    def _claim(self, now_ns: int) -> bool:
        """Start the oldest run that is due; whether there was one."""
        run = self._queue.claim(now_ns, self._owner)
        if run is None:
            return False
        job = self._jobs.get(run.name) or Job(run.name, "", lambda _: None, _unknown)
        running = _Running(run, job, now_ns)
        running.thread = threading.Thread(target=self._work, args=(running,), name=f"job-{run.name}-{run.id}", daemon=True)
        with self._lock:
            self._running[run.id] = running
        running.thread.start()
        return True

    def _work(self, running: _Running) -> None:
        """Run the job to its end, whatever that is."""
        run, began = running.run, time.monotonic()
        log = logger(operation=f"job.{run.name}", user_id=run.by)
        context = JobContext(self._services, run.args, run.by, running.report, running.stop.is_set, run.id)
        try:
            result = running.job.run(context)
            json.dumps(result, allow_nan=False)  # the row must be able to hold it
            end = End(JobState.SUCCEEDED, result)
        except Cancelled as error:
            end = End(JobState.CANCELLED, None, error.code, error.detail)
        except RpsdError as error:
            end = End(JobState.FAILED, None, error.code, error.detail, error.kind in _MAY_PASS)
            log.warning(error.detail, error_code=error.code, exc_info=error.kind is Kind.INTERNAL)
        except Exception:
            end = End(JobState.FAILED, None, InternalError.code, "an unexpected error; the log has it", may_pass=True)
            log.exception("the job raised", error_code=InternalError.code)
        if self._stopping.is_set() and end.state is not JobState.SUCCEEDED:
            end = _interrupted("rpsd was stopped while the job ran")
        self._close(running, end)
        log.info("the job has ended", outcome=end.state.value, processing_time=round(time.monotonic() - began, 3))

    def _close(self, running: _Running, end: End) -> None:
        """Write the end of a run, once, and with it the next attempt if there is to be one."""
        with self._lock:
            if running.closed:
                return
            running.closed = True
        now_ns, run = self._services.clock(), running.run
        is_recorded = self._record(run, end, now_ns)
        if not is_recorded:
            logger().warning("the end of a run could not be recorded yet", operation=f"job.{run.name}", error_code=Unavailable.code)
        with self._lock:
            self._running.pop(run.id, None)
            if not is_recorded:
                self._unrecorded.append((run, end))
        self._services.metrics.job_runs_total.labels(run.name, end.state.value).inc()
        if end.state is JobState.SUCCEEDED:
            self._services.metrics.job_last_success_timestamp_seconds.labels(run.name).set(now_ns / SECOND_NS)
        self._services.job.on_enqueue.set()  # there is room for the next one

    def _record(self, run: JobRun, end: End, now_ns: int) -> bool:
        """Whether the end of the run stands in its row now; a store that takes no writes is asked again with each beat."""
        try:
            self._queue.end(run, end, now_ns)
        except StateConflict:
            return True  # ended by somebody else
        except Exception:  # noqa: BLE001 - a full disk or a stopped writer
            return False
        return True

    def _record_late(self, now_ns: int) -> None:
        """Record what could not be recorded: a row that stays `running` would keep all later occasions of its job from being queued."""
        with self._lock:
            waiting = list(self._unrecorded)
        for one in waiting:
            if not self._record(*one, now_ns):
                return
            with self._lock:
                self._unrecorded.remove(one)

    def _present(self) -> list[_Running]:
        with self._lock:
            return list(self._running.values())


def _interrupted(message: str) -> End:
    return End(JobState.INTERRUPTED, None, "unavailable", message, may_pass=True)


def _unknown(_context: JobContext) -> dict[str, Any]:
    raise UnknownJob("this release has no job of that name")
