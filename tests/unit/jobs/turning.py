"""What the tests of the scheduler share: a clock to turn, rooms on a real SQLite file, a second connection to it."""

import threading
from concurrent.futures import Future
from types import SimpleNamespace

from rpsd.config import read
from rpsd.core.instant import parse as moment
from rpsd.core.market import SECOND_NS
from rpsd.jobs.job import Job
from rpsd.services.events import EventHub
from rpsd.services.job import JobService
from rpsd.store.practices import WRITER, connect
from rpsd.telemetry import Metrics

START = moment("2026-03-01T00:00:00Z")
LONG = 30.0
"""Seconds that only a broken runner lets pass."""
HOUR = 3600 * SECOND_NS
DAY = 24 * HOUR


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self, now_ns=START):
        self.now_ns = now_ns

    def __call__(self):
        return self.now_ns


class OwnConnection:
    """What a second process would be: its own connection to the same file, outside the first one's writer thread."""

    def __init__(self, path):
        self._connection, self._lock = connect(path, WRITER), threading.Lock()

    def read(self, fn):
        with self._lock:
            return fn(self._connection)

    def write(self, fn, after=None):
        future = Future()
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                answer = fn(self._connection)
            except BaseException as error:
                self._connection.execute("ROLLBACK")
                future.set_exception(error)
            else:
                self._connection.execute("COMMIT")
                if after is not None:
                    after(answer)
                future.set_result(answer)
        return future

    def close(self):
        self._connection.close()


def rooms(database, clock, directory, **flags):
    settings = read(None, {}, {"storage.data_dir": str(directory)} | flags)
    health = SimpleNamespace(scheduler_beat_ns=0, maintenance=False)
    return SimpleNamespace(
        settings=settings,
        clock=clock,
        database=database,
        metrics=Metrics(),
        job=JobService(database, clock, EventHub(clock)),
        health=health,
    )


def job(run, schedule="02:00", name="probe"):
    return Job(name, "A job of the tests.", lambda _: schedule, run, arguments=("model",))


def settle(scheduler):
    """Wait for the threads of all running jobs."""
    for running in scheduler._present():
        running.thread.join(LONG)
        assert not running.thread.is_alive()


def live_through(scheduler, clock, until_ns, step_ns):
    while clock.now_ns < until_ns:
        clock.now_ns += step_ns
        scheduler.tick(clock.now_ns)
        settle(scheduler)
        scheduler.tick(clock.now_ns)
        settle(scheduler)


def runs(services, **which):
    return list(reversed(services.job.page(None, 1000, **which)[0]))


def exposition(services):
    from prometheus_client import generate_latest

    return generate_latest(services.metrics.registry)
