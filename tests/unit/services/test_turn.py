"""Work in turns: long ones one at a time with a short line, short ones one at a time, and nothing in the way of what is between."""

import threading

import pytest

from rpsd.core.errors import Unavailable
from rpsd.services.turn import LONG, SHORT, Turns


def test_one_works_one_waits_and_the_next_is_told_to_come_back() -> None:
    turns, waiting, done = Turns(1, 1), threading.Event(), []

    def work() -> None:
        waiting.set()
        with turns.taken(LONG):
            done.append("second")

    second = threading.Thread(target=work)
    with turns.taken(LONG):
        second.start()
        assert waiting.wait(5)
        while turns.free:
            pass
        with pytest.raises(Unavailable) as refused, turns.taken(LONG):
            pass
        assert refused.value.retry_after == 1.0
        with turns.taken(LONG - 1):
            assert done == []
    second.join(5)
    assert done == ["second"]


def test_a_turn_ends_with_its_error() -> None:
    turns = Turns(1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.taken(LONG):
            raise ZeroDivisionError
    with turns.taken(LONG):
        pass


def test_short_ones_wait_for_each_other_and_for_nobody_else() -> None:
    turns, done = Turns(1, 0), threading.Event()

    def work() -> None:
        with turns.taken(SHORT - 1):
            done.set()

    second = threading.Thread(target=work)
    with turns.taken(SHORT - 1):
        with turns.taken(SHORT), turns.taken(LONG):
            second.start()
        assert not done.wait(0.1)
    second.join(5)
    assert done.is_set()
