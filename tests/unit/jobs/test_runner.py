"""The scheduler: how runs start, end, fail, stop and are tried again."""

import itertools
import threading

import apsw
import pytest

from rpsd.core.errors import Cancelled, DiskFull, TooShort, Unavailable
from rpsd.core.market import SECOND_NS
from rpsd.jobs.job import JobContext
from rpsd.jobs.runner import Scheduler
from rpsd.services.queue import RETRY_SECONDS
from rpsd.store import job as rows
from tests.unit.jobs.turning import HOUR, LONG, START, exposition, job, live_through, runs, settle


def test_a_failure_is_retried_later_each_time_and_not_for_ever(services, clock):
    seen = []

    def fail(context):
        seen.append(clock())
        raise Unavailable("not now")

    scheduler = Scheduler(services, (job(fail),))
    live_through(scheduler, clock, START + 20 * HOUR, 30 * SECOND_NS * 4)
    assert len(seen) == 1 + len(RETRY_SECONDS)
    waits = [(b - a) // SECOND_NS for a, b in itertools.pairwise(seen)]
    assert all(0 <= got - asked <= 240 for got, asked in zip(waits, RETRY_SECONDS, strict=True))
    assert {(run["state"], run["error_code"], run["message"]) for run in runs(services)} == {("failed", "unavailable", "not now")}
    live_through(scheduler, clock, START + 27 * HOUR, HOUR)
    assert len(seen) > 1 + len(RETRY_SECONDS)  # the next night tries anew


@pytest.mark.parametrize(("error", "code"), [(TooShort("3 bars"), "too_short"), (ZeroDivisionError("secret"), "internal_error")])
def test_a_failing_job_is_recorded_and_hurts_nobody(services, clock, error, code):
    def fail(context):
        raise error

    scheduler = Scheduler(services, (job(fail, name="bad"), job(lambda context: {}, name="good")))
    live_through(scheduler, clock, START + 2 * HOUR, HOUR)
    bad, good = (runs(services, name=name)[0] for name in ("bad", "good"))
    assert (bad["state"], bad["error_code"], good["state"]) == ("failed", code, "succeeded")
    assert "secret" not in bad["message"]


def test_a_result_that_no_row_can_hold_is_a_failure(services, clock):
    scheduler = Scheduler(services, (job(lambda context: {"x": float("nan")}),))
    live_through(scheduler, clock, START + 2 * HOUR, HOUR)
    assert runs(services)[0]["state"] == "failed"


def test_a_run_by_hand_starts_with_its_arguments_and_is_not_retried(services, clock):
    seen = []

    def fail(context):
        seen.append((context.args, context.by))
        raise Unavailable("no")

    scheduler = Scheduler(services, (job(fail, None),))
    asked = services.job.enqueue("probe", {"model": "m"}, by="key1")
    live_through(scheduler, clock, START + 3 * HOUR, HOUR)
    assert seen == [({"model": "m"}, "key1")]
    assert services.job.find(asked["id"])["state"] == "failed"


def test_a_run_of_a_job_that_this_release_lacks_fails_with_a_code(services, clock):
    services.job.enqueue("forgotten", {}, by="key1")
    live_through(Scheduler(services, ()), clock, START + HOUR, HOUR)
    assert runs(services)[0]["error_code"] == "unknown_job"


def test_no_more_run_at_once_than_allowed(services, clock):
    gate, running, most = threading.Event(), [], []

    def hold(context):
        running.append(1)
        most.append(len(running))
        gate.wait(LONG)
        running.pop()
        return {}

    scheduler = Scheduler(services, (job(hold, None),), concurrency=2)
    for _ in range(5):
        services.job.enqueue("probe", {}, by="x")
    assert scheduler.tick(clock()) == 2
    assert scheduler.tick(clock()) == 0
    assert b"rpsd_job_queue_depth 3.0" in exposition(services)
    gate.set()
    for _ in range(3):
        settle(scheduler)
        scheduler.tick(clock())
    settle(scheduler)
    assert max(most) == 2
    assert {run["state"] for run in runs(services)} == {"succeeded"}


def stubborn(context):
    """Runs until it is told to stop."""
    context.progress(0.25, "a quarter")
    for _ in range(3000):
        context.go_on(0.25, "a quarter")
        threading.Event().wait(0.01)
    return {}


def test_cancel_reaches_a_running_job_and_progress_is_shown(services, clock):
    began = threading.Event()

    def run(context):
        context.progress(0.25, "a quarter")
        began.set()
        return stubborn(context)

    scheduler = Scheduler(services, (job(run, None),))
    asked = services.job.enqueue("probe", {}, by="x")
    scheduler.tick(clock())
    assert began.wait(LONG)
    scheduler.tick(clock())
    shown = services.job.find(asked["id"])
    assert (shown["state"], shown["progress"], shown["message"]) == ("running", 0.25, "a quarter")
    services.job.cancel(asked["id"], by="x")
    scheduler.tick(clock())
    settle(scheduler)
    ended = services.job.find(asked["id"])
    assert (ended["state"], ended["error_code"]) == ("cancelled", "cancelled")


def test_stop_interrupts_with_a_record_and_the_next_start_tries_again(services, clock):
    scheduler = Scheduler(services, (job(stubborn, "1h"),))
    scheduler.tick(clock())
    clock.now_ns += HOUR
    assert scheduler.tick(clock()) == 1
    scheduler.stop(LONG)
    assert [run["state"] for run in runs(services)] == ["interrupted", "queued"]


def test_stop_does_not_wait_for_a_deaf_job(services, clock):
    gate = threading.Event()
    scheduler = Scheduler(services, (job(lambda context: gate.wait(LONG) and {}, None),))
    services.job.enqueue("probe", {}, by="x")
    scheduler.tick(clock())
    (running,) = scheduler._present()
    scheduler.stop(0.05)
    assert runs(services)[0]["state"] == "interrupted"
    gate.set()
    running.thread.join(LONG)
    assert runs(services)[0]["state"] == "interrupted"


def test_an_end_that_a_full_disk_kept_out_is_recorded_once_there_is_room(services, clock, monkeypatch):
    scheduler = Scheduler(services, (job(lambda context: {"n": 1}),))
    whole, is_full = scheduler._queue.end, [True]

    def end(*given):
        if is_full:
            raise DiskFull("no room")
        return whole(*given)

    monkeypatch.setattr(scheduler._queue, "end", end)
    live_through(scheduler, clock, START + 26 * HOUR, HOUR)
    assert [run["state"] for run in runs(services)] == ["running"]  # the second night waits for the first one's row
    is_full.clear()
    live_through(scheduler, clock, START + 51 * HOUR, HOUR)
    assert [(run["state"], run["result"]) for run in runs(services)] == [("succeeded", {"n": 1})] * 2


def test_orphans_of_a_dead_process_are_interrupted_at_start(services, clock):
    services.job.enqueue("probe", {}, by="x")
    services.database.write(lambda c: rows.claim(c, clock(), 60.0, "dead")).result()
    scheduler = Scheduler(services, (job(lambda context: {}, None),))
    scheduler.start()
    scheduler.stop()
    assert [run["state"] for run in runs(services)] == ["interrupted"]


def test_the_thread_beats_wakes_on_demand_and_outlives_trouble(services, clock):
    done, broken = threading.Event(), [True]
    scheduler = Scheduler(services, (job(lambda context: done.set() or {}, None),))
    whole = scheduler.tick

    def tick(now_ns):
        if broken:
            broken.clear()
            raise apsw.IOError("once")
        return whole(now_ns)

    scheduler.tick = tick
    scheduler.start()
    services.job.enqueue("probe", {}, by="x")
    assert done.wait(LONG)
    scheduler.stop()
    assert scheduler.beat_ns == services.health.scheduler_beat_ns == clock()
    assert runs(services)[0]["state"] == "succeeded"


def test_runs_of_one_schedule_do_not_pile_up(services, clock):
    gate = threading.Event()
    scheduler = Scheduler(services, (job(lambda context: gate.wait(LONG) and {}, "5m"),))
    for _ in range(20):
        clock.now_ns += 300 * SECOND_NS
        scheduler.tick(clock())
    assert len(runs(services)) == 1
    gate.set()
    settle(scheduler)


def test_leases_are_renewed_while_a_job_runs(services, clock):
    gate = threading.Event()
    scheduler = Scheduler(services, (job(lambda context: gate.wait(LONG) and {}, None),))
    asked = services.job.enqueue("probe", {}, by="x")
    scheduler.tick(clock())
    clock.now_ns += 50 * SECOND_NS
    scheduler.tick(clock())
    run = services.database.read(lambda c: rows.find(c, asked["id"]))
    assert run.lease_until_ns == clock() + 60 * SECOND_NS
    gate.set()
    settle(scheduler)


def test_go_on_raises_when_the_run_is_to_stop(services):
    context = JobContext(services, {}, "x", lambda *_: None, lambda: True)
    with pytest.raises(Cancelled):
        context.go_on(0.5, "half")


def test_under_maintenance_runs_wait(services, clock):
    scheduler = Scheduler(services, (job(lambda context: {}, None),))
    services.job.enqueue("probe", {}, by="x")
    services.health.maintenance = True
    assert scheduler.tick(clock()) == 0
    services.health.maintenance = False
    assert scheduler.tick(clock()) == 1
    settle(scheduler)
