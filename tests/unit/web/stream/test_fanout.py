"""The fan-out: one encoding however many readers, each channel in order, nothing of it lost without a word."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rpsd.services.events import EventHub
from rpsd.telemetry import Metrics
from rpsd.web.stream import frames
from rpsd.web.stream.fanout import Fanout, replayed
from rpsd.web.stream.reader import Reader
from tests.conftest import Clock
from tests.unit.web.stream.test_reader import WHO, all_of


def on_loop(clock: Clock, check: Callable[[EventHub, Fanout], Awaitable[Any]]) -> None:
    async def run() -> None:
        hub = EventHub(clock)
        fanout = Fanout(hub, Metrics(), asyncio.get_running_loop())
        await check(hub, fanout)
        fanout.close()

    asyncio.run(run())


def reader() -> Reader:
    return Reader(WHO, ("127.0.0.1", "1"))


def test_an_event_is_made_to_text_once_for_all_its_readers(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    encode = frames._text
    monkeypatch.setattr(frames, "_text", lambda frame: made.append(frame) or encode(frame))

    async def check(hub: EventHub, fanout: Fanout) -> None:
        readers = [reader() for _ in range(50)]
        for one in readers:
            fanout.join(one, ["jobs"], {})
        hub.publish("jobs", {"n": 1})
        await asyncio.sleep(0)
        for one in readers:
            assert [frame["data"]["n"] for frame in await all_of(one)] == [1]
        assert len(made) == 1

    on_loop(clock, check)


def test_a_burst_from_other_threads_arrives_whole_and_in_order(clock: Clock) -> None:
    async def check(hub: EventHub, fanout: Fanout) -> None:
        one = reader()
        fanout.join(one, ["jobs", "drift"], {})
        threads = [threading.Thread(target=lambda c=c: [hub.publish(c, {"n": n}) for n in range(100)]) for c in ("jobs", "drift")]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        await asyncio.sleep(0)
        found = await all_of(one)
        for channel in ("jobs", "drift"):
            assert [frame["data"]["n"] for frame in found if frame["channel"] == channel] == list(range(100))

    on_loop(clock, check)


def test_who_joins_in_the_middle_of_a_burst_hears_each_event_once(clock: Clock) -> None:
    async def check(hub: EventHub, fanout: Fanout) -> None:
        first, second = reader(), reader()
        fanout.join(first, ["jobs"], {})
        begun = hub.publish("jobs", {"n": 0})
        hub.publish("jobs", {"n": 1})  # both wait for the loop
        second.resend(replayed(fanout.join(second, ["jobs"], {"jobs": begun}), {"jobs": begun}))
        hub.publish("jobs", {"n": 2})
        await asyncio.sleep(0)
        assert [frame["data"]["n"] for frame in await all_of(first)] == [0, 1, 2]
        assert [frame["data"]["n"] for frame in await all_of(second)] == [1, 2]

    on_loop(clock, check)


def test_data_that_is_no_json_harms_its_own_event_alone(clock: Clock) -> None:
    async def check(hub: EventHub, fanout: Fanout) -> None:
        one = reader()
        fanout.join(one, ["jobs"], {})
        for data in ({"n": 0}, {"n": object()}, {"n": 2}):
            hub.publish("jobs", data)
        await asyncio.sleep(0)
        assert isinstance(fanout.failure, TypeError)
        found = await all_of(one)
        assert [frame.get("data", frame.get("count")) for frame in found] == [1, {"n": 0}, {"n": 2}]

    on_loop(clock, check)


def test_a_fan_out_that_begins_anew_tells_what_it_missed(clock: Clock) -> None:
    async def check(hub: EventHub, fanout: Fanout) -> None:
        one = reader()
        fanout.join(one, ["jobs"], {})
        hub.publish("jobs", {"n": 0})
        hub.drain(fanout._tap)  # lost on the way
        fanout.restart()
        hub.publish("jobs", {"n": 1})
        await asyncio.sleep(0)
        assert [frame["data"]["n"] for frame in await all_of(one)] == [0, 1]

    on_loop(clock, check)


def test_the_last_to_leave_a_channel_ends_its_flow(clock: Clock) -> None:
    async def check(hub: EventHub, fanout: Fanout) -> None:
        first, second = reader(), reader()
        for one in (first, second):
            fanout.join(one, ["jobs"], {})
        fanout.part(first, ["jobs"])
        hub.publish("jobs", {"n": 0})
        await asyncio.sleep(0)
        assert [len(await all_of(one)) for one in (first, second)] == [0, 1]
        fanout.part(second, ["jobs", "drift"])
        clock.advance(61)
        assert not hub.is_wanted("jobs")

    on_loop(clock, check)


def test_frames_are_what_the_manual_says() -> None:
    assert json.loads(frames.gap("jobs", 3, 2, 9)) == {"type": "gap", "channel": "jobs", "from": 3, "to": 8, "missed": 2}
    assert json.loads(frames.gap("jobs", None, 1, None)) == {"type": "gap", "channel": "jobs", "from": None, "to": None, "missed": 1}
    assert frames.id_in('{"id":"a","type":"x"}') == "a"
    assert frames.id_in('{"id":7,"type":"x"}') == 7
    assert frames.id_in('{"id":-7}') is None
    assert frames.id_in('{"id":1.5}') is None
    assert frames.given('{"type":"ping","id":7}').id == 7
    assert frames.id_in("[") is None
