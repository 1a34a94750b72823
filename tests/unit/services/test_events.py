"""Events: published from any thread, read from a ring, and missed in the open."""

import threading

import pytest

from rpsd.services.events import MOST_HELD, EventHub
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


def test_a_tap_gives_every_event_of_its_channels_in_order_and_is_told_once(clock: Clock) -> None:
    hub, calls = EventHub(clock), []
    tap = hub.tap(lambda: calls.append(1))
    hub.publish("drift", {"n": 0})
    _, found = hub.join(tap, ["drift", "jobs"], {})
    assert [(name, joined.last, joined.events) for name, joined in found.items()] == [("drift", FIRST, []), ("jobs", 0, [])]
    for n in range(1, 4):
        hub.publish("drift", {"n": n})
        hub.publish("jobs", {"n": n})
        hub.publish("alerts", {"n": n})
    assert calls == [1]
    assert [(event.channel, event.data["n"]) for event in hub.drain(tap)] == [(c, n) for n in (1, 2, 3) for c in ("drift", "jobs")]
    assert hub.drain(tap) == []
    hub.publish("jobs", {})
    assert calls == [1, 1]
    hub.part(tap, "jobs")
    hub.publish("jobs", {})
    assert len(hub.drain(tap)) == 1
    hub.untap(tap)
    hub.publish("drift", {})
    assert hub.drain(tap) == []


def test_who_joins_gets_the_past_at_the_moment_where_the_tap_begins(clock: Clock) -> None:
    hub = EventHub(clock)
    tap = hub.tap(lambda: None)
    hub.join(tap, ["drift"], {})
    seen = hub.publish("drift", {"n": 0})
    hub.publish("drift", {"n": 1})
    before, found = hub.join(tap, ["drift"], {"drift": seen})
    assert [event.data["n"] for event in before] == [0, 1]
    assert [event.data["n"] for event in found["drift"].events] == [1]
    assert (found["drift"].last, found["drift"].missed) == (seen + 1, 0)
    hub.publish("drift", {"n": 2})
    assert [event.data["n"] for event in hub.drain(tap)] == [2]


def test_one_number_says_where_a_reader_of_many_channels_stands(clock: Clock) -> None:
    hub = EventHub(clock)
    tap = hub.tap(lambda: None)
    hub.join(tap, ["drift"], {})
    for n in range(3):
        hub.publish("drift", {"n": n})
        hub.publish("jobs", {"n": n})
    order = hub.drain(tap)[1].order
    _, found = hub.join(tap, ["drift", "jobs"], {}, order)
    assert [[event.data["n"] for event in joined.events] for joined in found.values()] == [[2], [1, 2]]
    assert not any(joined.missed for joined in found.values())
    _, found = hub.join(tap, ["drift", "alerts"], {}, order - 10)  # from before this process
    assert all(joined.missed for joined in found.values())
    _, found = hub.join(tap, ["drift"], {}, order + 10**9)  # from a process whose clock went ahead
    assert len(found["drift"].events) == 3


def test_what_is_held_is_bounded_over_all_channels(clock: Clock) -> None:
    hub = EventHub(clock)
    firsts = {f"book:S{n}": hub.publish(f"book:S{n}", {}) for n in range(100)}
    for n in range(MOST_HELD):
        hub.publish(f"samples:S{n % 50}:1d", {})
    tap = hub.tap(lambda: None)
    _, found = hub.join(tap, list(firsts), {name: first - 1 for name, first in firsts.items()})
    assert sum(len(joined.events) for joined in found.values()) == 0
    assert all(joined.missed for joined in found.values())
    _, found = hub.join(tap, ["samples:S1:1d"], {"samples:S1:1d": FIRST})
    assert len(found["samples:S1:1d"].events) == MOST_HELD // 50 - 1 + 1 - (MOST_HELD % 50 <= 1)


def test_a_publisher_learns_whether_anybody_cares(clock: Clock) -> None:
    hub = EventHub(clock)
    assert not hub.is_wanted("jobs")
    tap = hub.tap(lambda: None)
    hub.join(tap, ["jobs"], {})
    assert hub.is_wanted("jobs")
    hub.part(tap, "jobs")
    clock.advance(59)
    assert hub.is_wanted("jobs")
    clock.advance(2)
    assert not hub.is_wanted("jobs")
    with hub.listen(["jobs"]):
        assert hub.is_wanted("jobs")


def passing(hub: EventHub, clock: Clock, channel: str, n: int) -> None:
    """What a publisher does whose work costs."""
    if hub.is_wanted(channel):
        hub.publish(channel, {"n": n})


@pytest.mark.parametrize("by", ["sequence", "order"])
@pytest.mark.parametrize("told", [True, False])
def test_who_comes_back_to_a_channel_learns_that_it_was_passed_over_meanwhile(clock: Clock, by: str, told: bool) -> None:
    hub = EventHub(clock)
    passing(hub, clock, "book:A", 0)
    tap = hub.tap(lambda: None)
    hub.join(tap, ["book:A"], {})
    if told:
        passing(hub, clock, "book:A", 1)
    seen = hub.drain(tap)
    after, order = (seen[-1].sequence, seen[-1].order) if told else (0, hub._order)
    hub.part(tap, "book:A")

    def back() -> tuple[list[int], bool]:
        _, found = hub.join(tap, ["book:A"], {"book:A": after} if by == "sequence" else {}, order if by == "order" else None)
        hub.part(tap, "book:A")
        return [event.data["n"] for event in found["book:A"].events], found["book:A"].missed > 0

    clock.advance(30)
    passing(hub, clock, "book:A", 2)  # somebody has heard it a moment ago
    assert back() == ([2], not told and by == "sequence")
    clock.advance(90)
    for n in range(3, 6):
        passing(hub, clock, "book:A", n)
    assert back() == ([], True)
    hub.join(tap, ["book:A"], {})
    passing(hub, clock, "book:A", 6)
    [event] = hub.drain(tap)
    assert event.data == {"n": 6}
    assert event.sequence > after
    hub.part(tap, "book:A")
    after, order = event.sequence, event.order
    assert back() == ([], False)
    clock.advance(90)
    passing(hub, clock, "book:A", 7)
    assert back() == ([], True)


def test_a_listener_hears_once_of_what_was_passed_over(clock: Clock) -> None:
    hub = EventHub(clock)
    with hub.listen(["book:A"]):
        passing(hub, clock, "book:A", 0)
    clock.advance(90)
    passing(hub, clock, "book:A", 1)
    with hub.listen(["book:A"], {"book:A": FIRST}) as late:
        assert late.take() == []
        assert late.take() == []
        passing(hub, clock, "book:A", 2)
        assert [event.data["n"] for event in late.take()] == [2]
        assert late.missed == {"book:A": 1}


def test_a_reader_that_goes_through_a_million_names_leaves_little_behind(clock: Clock) -> None:
    hub = EventHub(clock)
    tap = hub.tap(lambda: None)
    hub.join(tap, ["jobs"], {})
    for n in range(20_000):
        hub.part(tap, f"book:X{n}")
    hub.part(tap, "jobs")
    assert len(hub._wanted) <= 4096
    assert hub.is_wanted("jobs")
    assert not hub.is_wanted("book:X1")
