"""Silent connections are shut, busy and talking ones are not; on real sockets with real TCP_INFO."""

import socket
import time
from collections.abc import Iterator

import pytest

from rpsd.web.reaper import Patience, Reaper, Silence, silence


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket, int]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            client.settimeout(5)
            server, _ = listener.accept()
            with server:
                yield client, server, listener.getsockname()[1]


def test_the_kernel_counts(pair: tuple[socket.socket, socket.socket, int]) -> None:
    client, server, _ = pair
    assert silence(server).received == 0
    client.sendall(b"GET")
    server.recv(10)
    seen = silence(server)
    assert (seen.established, seen.received, seen.answered) == (True, 3, False)
    server.sendall(b"HTTP/1.1 200")
    assert silence(server).answered


def test_a_silent_connection_is_shut(pair: tuple[socket.socket, socket.socket, int]) -> None:
    client, _, port = pair
    patient = Reaper([port], Patience(60, 60, 60), set)
    assert patient.walk() == 0
    time.sleep(0.02)
    assert Reaper([port], Patience(0.001, 60, 60), set).walk() == 1
    assert client.recv(1) == b""


def test_a_request_in_flight_is_left_alone(pair: tuple[socket.socket, socket.socket, int]) -> None:
    client, _, port = pair
    client.sendall(b"POST")
    time.sleep(0.02)
    host, own = client.getsockname()
    assert Reaper([port], Patience(0.001, 0.001, 0.001), lambda: {(host, str(own))}).walk() == 0
    assert Reaper([port], Patience(0.001, 0.001, 0.001), set).walk() == 1


def test_other_ports_are_left_alone(pair: tuple[socket.socket, socket.socket, int]) -> None:
    time.sleep(0.02)
    assert Reaper([pair[2] + 1], Patience(0.001, 0.001, 0.001), set).walk() == 0


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
