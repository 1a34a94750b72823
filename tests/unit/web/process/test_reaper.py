"""Connections of no use are shut, busy and talking ones are not; on real sockets with real TCP_INFO."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from rpsd.web.process.reaper import Peer, Reaper
from rpsd.web.process.silence import Patience, Silence, cookie, silence

Pair = tuple[socket.socket, socket.socket, int]
PATIENT = Patience(60, 60, 60, 60)


def idle(_: Peer) -> bool:
    return False


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            client.settimeout(5)
            server, _ = listener.accept()
            with server:
                yield client, server, listener.getsockname()[1]


def fill(server: socket.socket) -> None:
    """Send until nothing more goes in, and until what is on its way has arrived."""
    server.setblocking(False)
    taken = -1
    while taken != silence(server).taken:
        taken = silence(server).taken
        with pytest.raises(BlockingIOError):
            while True:
                server.send(bytes(1 << 20))
        time.sleep(0.1)


def drain(client: socket.socket, n: int) -> None:
    while n > 0:
        n -= len(client.recv(n))


def test_the_kernel_counts(pair: Pair) -> None:
    client, server, _ = pair
    assert silence(server).received == 0
    client.sendall(b"GET")
    server.recv(10)
    seen = silence(server)
    assert (seen.established, seen.received, seen.answered, seen.waiting) == (True, 3, False, 0)
    server.sendall(b"HTTP/1.1 200")
    assert silence(server).answered
    assert cookie(server) == cookie(server) != cookie(client)


def test_what_a_reader_leaves_is_counted_as_waiting(pair: Pair) -> None:
    client, server, _ = pair
    fill(server)
    seen = silence(server)
    assert seen.waiting > 0
    while client.recv(1 << 20) and silence(server).waiting:
        pass
    assert silence(server).taken > seen.taken


def test_a_silent_connection_is_shut(pair: Pair) -> None:
    client, _, port = pair
    assert Reaper([port], PATIENT, idle).walk() == 0
    time.sleep(0.02)
    assert Reaper([port], Patience(0.001, 60, 60), idle).walk() == 1
    assert client.recv(1) == b""


def test_a_request_in_flight_is_left_alone(pair: Pair) -> None:
    client, _, port = pair
    client.sendall(b"POST")
    time.sleep(0.02)
    host, own = client.getsockname()
    hasty = Patience(0.001, 0.001, 0.001)
    busy = Reaper([port], hasty, lambda peer: peer == (host, str(own)))
    assert [busy.walk(), busy.walk()] == [0, 0]
    assert Reaper([port], hasty, idle).walk() == 1


def test_headers_that_drip_for_ever_are_shut(pair: Pair) -> None:
    client, _, port = pair
    reaper = Reaper([port], Patience(60, 0.3, 60), idle)
    until, shut = time.monotonic() + 5, 0
    while not shut and time.monotonic() < until:
        client.sendall(b"x")
        time.sleep(0.02)
        shut = reaper.walk()
    assert shut == 1


def test_headers_of_a_later_request_that_drip_are_shut_unless_it_is_being_answered(pair: Pair) -> None:
    client, server, port = pair
    client.sendall(b"GET")
    server.sendall(b"HTTP/1.1 200")
    busy = [True]
    reaper = Reaper([port], Patience(60, 0.3, 60), lambda _: busy[0])
    until, shut = time.monotonic() + 5, 0
    while not shut and time.monotonic() < until:
        client.sendall(b"x")
        time.sleep(0.02)
        shut = reaper.walk()
        if time.monotonic() > until - 4.0:
            assert not shut or not busy[0]
            busy[0] = False
    assert shut == 1


@pytest.mark.parametrize("busy", [True, False])
def test_a_reader_that_takes_nothing_is_reset_also_in_a_request(pair: Pair, busy: bool) -> None:
    client, server, port = pair
    fill(server)
    reaper = Reaper([port], Patience(60, 60, 60, 0.1), lambda _: busy)
    assert reaper.walk() == 0
    time.sleep(0.11)
    assert reaper.walk() == 1
    with pytest.raises(BrokenPipeError):
        server.send(b"more")
    server.close()
    with pytest.raises(ConnectionResetError):
        while client.recv(1 << 20):
            pass


def test_a_reader_that_takes_its_time_is_left_alone(pair: Pair) -> None:
    client, server, port = pair
    fill(server)
    reaper = Reaper([port], Patience(60, 60, 60, 1.5, 0.01), idle)  # in all it is waited for longer, but never at a time
    for _ in range(4):
        assert reaper.walk() == 0
        time.sleep(0.5)
        drain(client, 1 << 18)
    assert reaper.walk() == 0


def test_other_ports_are_left_alone(pair: Pair) -> None:
    time.sleep(0.02)
    assert Reaper([pair[2] + 1], Patience(0.001, 0.001, 0.001), idle).walk() == 0


def test_condemned_connections_are_cut_at_once_and_no_others(pair: Pair) -> None:
    client, server, port = pair
    reaper = Reaper([port], PATIENT, idle)
    reaper.start()
    try:
        host, own = client.getsockname()
        with socket.create_connection((host, port)) as other:
            reaper.cut([(host, str(own)), ("203.0.113.1", "1")])
            assert server.recv(1) == b""
            other.settimeout(0.3)
            with pytest.raises(TimeoutError):
                other.recv(1)
    finally:
        reaper.stop()
    assert reaper.reaped == 1


def test_at_the_end_the_idle_are_shut_and_never_who_is_owed_an_answer(pair: Pair) -> None:
    """A request that nobody has read yet is in no table of busy ones; to shut its connection would be a reset instead of an answer."""
    client, server, port = pair
    reaper = Reaper([port], PATIENT, idle)
    client.sendall(b"GET / HTTP/1.1")
    time.sleep(0.1)
    assert reaper.end_idle(0.05) == 0
    server.recv(100)
    server.sendall(b"HTTP/1.1 200")
    time.sleep(0.1)
    assert reaper.end_idle(0.05) == 1


def test_a_request_that_comes_at_the_last_moment_is_not_met_by_a_reset(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server, port = pair
    client.sendall(b"GET / HTTP/1.1")
    server.recv(100)
    server.sendall(b"HTTP/1.1 200")
    time.sleep(0.1)

    def come(connection: socket.socket) -> bytes:
        client.sendall(b"GET / HTTP/1.1")
        return cookie(connection)

    monkeypatch.setattr("rpsd.web.process.reaper.cookie", come)
    assert Reaper([port], PATIENT, idle).end_idle(0.05) == 0


def test_it_stops_while_it_waits() -> None:
    before = set(threading.enumerate())  # a server that other tests share has a reaper of its own
    reaper = Reaper([1], PATIENT, idle)
    reaper.start()
    reaper.stop()
    assert {thread for thread in threading.enumerate() if thread.name == "reaper"} <= before


@pytest.mark.parametrize(
    ("seen", "over"),
    [
        (Silence(True, 0, False, 16.0, 16.0), True),
        (Silence(True, 0, False, 14.0, 14.0), False),
        (Silence(True, 10, False, 16.0, 16.0), True),
        (Silence(True, 10, True, 50.0, 50.0), False),
        (Silence(True, 10, True, 61.0, 61.0), True),
        (Silence(True, 10, True, 61.0, 1.0), False),
        (Silence(False, 0, False, 99.0, 99.0), False),
    ],
)
def test_patience(seen: Silence, over: bool) -> None:
    assert Patience(15, 15, 60).is_over(seen) is over


def test_patience_ends_ahead_of_the_limit_and_for_headers_by_their_age() -> None:
    silent, dripping = Silence(True, 0, False, 14.0, 14.0), Silence(True, 10, False, 1.0, 1.0)
    assert Patience(15, 15, 60, ahead=1.2).is_over(silent)
    assert not Patience(15, 15, 60, ahead=1.2).is_over(dripping, 13.0)
    assert Patience(15, 15, 60, ahead=1.2).is_over(dripping, 14.0)


@pytest.mark.parametrize(
    ("taken", "waiting", "seconds", "stuck"), [(0, 1, 16.0, True), (0, 1, 14.0, False), (1 << 16, 1, 16.0, False), (0, 0, 16.0, False)]
)
def test_patience_with_readers(taken: int, waiting: int, seconds: float, stuck: bool) -> None:
    was = Silence(True, 10, True, 1.0, 1.0, 1000, 1)
    assert Patience(15, 15, 60).is_stuck(Silence(True, 10, True, 1.0, 1.0, 1000 + taken, waiting), was, seconds) is stuck
