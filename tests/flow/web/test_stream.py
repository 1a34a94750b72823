"""Live streams over WebSocket through the whole server: the protocol, and what ends a socket."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from rpsd.services.channel import CHANNELS
from tests.flow.web.conftest import SCOPES, Launch, Running

PATH = "/api/v1/ws"


@contextlib.contextmanager
def opened(running: Running, scope: str | None = "read", **headers: str) -> Iterator[ClientConnection]:
    if scope is not None:
        headers["x-api-key"] = running.keys[scope]
    address = f"ws://127.0.0.1:{running.server.port}{PATH}"
    with connect(address, additional_headers=headers, open_timeout=20, close_timeout=5) as socket:
        yield socket


def ask(to: ClientConnection, **frame: Any) -> dict[str, Any]:
    to.send(json.dumps(frame))
    return told(to)


def told(by: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(by.recv(timeout=20))
    return frame


def test_a_subscriber_hears_what_is_published_from_then_on(running: Running) -> None:
    publish = running.services.events.publish
    before = publish("book:STR.ONE", {"n": 0})
    with opened(running) as socket:
        confirmed = ask(socket, type="subscribe", channels=["book:str.one", "book:STR.TWO"], id="s")
        assert confirmed == {
            "type": "subscribe_confirmed",
            "id": "s",
            "channels": ["book:STR.ONE", "book:STR.TWO"],
            "sequence": {"book:STR.ONE": before, "book:STR.TWO": 0},
        }
        publish("book:STR.THREE", {"n": 1})
        publish("book:STR.ONE", {"n": 2})
        frame = told(socket)
        assert frame.pop("timestamp").endswith("Z")
        assert frame == {"type": "data", "channel": "book:STR.ONE", "sequence": before + 1, "data": {"n": 2}}
        assert ask(socket, type="unsubscribe", channels=["book:STR.ONE"]) == {"type": "unsubscribe_confirmed", "channels": ["book:STR.ONE"]}
        publish("book:STR.ONE", {"n": 3})
        assert ask(socket, type="ping", id="p") == {"type": "pong", "id": "p"}


def test_a_reader_that_comes_back_gets_what_it_missed_and_hears_of_what_is_gone(running: Running) -> None:
    publish = running.services.events.publish
    first = publish("book:STR.GAP", {"n": 0})
    for n in range(1, 4):
        publish("book:STR.GAP", {"n": n})
    with opened(running) as socket:
        ask(socket, type="subscribe", channels=["book:STR.GAP"], **{"from": {"book:STR.GAP": first}})
        assert [told(socket)["data"]["n"] for _ in range(3)] == [1, 2, 3]
    with opened(running) as socket:
        ask(socket, type="subscribe", channels=["book:STR.GAP"], **{"from": {"book:STR.GAP": first - 100_000}})
        gap = told(socket)
        assert (gap["type"], gap["channel"], gap["from"], gap["to"]) == ("gap", "book:STR.GAP", first - 100_000, first - 1)
        assert gap["missed"] >= 1
        assert [told(socket)["data"]["n"] for _ in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no json", "bad_frame"),
        ("[]", "bad_frame"),
        ('{"type":"dance","id":"x"}', "bad_frame"),
        ('{"type":"subscribe","channels":[]}', "bad_frame"),
        ('{"type":"subscribe","channels":["jobs"],"more":1}', "bad_frame"),
        ('{"type":"ping","id":' + "[" * 5000 + "]" * 5000 + "}", "bad_frame"),
        ('{"type":"subscribe","channels":["weather"]}', "unknown_channel"),
        ('{"type":"subscribe","channels":["prediction:BTC-USDT"]}', "forbidden"),
        ('{"type":"subscribe","channels":["jobs"],"from":{"drift":3}}', "invalid_request"),
        ('{"type":"samples","id":"x","symbol":"A","interval":"1d","data":{}}', "forbidden"),
    ],
)
def test_a_frame_that_cannot_be_used_is_answered_and_the_socket_stays(running: Running, text: str, code: str) -> None:
    with opened(running) as socket:
        socket.send(text)
        frame = told(socket)
        assert (frame["type"], frame["code"]) == ("error", code)
        assert frame["detail"]
        assert frame["hint"]
        assert frame.get("id") == ("x" if '"id":"x"' in text else None)
        assert ask(socket, type="ping") == {"type": "pong"}


@pytest.mark.parametrize(("message", "code"), [(b"bytes", 1003), ("x" * (2 << 20), 1009)])
def test_frames_that_end_the_socket(running: Running, message: Any, code: int) -> None:
    with opened(running) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.send(message)
        told(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


@pytest.mark.parametrize(
    ("scope", "headers", "status", "code"),
    [
        (None, {}, 401, "unauthenticated"),
        (None, {"x-api-key": "rpsd_00000000_" + "0" * 32}, 401, "unauthenticated"),
        ("read", {"origin": "https://elsewhere.example"}, 403, "forbidden"),
        ("read", {"origin": "null"}, 403, "forbidden"),
    ],
)
def test_who_may_not_open_one_is_told_why(running: Running, scope: str | None, headers: dict[str, str], status: int, code: str) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(running, scope, **headers):
        pass
    response = refused.value.response
    assert response.status_code == status
    assert response.body is not None
    assert json.loads(bytes(response.body))["code"] == code


def test_a_page_of_the_same_host_may_open_one(running: Running) -> None:
    with opened(running, origin=f"http://127.0.0.1:{running.server.port}") as socket:
        assert ask(socket, type="ping") == {"type": "pong"}


def test_there_is_no_websocket_elsewhere(running: Running) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{running.server.port}/api/v1/elsewhere"):
        pass
    assert refused.value.response.status_code == 404


def test_a_ticket_opens_one_socket(running: Running) -> None:
    holder = running.services.access.authenticate(running.keys["read"])
    ticket = running.services.access.ticket(holder)["ticket"]
    address = f"ws://127.0.0.1:{running.server.port}{PATH}?ticket={ticket}"
    with connect(address) as socket:
        assert ask(socket, type="ping") == {"type": "pong"}
    with pytest.raises(InvalidStatus) as refused, connect(address):
        pass
    assert refused.value.response.status_code == 401


def test_the_sockets_of_a_revoked_key_close_within_a_second_and_others_stay(running: Running) -> None:
    shown, token = running.services.access.create("for a socket", ["read"], by="test")
    headers = {"x-api-key": token}
    with opened(running) as other, opened(running, None, **headers) as socket:
        ask(socket, type="subscribe", channels=["jobs"])
        running.services.access.revoke(shown["id"], "test")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=1.0)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert ask(other, type="ping") == {"type": "pong"}


def test_samples_and_snapshots_are_acknowledged_in_order_after_the_commit(running: Running) -> None:
    with opened(running, "ingest") as socket, running.client("read") as http:
        for n in range(40):  # more than may be in flight
            body = {"t": [n * 86_400_000_000_000], "close": [100.0 + n]}
            socket.send(json.dumps({"type": "samples", "id": str(n), "symbol": "str.in", "interval": "1d", "data": body}))
        for n in range(40):
            frame = told(socket)
            assert (frame["type"], frame["id"], frame["result"]["inserted"]) == ("ack", str(n), 1)
        assert http.get("/api/v1/series/STR.IN/1d").json()["rows"] == 40
        book = [{"timestamp": 1_700_000_000_000_000_000, "bids": [[1.0, 2.0]], "asks": [[1.1, 3.0]]}]
        frame = ask(socket, type="snapshots", id="b", symbol="STR.BOOK", data=book)
        assert (frame["type"], frame["id"], frame["result"]["accepted"]) == ("ack", "b", 1)
        assert http.get("/api/v1/books/STR.BOOK").json()["bids"] == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "samples", "symbol": "STR.BAD", "interval": "1d", "data": {"t": [1, 2], "close": [1.0]}}, "bad_rows"),
        ({"type": "samples", "symbol": "STR.BAD", "interval": "7d", "data": {"t": [1], "close": [1.0]}}, "bad_symbol"),
        ({"type": "samples", "symbol": "STR.BAD", "interval": "1d", "data": {"t": [1, 2], "close": [1.0, "x"]}}, None),
        ({"type": "snapshots", "symbol": "STR.BAD", "data": [{"timestamp": 1, "bids": [[2, 1]], "asks": [[1, 1]]}]}, None),
    ],
)
def test_what_cannot_be_ingested_is_named_and_nothing_of_it_is_stored(running: Running, frame: dict[str, Any], code: str | None) -> None:
    with opened(running, "ingest") as socket, running.client("read") as http:
        answer = ask(socket, id="i", **frame)
        assert (answer["type"], answer["id"]) == ("error", "i")
        assert code is None or answer["code"] == code
        assert http.get("/api/v1/series/STR.BAD/1d").status_code == 404
        assert http.get("/api/v1/books/STR.BAD").status_code == 404
        assert ask(socket, type="ping") == {"type": "pong"}


def test_every_scope_with_every_channel_and_every_frame(running: Running) -> None:
    """Over a WebSocket a key hears and sends exactly what its scope is for."""
    samples = {"type": "samples", "symbol": "STR.ROLE", "interval": "7d", "data": {"t": [1], "close": [1.0]}}
    snapshots = {"type": "snapshots", "symbol": "STR.ROLE", "data": [{"timestamp": 1, "bids": [[2, 1]], "asks": [[1, 1]]}]}
    for scope in SCOPES:
        with opened(running, scope) as socket:
            for one in CHANNELS:
                name = one.pattern.replace("SYMBOL", "STR.ROLE").replace("INTERVAL", "1d")
                frame = ask(socket, type="subscribe", channels=[name])
                heard = (frame["type"], frame.get("code")) == ("subscribe_confirmed", None)
                assert heard == (scope in (one.scope, "admin")), (scope, name, frame)
                assert heard or frame["code"] == "forbidden", (scope, name, frame)
            for sent in (samples, snapshots):  # neither can be stored, whoever sends it
                assert (ask(socket, id="r", **sent)["code"] == "forbidden") == (scope not in ("ingest", "admin")), (scope, sent)


def test_a_server_that_stops_says_so(launch: Launch) -> None:
    running = launch()
    with opened(running) as socket:
        ask(socket, type="subscribe", channels=["jobs"])
        running.server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            told(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


def test_open_streams_are_counted_and_the_number_of_a_key_is_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.web.stream.streams.MOST_EACH", 2)
    _, token = running.services.access.create("few sockets", ["read"], by="test")
    gauge = running.services.metrics.ws_connections.labels("websocket")
    with contextlib.ExitStack() as stack:
        until = time.monotonic() + 20
        while gauge._value.get() > 0:  # those of tests before may still be on their way out
            assert time.monotonic() < until
            time.sleep(0.02)
        for _ in range(2):
            stack.enter_context(opened(running, None, **{"x-api-key": token}))
        assert gauge._value.get() == 2
        with pytest.raises(InvalidStatus) as refused:
            stack.enter_context(opened(running, None, **{"x-api-key": token}))
        assert refused.value.response.status_code == 429
        assert "retry-after" in refused.value.response.headers


def test_a_broken_fan_out_degrades_the_health_and_mends_itself(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    events, health = running.services.events, running.services.health
    with opened(running) as socket:
        ask(socket, type="subscribe", channels=["book:STR.BREAK"])
        with monkeypatch.context() as broken:

            def fail(_tap: object) -> None:
                raise RuntimeError("the fan-out is broken on purpose")

            broken.setattr(events, "drain", fail)
            events.publish("book:STR.BREAK", {"n": 1})
            until = time.monotonic() + 10
            while health.full()["services"]["streams"].get("code") != "streams":
                assert time.monotonic() < until
                time.sleep(0.02)
        time.sleep(0.6)
        events.publish("book:STR.BREAK", {"n": 2})
        assert [told(socket)["data"]["n"] for _ in range(2)] == [1, 2]
    monkeypatch.setattr("rpsd.web.stream.streams._TROUBLED", 0.0)
    assert health.full()["services"]["streams"] == {"status": "healthy"}


def test_a_reader_that_is_too_slow_hears_what_was_dropped_and_is_closed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.web.stream.reader.PATIENCE", 1.0)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", running.server.port))
    address, headers = f"ws://127.0.0.1:{running.server.port}{PATH}", {"x-api-key": running.keys["read"]}
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.001):
            running.services.events.publish("book:STR.SLOW", {"padding": "x" * 3000})

    publisher = threading.Thread(target=publish)
    kinds, seen = set(), list[int]()
    with connect(address, sock=raw, additional_headers=headers, max_queue=1) as slow, opened(running) as other:
        ask(slow, type="subscribe", channels=["book:STR.SLOW"])
        publisher.start()
        try:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    frame = told(slow)
                    kinds.add(frame["type"])
                    seen += [frame["sequence"]] if frame["type"] == "data" else []
                    time.sleep(0.01)
        finally:
            ended.set()
            publisher.join()
        assert ask(other, type="ping") == {"type": "pong"}
    assert kinds == {"data", "dropped"}
    assert seen == sorted(set(seen))
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
