"""Events: published from any thread, read from a ring, and missed in the open."""

import threading

from rpsd.services.events import EventHub
from tests.conftest import Clock
from tests.unit.services.conftest import NOW_NS

FIRST = NOW_NS // 1_000_000


def test_a_listener_gets_what_comes_and_nothing_from_before(clock: Clock) -> None:
    hub = EventHub(clock)
    hub.publish("drift", {"n": 0})
    with hub.listen(["drift", "jobs"]) as listener:
        assert listener.take() == []
        assert hub.publish("drift", {"n": 1}) == FIRST + 1
        hub.publish("jobs", {"n": 2})
        hub.publish("alerts", {"n": 3})
        found = listener.take()
        assert [(event.channel, event.data["n"], event.at_ns) for event in found] == [("drift", 1, NOW_NS), ("jobs", 2, NOW_NS)]
        assert listener.take() == []
    assert listener.missed == {}


def test_a_reader_that_comes_back_gets_what_it_has_not_seen(clock: Clock) -> None:
    hub = EventHub(clock)
    seen = hub.publish("drift", {"n": 0})
    hub.publish("drift", {"n": 1})
    with hub.listen(["drift"], {"drift": seen}) as listener:
        assert [event.data["n"] for event in listener.take()] == [1]
    assert not listener.missed


def test_what_the_ring_has_lost_is_counted(clock: Clock) -> None:
    hub = EventHub(clock)
    with hub.listen(["drift"]) as slow:
        for n in range(1_250):
            hub.publish("drift", {"n": n})
        found = slow.take()
    assert [event.data["n"] for event in (found[0], found[-1])] == [250, 1_249]
    assert slow.missed == {"drift": 250}


def test_a_reader_from_before_a_restart_learns_of_the_gap(clock: Clock) -> None:
    old = EventHub(clock).publish("drift", {})
    clock.advance(60)
    hub = EventHub(clock)
    with hub.listen(["drift"], {"drift": old}) as listener:
        assert hub.publish("drift", {"n": 1}) > old
        assert [event.data["n"] for event in listener.take()] == [1]
    assert listener.missed == {"drift": 1}


def test_waiting_ends_with_the_first_event(clock: Clock) -> None:
    hub, found = EventHub(clock), []
    with hub.listen(["drift"]) as listener:
        reader = threading.Thread(target=lambda: found.extend(listener.take(30.0)))
        reader.start()
        hub.publish("drift", {"n": 1})
        reader.join(30.0)
    assert [event.data["n"] for event in found] == [1]


def test_on_news_is_called_for_the_wanted_channels_until_the_listener_leaves(clock: Clock) -> None:
    hub, calls = EventHub(clock), []
    with hub.listen(["drift"], on_news=lambda: calls.append(1)):
        hub.publish("jobs", {})
        hub.publish("drift", {})
    hub.publish("drift", {})
    assert calls == [1]


def test_silent_channels_are_forgotten_beyond_the_bound(clock: Clock) -> None:
    hub = EventHub(clock)
    for n in range(4_097):
        hub.publish(f"denoise:S{n}:1m", {})
    with hub.listen(["denoise:S0:1m", "denoise:S1:1m"], {"denoise:S0:1m": FIRST - 1, "denoise:S1:1m": FIRST - 1}) as listener:
        assert [event.channel for event in listener.take()] == ["denoise:S1:1m"]
