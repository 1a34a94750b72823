"""The packet cache: bounds of number, age and bytes, and one maker for equal questions."""

import gc
import threading
import weakref

import numpy as np
import pytest

from rpsd.core.model import Packet
from rpsd.services.cache import PacketCache


def packet(n: int = 1) -> Packet:
    return Packet({}, {"x": np.zeros(n)})


def test_hits_misses_and_age() -> None:
    now = [0.0]
    cache = PacketCache(2, 10.0, monotonic=lambda: now[0])
    assert cache.fetch("a", packet)[1] is False
    assert cache.fetch("a", packet)[1] is True
    now[0] = 11.0
    assert cache.fetch("a", packet)[1] is False


def test_the_least_recently_used_goes_first() -> None:
    cache = PacketCache(2, 10.0)
    for key in ("a", "b", "a", "c"):
        cache.fetch(key, packet)
    assert [cache.fetch(key, packet)[1] for key in ("a", "c", "b")] == [True, True, False]


def test_bytes_are_bounded_and_giants_are_not_kept() -> None:
    cache = PacketCache(100, 10.0, most_bytes=40_000)
    for key in "abcdefgh":
        cache.fetch(key, lambda: packet(500))
    assert cache.bytes <= 40_000
    assert 0 < len(cache) < 8
    cache.fetch("giant", lambda: packet(10_000))
    assert cache.fetch("giant", packet)[1] is False
    assert PacketCache(0, 10.0).fetch("a", packet)[1] is False


def test_equal_questions_at_one_time_are_asked_once() -> None:
    cache, gate, made = PacketCache(10, 10.0), threading.Event(), []

    def slow() -> Packet:
        gate.wait(5.0)
        made.append(1)
        return packet()

    threads = [threading.Thread(target=cache.fetch, args=("a", slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(5.0)
    assert made == [1]


def test_a_failure_is_not_kept() -> None:
    cache = PacketCache(10, 10.0)
    with pytest.raises(ZeroDivisionError):
        cache.fetch("a", lambda: 1 / 0)
    assert cache.fetch("a", packet)[1] is False


def test_a_failure_is_gone_when_it_has_been_told() -> None:
    """It leaves no ring that only the collector would end."""

    class Failed(Exception):
        pass

    def fail() -> Packet:
        raise Failed

    gc.disable()
    try:
        with pytest.raises(Failed) as caught:
            PacketCache(2, 10.0).fetch("a", fail)
        told = weakref.ref(caught.value)
        del caught
        assert told() is None
    finally:
        gc.enable()
