"""The client's stream of events: over lost connections, restarts and refusals, with nothing twice and nothing lost in silence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some

from rpsd.client import Client, Events
from rpsd.core.access_errors import Unauthenticated
from rpsd.core.errors import Unavailable


def message(frame: Any, given_id: str | None = None) -> bytes:
    return (f"id: {given_id}\n" if given_id else "").encode() + b"data: " + json.dumps(frame).encode() + b"\n\n"


def data(sequence: int, channel: str = "jobs") -> dict[str, Any]:
    return {"type": "data", "channel": channel, "sequence": sequence, "timestamp": "2026-01-01T00:00:00Z", "data": {"n": sequence}}


class Lives:
    """One stream after the other, each a list of pieces, or an error in its place; keeps what it was asked for and the waits between."""

    def __init__(self, *streams: Any) -> None:
        self.streams, self.asked, self.waits = list(streams), list[str | None](), list[float]()

    @contextmanager
    def opened(self, last_id: str | None) -> Iterator[httpx.Response]:
        self.asked.append(last_id)
        stream = self.streams.pop(0) if self.streams else Unauthenticated("that was the last")
        if isinstance(stream, Exception):
            raise stream
        yield httpx.Response(200, content=iter(stream))

    def events(self, after: str | None = None, patience: float | None = None) -> Events:
        return Events(self.opened, after, patience, self.waits.append)


def frames(lives: Lives) -> list[dict[str, Any]]:
    found = []
    with pytest.raises(Unauthenticated, match="that was the last"):
        for frame in lives.events():
            found.append(frame)
    return found


def test_frames_come_in_order_and_a_lost_connection_goes_on_where_it_ended() -> None:
    lives = Lives(
        [b": ping\n\n", message(data(1), "a"), message(data(2), "b") + b'id: c\ndata: {"type":"data","chan'],  # cut off: c has not come
        [message(data(2), "b"), message(data(3), "c")],  # once more
    )
    assert frames(lives) == [data(1), data(2), data(3)]
    assert lives.asked == [None, "b", "c"]


def test_who_stops_at_a_frame_goes_on_behind_it() -> None:
    events = Lives([message(data(1), "a"), message(data(2), "b")]).events()
    assert (next(events), events.last_id) == (data(1), "a")


def test_what_is_missing_without_a_word_is_told_as_a_gap() -> None:
    lives = Lives([message(data(1), "a"), message(data(5), "b")], [message(data(9), "c")])
    gaps = [
        {"type": "gap", "channel": "jobs", "from": 1, "to": 4, "missed": 3},
        {"type": "gap", "channel": "jobs", "from": 5, "to": 8, "missed": 3},
    ]
    assert frames(lives) == [data(1), gaps[0], data(5), gaps[1], data(9)]


def test_what_the_server_tells_as_dropped_or_gone_is_told_once() -> None:
    dropped = {"type": "dropped", "channel": "jobs", "count": 3}
    gap = {"type": "gap", "channel": "jobs", "from": 5, "to": 99, "missed": 4}
    lives = Lives([message(data(1)), message(dropped), message(data(5))], [message(gap), message(data(100))])
    assert frames(lives) == [data(1), dropped, data(5), gap, data(100)]


def test_waits_grow_begin_anew_after_a_sign_of_life_and_heed_the_server() -> None:
    silent = [Unavailable("no") for _ in range(9)]
    lives = Lives(*silent, [b": ping\n\n"], Unavailable("later", retry_after=60.0))
    assert frames(lives) == []
    for number, wait in enumerate(lives.waits[:9]):
        assert 0.75 <= wait / min(0.25 * 2**number, 30.0) <= 1.25
    assert lives.waits[9] <= 0.32 * 2  # the comment was a sign of life
    assert lives.waits[10] >= 45.0


def test_patience_ends_and_a_refusal_is_raised_at_once() -> None:
    lives = Lives(*[Unavailable("no") for _ in range(99)])
    with pytest.raises(Unavailable, match="no"):
        next(lives.events(patience=1e-9))
    assert len(lives.asked) == 1
    lives = Lives(Unauthenticated("the key has ended"))
    with pytest.raises(Unauthenticated):
        next(lives.events(after="x"))
    assert (lives.asked, lives.waits) == (["x"], [])


def test_foreign_words_and_carriage_returns_are_passed_over() -> None:
    text = b"event: data\r\nretry: 5\r\n" + message(data(1)).replace(b"\n", b"\r\n") + b"data: [1]\n\ndata\n\n" + message(data(2))
    assert frames(Lives([text])) == [data(1), data(2)]


@given(
    some.lists(some.tuples(some.sampled_from(["jobs", "drift"]), some.integers(1, 3)), max_size=30),
    some.lists(some.integers(1, 60), max_size=60),
    some.sets(some.integers(0, 30)),
)
def test_however_the_bytes_come_each_event_comes_once_and_the_rest_is_told(
    steps: list[tuple[str, int]], cuts: list[int], ends: set[int]
) -> None:
    last = {"jobs": 0, "drift": 0}
    sent: list[list[bytes]] = [[]]
    for place, (channel, step) in enumerate(steps):
        last[channel] += step
        sent[-1].append(message(data(last[channel], channel), str(place)))
        if place in ends:
            sent.append(sent[-1][-2:])  # the next connection repeats some
    lives = Lives(*(_cut(b"".join(parts), cuts) for parts in sent))
    found = frames(lives)
    for channel, final in last.items():
        own = [frame for frame in found if frame["channel"] == channel]
        seen = [frame["sequence"] for frame in own if frame["type"] == "data"]
        assert seen == sorted(set(seen))
        assert seen[-1:] == ([final] if final else [])
        missed = sum(frame["missed"] for frame in own if frame["type"] == "gap")
        assert not seen or len(seen) + missed == final - seen[0] + 1


def _cut(text: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(text[:size])
        text = text[size:]
    return [part for part in [*parts, text] if part]


def test_a_server_that_is_not_there_is_asked_until_patience_ends() -> None:
    with Client("http://127.0.0.1:9", timeout=2) as client, pytest.raises(Unavailable, match="does not answer"):
        next(client.events(["jobs"], patience=0.1))
