"""Jobs as clients see them."""

import pytest

from rpsd.core.errors import IdempotencyConflict, InvalidRequest, StateConflict, Unavailable, UnknownJob
from rpsd.core.instant import parse as moment
from rpsd.core.job import JobState
from rpsd.core.market import SECOND_NS
from rpsd.services.events import EventHub
from rpsd.services.job import CHANNEL, JobService
from rpsd.services.queue import End, JobQueue, Sign
from rpsd.store import audit
from rpsd.store import job as rows
from rpsd.store.db import Database
from rpsd.store.idempotency import Once

NOW = moment("2026-03-01T00:00:00Z")


@pytest.fixture
def database(tmp_path):
    with Database.open(tmp_path, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def hub():
    return EventHub(lambda: NOW)


@pytest.fixture
def jobs(database, hub):
    return JobService(database, lambda: NOW, hub)


def test_a_run_that_was_asked_for_is_queued_durable_and_wakes_the_runner(jobs):
    answer = jobs.enqueue("retrain", {"model": "m"}, by="key1")
    assert {"id", "name", "state", "progress", "message", "error_code", "started", "finished", "result"} <= set(answer)
    assert (answer["name"], answer["state"], answer["by"], answer["args"]) == ("retrain", "queued", "key1", {"model": "m"})
    assert jobs.on_enqueue.is_set()
    assert jobs.find(answer["id"]) == answer


def test_a_name_that_no_job_has_is_refused_once_the_runner_has_told_them(jobs):
    jobs.offered = {"retrain": "Fit the models."}
    with pytest.raises(UnknownJob, match="retrain"):
        jobs.enqueue("no_such", {}, by="x")
    assert jobs.page()[0] == []


def test_runs_with_data_wait_in_a_line_of_sixteen(jobs):
    first, *_ = [jobs.enqueue("search", {}, by="key1", data=b"x") for _ in range(16)]
    with pytest.raises(Unavailable, match="wait already"):
        jobs.enqueue("search", {}, by="key1", data=b"x")
    assert len(jobs.page()[0]) == 16
    jobs.enqueue("retrain", {}, by="key1")
    jobs.cancel(first["id"], by="key1")
    jobs.enqueue("search", {}, by="key1", data=b"x")


def test_the_same_request_again_queues_nothing(jobs):
    once = Once("k1", "key1", "POST /jobs/retrain/run", "abc")
    first = jobs.enqueue("retrain", {}, by="key1", once=once)
    assert jobs.enqueue("retrain", {}, by="key1", once=once) == first
    assert len(jobs.page()[0]) == 1
    with pytest.raises(IdempotencyConflict):
        jobs.enqueue("retrain", {"model": "m"}, by="key1", once=Once("k1", "key1", "POST /jobs/retrain/run", "other"))


def test_pages_go_from_new_to_old_and_filter(jobs):
    ids = [jobs.enqueue(name, {}, by="x")["id"] for name in ("a", "b", "a", "b", "a")]
    first, cursor = jobs.page(limit=2)
    second, cursor_2 = jobs.page(cursor, 2)
    third, end = jobs.page(cursor_2, 2)
    assert [run["id"] for run in first + second + third] == ids[::-1]
    assert end is None
    assert {run["name"] for run in jobs.page(name="a")[0]} == {"a"}
    assert jobs.page(state="running") == ([], None)
    with pytest.raises(InvalidRequest, match="succeeded"):
        jobs.page(state="done")


def test_a_queued_run_is_cancelled_at_once_and_only_once(jobs):
    asked = jobs.enqueue("a", {}, by="x")
    jobs.on_enqueue.clear()
    assert jobs.cancel(asked["id"], by="y")["state"] == "cancelled"
    assert jobs.on_enqueue.is_set()
    with pytest.raises(StateConflict):
        jobs.cancel(asked["id"], by="y")


def test_a_running_run_is_asked_to_stop(jobs, database):
    asked = jobs.enqueue("a", {}, by="x")
    database.write(lambda c: rows.claim(c, NOW, 60.0, "me")).result()
    assert jobs.cancel(asked["id"], by="y")["state"] == "running"
    assert database.read(lambda c: rows.find(c, asked["id"])).cancel_requested


@pytest.mark.parametrize("call", ["find", "cancel"])
def test_an_unknown_id_is_missing(jobs, call):
    with pytest.raises(UnknownJob):
        jobs.find(77) if call == "find" else jobs.cancel(77, by="x")


def test_asking_and_cancelling_are_audited_with_the_act(jobs, database):
    asked = jobs.enqueue("a", {}, by="x")
    jobs.cancel(asked["id"], by="y")
    with pytest.raises(StateConflict):
        jobs.cancel(asked["id"], by="z")
    found = database.read(lambda c: audit.page(c, None, 10))
    assert [(row.actor, row.action, row.subject, row.detail["job"]) for row in found] == [
        ("y", "job.cancel", "a", asked["id"]),
        ("x", "job.run", "a", asked["id"]),
    ]


@pytest.mark.parametrize("args", [{"modle": "m"}, {"model": 5}, {"model": None}, {"model": "m" * 201}])
def test_arguments_that_the_job_does_not_have_are_refused(jobs, args):
    jobs.arguments = {"retrain": ("model",)}
    with pytest.raises(InvalidRequest, match="/args/mod"):
        jobs.enqueue("retrain", args, by="x")
    assert jobs.page()[0] == []
    assert jobs.enqueue("retrain", {"model": "m"}, by="x")["state"] == "queued"


def test_a_run_is_told_from_its_queue_to_its_end_and_its_progress_once_a_second(database):
    now = [NOW]
    hub = EventHub(lambda: now[0])
    jobs = JobService(database, lambda: now[0], hub)
    queue = JobQueue(database, jobs.tell)
    with hub.listen([CHANNEL]) as reader:
        once = Once("k1", "key1", "POST /jobs/retrain/run", "abc")
        asked = jobs.enqueue("retrain", {"model": "m"}, by="key1", once=once)
        jobs.enqueue("retrain", {"model": "m"}, by="key1", once=once)  # told once
        run = queue.claim(now[0], "owner")
        for step in range(1, 8):
            now[0] += SECOND_NS // 4
            queue.renew([Sign(run.id, step / 10, f"step {step}", now[0] + SECOND_NS)])
        now[0] += 5 * SECOND_NS
        queue.renew([Sign(run.id, 0.7, "step 7", now[0] + SECOND_NS)])
        queue.renew([Sign(run.id, 0.7, "step 7", now[0] + SECOND_NS)])  # the lease alone: no news
        queue.end(run, End(JobState.FAILED, {"large": "x" * 1000}, "worker_failed", "it broke", may_pass=True), now[0])
        told = [event.data for event in reader.take()]
    found = [(data["event"], data["job"]["progress"], data["job"]["message"]) for data in told]
    assert found == [
        ("queued", 0.0, ""), ("running", 0.0, ""), ("progress", 0.4, "step 4"), ("progress", 0.7, "step 7"), ("ended", 0.7, "it broke"),
    ]  # fmt: skip
    assert told[0]["job"] == {name: value for name, value in asked.items() if name != "result"}
    assert told[-1]["job"] == {name: value for name, value in jobs.find(run.id).items() if name != "result"}


def test_what_the_scheduler_does_by_itself_is_told_too(database, hub, jobs):
    class Every:
        def after(self, instant_ns: int) -> int:
            return instant_ns + 60 * SECOND_NS

    queue = JobQueue(database, jobs.tell)
    with hub.listen([CHANNEL]) as reader:
        queue.queue_due({"backup": Every()}, NOW)  # the first look only notes when
        queue.queue_due({"backup": Every()}, NOW + 60 * SECOND_NS)
        run = queue.claim(NOW + 60 * SECOND_NS, "owner")
        queue.interrupt_orphans(NOW + 61 * SECOND_NS)
        waiting = jobs.page(state="queued")[0][0]
        jobs.cancel(waiting["id"], by="key1")
        told = [(event.data["event"], event.data["job"]["state"], event.data["job"]["id"]) for event in reader.take()]
    assert told == [
        ("queued", "queued", run.id), ("running", "running", run.id), ("ended", "interrupted", run.id),
        ("queued", "queued", waiting["id"]), ("ended", "cancelled", waiting["id"]),
    ]  # fmt: skip


def test_what_was_refused_is_not_told(hub, jobs):
    with hub.listen([CHANNEL]) as reader:
        with pytest.raises(UnknownJob):
            jobs.cancel(17, by="key1")
        assert reader.take() == []
