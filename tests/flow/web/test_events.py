"""Live events as server-sent ones through the whole server."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.flow.web.conftest import Running

PATH = "/api/v1/events"


class Told:
    """The answer, event by event: {"id", "event", "data"} as sent, comments as {"comment"}."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(": ")
            fields[name or "comment"] = json.loads(value) if name == "data" else value
        raise EOFError


@contextlib.contextmanager
def told(running: Running, channels: str, *, scope: str = "read", headers: dict[str, str] | None = None, **query: str) -> Iterator[Told]:
    with (
        running.client(scope) as client,
        client.stream("GET", PATH, params={"channels": channels, **query}, headers=headers or {}) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-encoding" not in response.headers
        yield Told(response)


def test_the_same_frames_come_with_an_id_each_and_a_reader_goes_on_from_the_last(running: Running) -> None:
    publish = running.services.events.publish
    with told(running, "book:sse.one,book:SSE.TWO") as stream:
        assert stream.next()["data"]["type"] == "subscribe_confirmed"
        first = publish("book:SSE.ONE", {"n": 0})
        publish("book:SSE.TWO", {"n": 1})
        seen = stream.next()
        assert (seen["data"]["channel"], seen["data"]["sequence"], seen["data"]["data"]) == ("book:SSE.ONE", first, {"n": 0})
    publish("book:SSE.ONE", {"n": 2})
    with told(running, "book:SSE.ONE,book:SSE.TWO", headers={"last-event-id": seen["id"]}) as stream:
        assert stream.next()["data"]["type"] == "subscribe_confirmed"
        assert [stream.next()["data"]["data"]["n"] for _ in range(2)] == [1, 2]
    with told(running, "book:SSE.ONE,book:SSE.TWO", **{"from": f"book:SSE.ONE:{first}"}) as stream:
        stream.next()
        assert stream.next()["data"]["data"]["n"] == 2


def test_a_reader_from_another_life_hears_of_the_gap(running: Running) -> None:
    running.services.events.publish("book:SSE.GAP", {"n": 0})
    with told(running, "book:SSE.GAP", headers={"last-event-id": "17"}) as stream:
        stream.next()
        gap = stream.next()["data"]
        assert (gap["type"], gap["channel"], gap["missed"]) == ("gap", "book:SSE.GAP", 1)
        assert stream.next()["data"]["data"] == {"n": 0}


def test_silence_is_broken_by_comments(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.web.stream.events.HEARTBEAT", 0.05)
    with told(running, "book:SSE.SILENT") as stream:
        stream.next()
        assert stream.next() == {"comment": "still here"}
        running.services.events.publish("book:SSE.SILENT", {"n": 0})
        frame = stream.next()
        while "comment" in frame:
            frame = stream.next()
        assert frame["data"]["data"] == {"n": 0}


def test_a_revoked_key_ends_the_answer(running: Running) -> None:
    shown, token = running.services.access.create("for events", ["read"], by="test")
    headers = {"x-api-key": token}
    with (
        httpx.Client(base_url=running.base, headers=headers) as client,
        client.stream("GET", PATH, params={"channels": "jobs"}) as response,
    ):
        stream = Told(response)
        stream.next()
        began = time.monotonic()
        running.services.access.revoke(shown["id"], "test")
        assert stream.next() == {"event": "close", "data": {"type": "close", "code": 1008, "reason": "the key has ended"}}
        assert time.monotonic() - began < 1.0
        with pytest.raises(EOFError):
            stream.next()


def until_open(running: Running, count: int) -> None:
    """Return once so many of these streams are open; those of tests before may still be on their way out."""
    gauge, until = running.services.metrics.ws_connections.labels("events"), time.monotonic() + 20
    while gauge._value.get() != count:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_who_goes_away_is_forgotten(running: Running) -> None:
    until_open(running, 0)
    with told(running, "jobs") as stream:
        stream.next()
        until_open(running, 1)
    until_open(running, 0)


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ({}, {}, 422, "invalid_request"),
        ({"channels": ""}, {}, 422, "invalid_request"),
        ({"channels": "weather"}, {}, 404, "unknown_channel"),
        ({"channels": "jobs,prediction:BTC-USDT"}, {}, 403, "forbidden"),
        ({"channels": ",".join(f"book:S{n}" for n in range(65))}, {}, 422, "invalid_request"),
        ({"channels": "jobs", "from": "jobs"}, {}, 422, "invalid_request"),
        ({"channels": "jobs", "from": "jobs:x"}, {}, 422, "invalid_request"),
        ({"channels": "jobs", "from": "drift:1"}, {}, 422, "invalid_request"),
        ({"channels": "jobs", "more": "1"}, {}, 422, "invalid_request"),
        ({"channels": "jobs"}, {"last-event-id": "x"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_told_is_refused(running: Running, query: dict[str, str], headers: dict[str, str], status: int, code: str) -> None:
    with running.client("read") as client:
        answer = client.get(PATH, params=query, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_head_ends_at_once(running: Running) -> None:
    with running.client("read") as client:
        answer = client.head(PATH, params={"channels": "jobs"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_who_loses_the_stream_before_the_first_event_goes_on_as_well(running: Running) -> None:
    with told(running, "book:SSE.EARLY") as stream:
        begun = stream.next()["id"]
    running.services.events.publish("book:SSE.EARLY", {"n": 0})
    with told(running, "book:SSE.EARLY", headers={"last-event-id": begun}) as stream:
        stream.next()
        assert stream.next()["data"]["data"] == {"n": 0}
