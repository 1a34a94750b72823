"""Long work in turns: one at a time, a short line, and nothing in the way of what is short."""

import threading

import pytest

from rpsd.core.errors import Unavailable
from rpsd.services.turn import Turns


def test_one_works_one_waits_and_the_next_is_told_to_come_back() -> None:
    turns, waiting, done = Turns(1, 1), threading.Event(), []

    def work() -> None:
        waiting.set()
        with turns.taken(long=True):
            done.append("second")

    second = threading.Thread(target=work)
    with turns.taken(long=True):
        second.start()
        assert waiting.wait(5)
        while turns.free:
            pass
        with pytest.raises(Unavailable) as refused, turns.taken(long=True):
            pass
        assert refused.value.retry_after == 1.0
        with turns.taken(long=False):
            assert done == []
    second.join(5)
    assert done == ["second"]


def test_a_turn_ends_with_its_error() -> None:
    turns = Turns(1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.taken(long=True):
            raise ZeroDivisionError
    with turns.taken(long=True):
        pass
