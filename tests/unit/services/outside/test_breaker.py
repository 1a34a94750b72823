"""Circuit breakers: when they open, how they are tried again, and what they say of themselves."""

import threading

import pytest

from rpsd.core import instant
from rpsd.core.errors import SourceFailed
from rpsd.services.outside.breaker import Breaker, Breakers, State
from rpsd.telemetry import Metrics


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SourceFailed, match="no answer"), breaker.guard():
            raise SourceFailed("no answer")


def test_it_opens_after_so_many_failures_in_a_row_and_not_before(clock) -> None:
    breaker = Breaker("source:x", clock, failures=3)
    fail(breaker, 2)
    with breaker.guard():
        pass
    fail(breaker, 2)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.OPEN
    with pytest.raises(SourceFailed, match=r"left alone after 3 failures in a row; the last: no answer") as caught, breaker.guard():
        raise AssertionError("an open breaker lets nothing pass")
    assert caught.value.retry_after == 30.0


def test_one_call_alone_is_tried_when_the_wait_is_over(clock) -> None:
    breaker = Breaker("source:x", clock, failures=1)
    fail(breaker)
    clock.advance(30)
    assert breaker.state is State.HALF_OPEN
    with breaker.guard(), pytest.raises(SourceFailed, match="left alone"), breaker.guard():
        raise AssertionError("one trial at a time")
    assert breaker.state is State.CLOSED
    assert breaker.snapshot() == {"state": "closed", "failures": 0}


def test_a_trial_that_fails_doubles_the_wait_up_to_the_longest(clock) -> None:
    breaker = Breaker("source:x", clock, failures=1, wait_seconds=10, longest_seconds=30)
    fail(breaker)
    for wait in (10, 20, 30, 30):
        clock.advance(wait - 1)
        assert breaker.state is State.OPEN
        clock.advance(1)
        assert breaker.state is State.HALF_OPEN
        fail(breaker)
    clock.advance(30)
    with breaker.guard():
        pass
    fail(breaker)
    clock.advance(10)  # after a success it begins with the first wait again
    assert breaker.state is State.HALF_OPEN


def test_a_trial_that_is_stopped_leaves_room_for_the_next(clock) -> None:
    breaker = Breaker("source:x", clock, failures=1)
    fail(breaker)
    clock.advance(30)
    with pytest.raises(KeyboardInterrupt), breaker.guard():
        raise KeyboardInterrupt
    with breaker.guard():
        pass
    assert breaker.state is State.CLOSED


def test_a_call_from_before_it_opened_decides_nothing(clock) -> None:
    breaker = Breaker("source:x", clock, failures=1)
    with breaker.guard():
        fail(breaker)
    assert breaker.state is State.OPEN


def test_a_clock_that_is_set_back_does_not_keep_it_open(clock) -> None:
    breaker = Breaker("source:x", clock, failures=1)
    fail(breaker)
    clock.advance(-86_400)
    assert breaker.state is State.HALF_OPEN


def test_threads_agree_on_one_trial(clock) -> None:
    breaker = Breaker("source:x", clock, failures=1)
    fail(breaker)
    clock.advance(30)
    start, passed = threading.Barrier(8), []
    done = threading.Event()

    def call(number: int) -> None:
        start.wait()
        try:
            with breaker.guard():
                passed.append(number)
                done.wait(5)
        except SourceFailed:
            refused.release()

    refused = threading.Semaphore(0)
    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(7):
        assert refused.acquire(timeout=5)
    done.set()
    for thread in threads:
        thread.join()
    assert len(passed) == 1


def test_the_register_tells_states_and_metrics(clock) -> None:
    metrics = Metrics()
    breakers = Breakers(clock, metrics)
    breaker = breakers.add("source:stooq", failures=1)
    breakers.add("webhook:1")

    def level() -> float | None:
        return metrics.registry.get_sample_value("rpsd_circuit_breaker_state", {"name": "source:stooq"})

    assert breakers.states() == {"source:stooq": {"state": "closed"}, "webhook:1": {"state": "closed"}}
    assert (level(), breakers.unhealthy()) == (0.0, [])
    fail(breaker)
    assert (level(), breakers.unhealthy(), breakers.unhealthy("webhook:")) == (2.0, ["source:stooq"], [])
    assert breakers.snapshot()["source:stooq"] == {
        "state": "open",
        "failures": 1,
        "opened": instant.text(clock()),
        "next_trial": instant.text(clock() + 30 * 10**9),
        "reason": "no answer",
    }
    clock.advance(30)
    with breaker.guard():
        assert level() == 1.0
    assert level() == 0.0
