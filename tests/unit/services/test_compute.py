"""The worker slot: answers, errors that travel, and every way of dying; each leaves a slot that answers again."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from rpsd.core.errors import Cancelled, DeadlineExceeded, InternalError, TooShort, Unavailable, WorkerFailed
from rpsd.core.model import Packet
from rpsd.services.compute import LocalCompute, slots_for
from rpsd.services.spawning import spawn

EMPTY = Packet({}, {})
LONG = 60.0
"""A deadline that only a broken slot reaches."""


@pytest.fixture
def compute():
    local = LocalCompute(memory_bytes=512 << 20, tasks="tests.unit.services.probes")
    yield local
    local.close()


def pid_of(compute):
    return compute.run("echo", EMPTY, deadline_seconds=LONG).head["pid"]


def test_a_task_answers_with_what_it_got(compute):
    sent = Packet(
        {"a": [1, {"b": "ü"}]}, {"y": np.array([1.5, np.nan]), "t": np.array([[1, 2]], np.int64), "raw": np.array([255], np.uint8)}
    )
    seen = []
    got = compute.run("echo", sent, deadline_seconds=LONG, on_progress=lambda progress, message: seen.append((progress, message)))
    assert got.head["seen"] == sent.head
    assert {name: array.tobytes() for name, array in got.arrays.items()} == {name: array.tobytes() for name, array in sent.arrays.items()}
    assert seen == [(0.5, "half way")]


def test_a_large_packet_passes_in_pieces(compute):
    y = np.arange(2_000_000, dtype=np.float64)
    got = compute.run("echo", Packet({}, {"y": y}), deadline_seconds=LONG)
    assert np.array_equal(got.arrays["y"], y)


def test_the_worker_is_another_process_nice_and_single_threaded(compute):
    head = compute.run("echo", EMPTY, deadline_seconds=LONG).head
    assert head["pid"] != os.getpid()
    assert head["nice"] == min(19, os.nice(0) + 10)
    assert head["omp"] == "1"


def test_the_first_worker_may_be_there_before_the_slots():
    first = spawn(512 << 20, "tests.unit.services.probes")
    local = LocalCompute(tasks="tests.unit.services.probes", first=first)
    try:
        assert pid_of(local) == first.process.pid
        first.process.kill()
        first.process.wait(10)
        assert pid_of(local) != first.process.pid
        assert local.status()["restarts"] == 1
    finally:
        local.close()


def test_an_error_travels_with_its_class(compute):
    with pytest.raises(TooShort) as caught:
        compute.run("refuse", EMPTY, deadline_seconds=LONG)
    error = caught.value
    assert (error.detail, error.advice, error.retry_after) == ("3 points, 60 are needed", "send more", 2.0)
    assert [(fault.pointer, fault.reason) for fault in error.errors] == [("/values", "too few")]
    assert compute.status()["restarts"] == 0


def test_an_unexpected_exception_hides_its_cause_and_notes_it_for_the_log(compute):
    with pytest.raises(InternalError) as caught:
        compute.run("stumble", EMPTY, deadline_seconds=LONG)
    assert "secret value" not in caught.value.detail
    assert "secret value" in caught.value.__notes__[0]


def test_an_unknown_task_is_an_internal_error(compute):
    with pytest.raises(InternalError):
        compute.run("no_such_task", EMPTY, deadline_seconds=LONG)


@pytest.mark.parametrize("task", ["stall", "spin"])
def test_a_hang_ends_at_the_deadline_and_the_slot_is_refilled(compute, task):
    first = pid_of(compute)
    with pytest.raises(DeadlineExceeded):
        compute.run(task, EMPTY, deadline_seconds=0.3)
    assert pid_of(compute) != first
    assert not psutil.pid_exists(first)


def test_a_crash_is_named_and_the_slot_is_refilled(compute):
    first = pid_of(compute)
    with pytest.raises(WorkerFailed, match="SIGSEGV"):
        compute.run("crash", EMPTY, deadline_seconds=LONG)
    assert pid_of(compute) != first
    assert "SIGSEGV" in compute.status()["last_failure"]
    assert compute.status()["restarts"] == 1


def test_too_much_memory_is_refused_and_the_slot_is_refilled(compute):
    first = pid_of(compute)
    with pytest.raises(WorkerFailed, match="memory"):
        compute.run("devour", Packet({"n": 1 << 27}, {}), deadline_seconds=LONG)  # 1 GiB over a cap of 512 MiB
    assert pid_of(compute) != first


def test_a_kill_from_outside_while_idle_goes_unnoticed(compute):
    first = pid_of(compute)
    os.kill(first, signal.SIGKILL)
    gone = time.monotonic() + 20
    while psutil.pid_exists(first) and psutil.Process(first).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < gone
    assert pid_of(compute) != first
    assert "SIGKILL" in compute.status()["last_failure"]


def test_cancel_kills_the_task(compute):
    running = threading.Event()
    with pytest.raises(Cancelled):
        compute.run("spin", EMPTY, deadline_seconds=LONG, cancelled=running.is_set, on_progress=lambda *_: running.set())
    pid_of(compute)
    assert compute.status()["restarts"] == 1


def test_a_broken_progress_listener_fails_its_call_only(compute):
    with pytest.raises(InternalError, match="ZeroDivisionError"):
        compute.run("echo", EMPTY, deadline_seconds=LONG, on_progress=lambda *_: 1 / 0)
    pid_of(compute)


def test_calls_of_one_slot_run_one_after_the_other(compute):
    pids, threads = [], []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: pids.append(pid_of(compute))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1


def test_a_call_in_line_honours_its_own_deadline(compute):
    started, give_up = threading.Event(), threading.Event()
    outcomes = []

    def occupy():
        try:
            compute.run("spin", EMPTY, deadline_seconds=LONG, cancelled=give_up.is_set, on_progress=lambda *_: started.set())
        except Cancelled:
            outcomes.append("cancelled")

    thread = threading.Thread(target=occupy)
    thread.start()
    assert started.wait(LONG)
    with pytest.raises(DeadlineExceeded):
        compute.run("echo", EMPTY, deadline_seconds=0.1)
    assert compute.status()["restarts"] == 0  # the neighbour was not hurt
    give_up.set()
    thread.join()
    assert outcomes == ["cancelled"]


def test_close_ends_the_running_call_and_the_process(compute):
    pid, started, failures = pid_of(compute), threading.Event(), []

    def occupy():
        try:
            compute.run("spin", EMPTY, deadline_seconds=LONG, on_progress=lambda *_: started.set())
        except WorkerFailed as error:
            failures.append(error.detail)

    thread = threading.Thread(target=occupy)
    thread.start()
    assert started.wait(LONG)
    compute.close()
    thread.join()
    assert failures == ["the worker was shut down while the task ran"]
    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable):
        compute.run("echo", EMPTY, deadline_seconds=LONG)


def test_prewarm_loads_without_waiting(compute):
    compute.prewarm()
    pid_of(compute)
    assert compute.status()["last_failure"] is None


def test_a_worker_outlives_the_thread_that_used_it_first(compute):
    """The parent-death signal follows the forking thread; a slot spawned by a caller's thread would die with it."""
    pids = []
    thread = threading.Thread(target=lambda: pids.append(pid_of(compute)))
    thread.start()
    thread.join()
    assert pid_of(compute) == pids[0]


def test_the_worker_dies_with_a_killed_server():
    program = (
        "import time; from rpsd.services.compute import LocalCompute; from rpsd.core.model import Packet\n"
        "c = LocalCompute(tasks='tests.unit.services.probes')\n"
        "pid = c.run('echo', Packet({}, {}), deadline_seconds=60).head['pid']\n"
        "c.run('spin', Packet({}, {}), deadline_seconds=600, on_progress=lambda *_: print(pid, flush=True))\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with server:
        worker = int(server.stdout.readline())
        server.kill()
    until = time.monotonic() + 20
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "the worker lives on"
        time.sleep(0.02)


def test_slots_leave_a_core_to_the_server():
    cores = os.cpu_count() or 1
    assert slots_for(None) == 1
    assert slots_for(0) == 1
    assert slots_for(1000) == max(1, cores - 1)
