"""What waits for a reader: bounded, counted, and in the order of each channel."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.services.access.principal import Principal
from rpsd.services.events import Event
from rpsd.web.stream import frames
from rpsd.web.stream.reader import MOST_BYTES, MOST_REPLIES, MOST_WAITING, PATIENCE, Ended, Reader

WHO = Principal("k", "k", frozenset({"read"}))


def event(n: int, channel: str = "jobs", size: int = 0) -> Event:
    return Event(channel, n, 0, {"n": n, "x": "x" * size}, order=n)


def on_loop(check: Callable[[Reader], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await check(Reader(WHO, ("127.0.0.1", "1")))

    return asyncio.run(run())


async def all_of(reader: Reader) -> list[dict[str, Any]]:
    """Everything that waits, as the client would read it."""
    found = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                one = await reader.next()
        except TimeoutError:
            return found
        found.append(json.loads(one if isinstance(one, str) else frames.data(one)))


def test_answers_go_before_the_past_and_the_past_before_the_present() -> None:
    async def check(reader: Reader) -> None:
        reader.tell(event(3))
        reader.resend([event(1), event(2)])
        reader.reply(frames.pong("p"))
        assert [one.get("sequence", one["type"]) for one in await all_of(reader)] == ["pong", 1, 2, 3]

    on_loop(check)


def test_the_oldest_are_dropped_and_counted_where_they_are_missing() -> None:
    async def check(reader: Reader) -> None:
        gone = sum(reader.tell(event(n)) for n in range(MOST_WAITING + 10))
        found = await all_of(reader)
        assert gone == 10
        assert found[0] == {"type": "dropped", "channel": "jobs", "count": 10}
        assert [one["sequence"] for one in found[1:]] == list(range(10, MOST_WAITING + 10))

    on_loop(check)


def test_large_events_are_bounded_by_their_size() -> None:
    async def check(reader: Reader) -> None:
        for n in range(20):
            reader.tell(event(n, size=100_000))
        found = await all_of(reader)
        assert found[0]["count"] == 20 - len(found[1:])
        assert sum(len(json.dumps(one)) for one in found) < MOST_BYTES * 1.1

    on_loop(check)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200_000)), max_size=600), st.lists(st.integers(0, 40), max_size=10))
def test_every_event_is_either_read_in_order_or_counted(told: list[tuple[str, int]], reads: list[int]) -> None:
    async def check(reader: Reader) -> None:
        read: list[dict[str, Any]] = []
        turns = list(reads)
        for n, (channel, size) in enumerate(told):
            reader.tell(event(n, channel, size if n % 50 == 0 else 0))
            if turns and n % 60 == 0:
                for _ in range(turns.pop()):
                    if not reader.waiting:
                        break
                    one = await reader.next()
                    read.append(json.loads(one if isinstance(one, str) else frames.data(one)))
        read += await all_of(reader)
        for channel in "abc":
            own = [one["sequence"] for one in read if one["type"] == "data" and one["channel"] == channel]
            dropped = sum(one["count"] for one in read if one["type"] == "dropped" and one["channel"] == channel)
            assert own == sorted(set(own))
            assert len(own) + dropped == sum(name == channel for name, _ in told)

    on_loop(check)


def test_a_reader_that_takes_no_answers_is_not_read_any_further() -> None:
    async def check(reader: Reader) -> None:
        for _ in range(MOST_REPLIES):
            reader.reply(frames.pong(None))
        waiting = asyncio.ensure_future(reader.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        await reader.next()
        await asyncio.wait_for(waiting, 1)

    on_loop(check)


def test_what_was_unsubscribed_from_is_not_sent_any_more() -> None:
    async def check(reader: Reader) -> None:
        reader.resend([event(1, "jobs"), event(2, "drift")])
        reader.tell(event(3, "jobs"))
        reader.tell(event(4, "drift"))
        reader.forget(["jobs"])
        assert [one["sequence"] for one in await all_of(reader)] == [2, 4]

    on_loop(check)


def test_who_is_behind_or_stuck_for_too_long_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(reader: Reader) -> None:
        now = 1_000.0
        monkeypatch.setattr("rpsd.web.stream.reader.monotonic", lambda: now)
        for n in range(MOST_WAITING):
            reader.tell(event(n))
        assert not reader.is_stuck(now + 10 * PATIENCE)  # it has lost nothing
        reader.tell(event(MOST_WAITING))
        assert not reader.is_stuck(now + PATIENCE)
        assert reader.is_stuck(now + PATIENCE + 0.1)
        await all_of(reader)
        assert not reader.is_stuck(now + 10 * PATIENCE)  # it has caught up
        reader.stuck_since = now
        assert reader.is_stuck(now + PATIENCE + 0.1)

    on_loop(check)


def test_an_ended_stream_says_why_to_whoever_sends_and_lets_go_of_whoever_waits() -> None:
    async def check(reader: Reader) -> None:
        sending = asyncio.ensure_future(reader.next())
        await asyncio.sleep(0)
        reader.end(1008, "first")
        reader.end(1001, "second")
        with pytest.raises(Ended) as ended:
            await sending
        assert (ended.value.code, ended.value.reason) == (1008, "first")
        assert reader.over.done()

    on_loop(check)
