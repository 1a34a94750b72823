"""Runs: queued, claimed once, finished, cancelled, interrupted; schedules."""

import threading

import pytest

from rpsd.core.errors import StateConflict, UnknownJob
from rpsd.core.job import JobState
from rpsd.core.market import SECOND_NS
from rpsd.store import job
from rpsd.store.db import Connection, Database


def test_a_run_from_queue_to_end(c: Connection) -> None:
    run = job.enqueue(c, "retrain", {"model": "m"}, "me", 100)
    assert (run.state, run.args, run.by, run.queued_ns, job.depth(c)) == (JobState.QUEUED, {"model": "m"}, "me", 100, 1)
    claimed = job.claim(c, 200, 30, "p1")
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.started_ns, claimed.lease_until_ns) == (run.id, JobState.RUNNING, 200, 200 + 30 * SECOND_NS)
    assert job.claim(c, 200, 30, "p2") is None
    assert job.heartbeat(c, run.id, 1.7, "half way", 500)
    assert job.find(c, run.id).progress == 1.0
    done = job.finish(c, run.id, JobState.SUCCEEDED, {"models": 2}, None, "done", 300)
    assert (done.state, done.result, done.finished_ns, done.lease_until_ns, done.progress) == (
        JobState.SUCCEEDED,
        {"models": 2},
        300,
        None,
        1,
    )
    assert not job.heartbeat(c, run.id, 0.1, "late", 900)
    with pytest.raises(StateConflict):
        job.finish(c, run.id, JobState.FAILED, None, "x", "", 400)
    with pytest.raises(StateConflict):
        job.cancel(c, run.id, 400)


def test_a_failed_run_keeps_its_progress(c: Connection) -> None:
    run = job.enqueue(c, "backup", {}, "me", 1)
    job.claim(c, 1, 1, "p")
    job.heartbeat(c, run.id, 0.5, "", 2)
    with pytest.raises(StateConflict):
        job.finish(c, run.id, JobState.RUNNING, None, None, "", 2)
    failed = job.finish(c, run.id, JobState.FAILED, None, "disk_full", "no space", 3)
    assert (failed.progress, failed.error_code, failed.message) == (0.5, "disk_full", "no space")


def test_an_occasion_is_queued_once_and_a_hand_run_always(c: Connection) -> None:
    first = job.enqueue(c, "upkeep", {}, "scheduler", 1, occasion_ns=50)
    assert job.enqueue(c, "upkeep", {}, "scheduler", 2, occasion_ns=50) == first
    assert job.enqueue(c, "backup", {}, "scheduler", 2, occasion_ns=50).id != first.id
    assert job.enqueue(c, "upkeep", {}, "me", 2).id != job.enqueue(c, "upkeep", {}, "me", 2).id


def test_a_run_is_not_claimed_before_its_time(c: Connection) -> None:
    job.enqueue(c, "late", {}, "me", 1, not_before_ns=100)
    soon = job.enqueue(c, "soon", {}, "me", 2)
    claimed = job.claim(c, 50, 1, "p")
    assert claimed is not None
    assert claimed.id == soon.id
    assert job.claim(c, 99, 1, "p") is None
    assert job.claim(c, 100, 1, "p") is not None


def test_many_claimers_get_each_run_once(database: Database) -> None:
    for number in range(20):
        database.write(lambda c, n=number: job.enqueue(c, "j", {"n": n}, "me", 1)).result()  # type: ignore[misc]
    claimed: list[int] = []

    def work(owner: str) -> None:
        while (run := database.write(lambda c: job.claim(c, 2, 1, owner)).result()) is not None:
            claimed.append(run.id)

    threads = [threading.Thread(target=work, args=(f"p{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(1, 21))


def test_cancel_ends_a_queued_run_and_asks_a_running_one(c: Connection) -> None:
    queued = job.enqueue(c, "a", {}, "me", 1)
    assert job.cancel(c, queued.id, 5).state is JobState.CANCELLED
    assert job.find(c, queued.id).finished_ns == 5
    running = job.enqueue(c, "a", {}, "me", 1)
    job.claim(c, 2, 1, "p")
    asked = job.cancel(c, running.id, 6)
    assert (asked.state, asked.cancel_requested, asked.finished_ns) == (JobState.RUNNING, True, None)
    assert not job.heartbeat(c, running.id, 0.1, "", 10)
    assert job.finish(c, running.id, JobState.CANCELLED, None, "cancelled", "", 7).state is JobState.CANCELLED


def test_orphans_are_interrupted(c: Connection) -> None:
    run, waiting = job.enqueue(c, "a", {}, "me", 1), job.enqueue(c, "b", {}, "me", 1)
    job.claim(c, 2, 1, "dead")
    assert job.interrupt_orphans(c, 9) == 1
    assert job.find(c, run.id).state is JobState.INTERRUPTED
    assert job.find(c, waiting.id).state is JobState.QUEUED
    assert job.interrupt_orphans(c, 9) == 0


def test_pages_and_pruning(c: Connection) -> None:
    for number in range(6):
        job.enqueue(c, "ab"[number % 2], {}, "me", number)
    assert [run.id for run in job.page(c, None, 2)] == [6, 5]
    assert [run.id for run in job.page(c, 5, 9)] == [4, 3, 2, 1]
    assert [run.id for run in job.page(c, None, 9, name="a")] == [5, 3, 1]
    assert job.page(c, None, 9, state="running") == []
    for run_id in (1, 2, 3, 5):
        job.cancel(c, run_id, 10)
    assert job.prune(c, 11, keep=2) == 2
    assert [run.id for run in job.page(c, None, 9)] == [6, 5, 4, 3]
    with pytest.raises(UnknownJob):
        job.find(c, 1)


def test_schedules_remember(c: Connection) -> None:
    assert job.schedule_get(c, "backup") is None
    job.schedule_set(c, "backup", 100, last_ns=50)
    job.schedule_set(c, "backup", 200, failures=2)
    job.schedule_set(c, "upkeep", 150)
    assert job.schedule_get(c, "backup") == job.Schedule("backup", 200, 50, 2)
    assert [schedule.name for schedule in job.schedules(c)] == ["upkeep", "backup"]
