"""Every occasion exactly once: restarts, downtime, clock jumps, and a second runner on the same file."""

import threading

import pytest

from rpsd.core.instant import text
from rpsd.core.market import SECOND_NS
from rpsd.jobs.runner import Scheduler
from rpsd.services.queue import BY
from rpsd.store import job as rows
from tests.unit.jobs.turning import DAY, HOUR, LONG, START, OwnConnection, exposition, job, live_through, rooms, runs, settle


def test_each_day_runs_once_and_is_recorded(services, clock):
    seen = []
    scheduler = Scheduler(services, (job(lambda context: seen.append(clock()) or {"n": len(seen)}),))
    live_through(scheduler, clock, START + 3 * DAY, HOUR // 2)
    assert [text(ns) for ns in seen] == [f"2026-03-0{day}T02:00:00Z" for day in (1, 2, 3)]
    recorded = runs(services)
    assert [run["occasion"] for run in recorded] == [text(ns) for ns in seen]
    assert [(run["state"], run["result"], run["by"], run["progress"]) for run in recorded] == [
        ("succeeded", {"n": n}, BY, 1.0) for n in (1, 2, 3)
    ]
    assert b'rpsd_job_runs_total{job="probe",outcome="succeeded"} 3.0' in exposition(services)


def test_schedules_survive_a_restart(services, clock):
    seen = []
    jobs = (job(lambda context: seen.append(clock()) or {}),)
    live_through(Scheduler(services, jobs), clock, START + 3 * HOUR, HOUR)
    live_through(Scheduler(services, jobs), clock, START + 25 * HOUR, HOUR)
    assert [text(ns) for ns in seen] == ["2026-03-01T02:00:00Z"]


def test_downtime_is_caught_up_once(services, clock):
    seen = []
    jobs = (job(lambda context: seen.append(clock()) or {}),)
    live_through(Scheduler(services, jobs), clock, START + 3 * HOUR, HOUR)
    clock.now_ns += 5 * DAY
    live_through(Scheduler(services, jobs), clock, clock.now_ns + 3 * HOUR, HOUR)
    assert [text(ns) for ns in seen] == ["2026-03-01T02:00:00Z", "2026-03-06T04:00:00Z"]
    live_through(Scheduler(services, jobs), clock, START + 7 * DAY, HOUR)
    assert text(seen[2]) == "2026-03-07T02:00:00Z"


def test_a_first_start_has_nothing_to_catch_up(services, clock):
    seen = []
    clock.now_ns += 3 * HOUR
    live_through(Scheduler(services, (job(lambda context: seen.append(1) or {}),)), clock, clock.now_ns + 20 * HOUR, HOUR)
    assert seen == []


@pytest.mark.parametrize("back", [HOUR, 3 * HOUR, 30 * HOUR, 40 * DAY])
def test_a_clock_set_back_repeats_nothing_and_the_schedule_goes_on(services, clock, back):
    seen = []
    scheduler = Scheduler(services, (job(lambda context: seen.append(context.services.clock()) or {}),))
    live_through(scheduler, clock, START + 3 * DAY + 3 * HOUR, HOUR)
    before = list(seen)
    assert len(before) == 4
    clock.now_ns -= back
    live_through(scheduler, clock, START + 4 * DAY + 3 * HOUR, HOUR)
    occasions = [run["occasion"] for run in runs(services)]
    assert len(occasions) == len(set(occasions))
    assert [ns for ns in seen[4:] if ns in before] == []
    assert text(seen[-1]) == "2026-03-05T02:00:00Z"


def test_a_clock_that_ran_far_ahead_does_not_silence_the_job(services, clock):
    seen = []
    jobs = (job(lambda context: seen.append(clock()) or {}),)
    clock.now_ns += 4000 * DAY
    live_through(Scheduler(services, jobs), clock, clock.now_ns + 3 * HOUR, HOUR)
    clock.now_ns = START
    live_through(Scheduler(services, jobs), clock, START + 3 * HOUR, HOUR)
    assert text(seen[-1]) == "2026-03-01T02:00:00Z"


def test_a_changed_schedule_counts_at_once(services, clock):
    seen = []
    live_through(Scheduler(services, (job(lambda context: {}, "02:00"),)), clock, START + 3 * HOUR, HOUR)
    live_through(Scheduler(services, (job(lambda context: seen.append(clock()) or {}, "05:00"),)), clock, START + DAY, HOUR)
    assert [text(ns) for ns in seen] == ["2026-03-01T05:00:00Z"]


def test_two_runners_on_one_file_run_each_occasion_exactly_once(database, clock, tmp_path):
    seen, barrier = [], threading.Barrier(2)
    others = [OwnConnection(database.path) for _ in range(2)]
    jobs = tuple(job(lambda context: seen.append(1) or {}, "7m", f"probe{n}") for n in range(3))
    schedulers = [Scheduler(rooms(other, clock, tmp_path), jobs, concurrency=4) for other in others]

    def live(scheduler):
        for turn in range(40):
            barrier.wait(LONG)
            scheduler.tick(START + turn * 7 * 60 * SECOND_NS)
            settle(scheduler)

    threads = [threading.Thread(target=live, args=(scheduler,)) for scheduler in schedulers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    recorded = database.read(lambda c: rows.page(c, None, 1000))
    assert len(seen) == len(recorded)
    occasions = [(run.name, run.occasion_ns) for run in recorded]
    assert len(set(occasions)) == len(occasions)
    assert {name for name, _ in occasions} == {"probe0", "probe1", "probe2"}
    assert len(occasions) >= 3 * 35
    for other in others:
        other.close()
