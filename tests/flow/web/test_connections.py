"""What a stranger may send on a connection before a handler sees it: refused, and never taken for two requests."""

import re
import socket
from typing import Any

import pytest

GOOD = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
_POST = b"POST /api/v1/denoise HTTP/1.1\r\nhost: localhost\r\n"
_GET = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


def answers(port: int, message: bytes) -> tuple[list[int], bool]:
    """The statuses that came back within a second of silence, and whether the server closed."""
    heard, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        try:
            client.sendall(message)
            while chunk := client.recv(1 << 16):
                heard += chunk
                client.settimeout(1.0)
            closed = True
        except (ConnectionResetError, BrokenPipeError):
            closed = True
        except TimeoutError:
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", heard)], closed


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 0\r\ncontent-length: 5\r\n\r\nhello",
        b"content-length: 5, 5\r\n\r\nhello",
        b"content-length: +5\r\n\r\nhello",
        b"content-length: -1\r\n\r\nhello",
        b"content-length: 0x5\r\n\r\nhello",
        b"content-length: 99999999999999999999999\r\n\r\nhello",
        b"transfer-encoding: identity\r\n\r\nhello",
        b"transfer-encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"x: a\r\n folded\r\n\r\n",
        b"x: a\x00b\r\n\r\n",
        b"x: a\rb\r\n\r\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused_and_the_connection_ends(running: Any, head: bytes) -> None:
    statuses, closed = answers(running.server.port, _POST + head + GOOD)
    assert (statuses, closed) == ([400], True)


def test_a_length_beside_chunks_does_not_hide_a_second_request(running: Any) -> None:
    both = b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    statuses, closed = answers(running.server.port, b"POST /health/live HTTP/1.1\r\nhost: localhost\r\n" + both + GOOD)
    assert (statuses, closed) == ([405], True)


@pytest.mark.parametrize(
    "chunks", [b"zz\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"5\nhello\n0\n\n", b"5;" + b"a" * 20_000 + b"\r\n"]
)
def test_broken_chunks_end_the_connection(running: Any, chunks: bytes) -> None:
    key = b"x-api-key: " + running.keys["predict"].encode() + b"\r\ncontent-type: application/json\r\n"
    statuses, closed = answers(running.server.port, _POST + key + b"transfer-encoding: chunked\r\n\r\n" + chunks + GOOD)
    assert (statuses, closed) == ([400], True)


@pytest.mark.parametrize(
    ("message", "statuses"),
    [
        (b"GET /health/live\r\n\r\n", [400]),  # HTTP/0.9
        (b"GET /health/live HTTP/1.2\r\nhost: localhost\r\n\r\n", [400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", []),  # the preface of HTTP/2
        (b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(240), [400]),  # TLS
        (GOOD * 2 + b"\x00\x01\xff garbage\r\n\r\n", [200, 200, 400]),
        (_GET + b"x: " + b"a" * 1_000_000 + b"\r\n\r\n", [431]),
        (_GET + b"x: a\r\n" * 200 + b"\r\n", [431]),
        (b"GET /health/live?" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", [414]),
    ],
)
def test_what_is_no_request_ends_the_connection(running: Any, message: bytes, statuses: list[int]) -> None:
    heard, closed = answers(running.server.port, message)
    assert closed
    assert heard in (statuses, [])  # a reset may overtake the answer when much was sent


@pytest.mark.parametrize(
    ("message", "statuses"),
    [
        (GOOD * 3, [200, 200, 200]),
        (b"GET http://localhost/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n", [200]),
        (b"GET http://localhost/health/live HTTP/1.1\r\nhost: evil.example\r\n\r\n", [403]),
        (b"GET /health/live HTTP/1.1\r\n\r\n", [403]),
        (b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", [405]),
        (b"TRACE /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n", [405]),
        (b"GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n", [404]),
        (_GET + b"cookie: " + b"a" * 65_536 + b"\r\n\r\n", [200]),
        (_GET + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n", [200]),
        (_GET + b"content-length: %d\r\n\r\n" % len(GOOD) + GOOD, [200]),  # a body is a body, not a second request
    ],
)
def test_what_can_be_answered_is_answered_and_the_connection_stays(running: Any, message: bytes, statuses: list[int]) -> None:
    assert answers(running.server.port, message) == (statuses, False)


def test_a_long_answer_comes_whole_and_its_length_is_told(running: Any) -> None:
    with running.client("read") as client:
        answer = client.get("/openapi.json", headers={"accept-encoding": "identity"})
        assert len(answer.content) == int(answer.headers["content-length"]) > 1 << 18
        assert answer.json()["openapi"].startswith("3.")


def test_the_other_protocol_on_the_wrong_port_does_not_hold_it_up(running: Any) -> None:
    with socket.create_connection(("127.0.0.1", running.server.port)) as odd:
        odd.sendall(b"\x16\x03\x01")
        assert answers(running.server.port, GOOD) == ([200], False)


def test_an_idle_connection_is_kept_for_its_time_and_headers_that_drip_are_not(launch: Any) -> None:
    served = launch(SERVER__HEADER_TIMEOUT="1s", SERVER__FIRST_BYTE_TIMEOUT="1s", SERVER__KEEPALIVE="600s")
    address = ("127.0.0.1", served.server.port)
    with socket.create_connection(address, timeout=20) as idle, socket.create_connection(address, timeout=20) as dripping:
        for client in (idle, dripping):
            client.sendall(GOOD)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        dripping.settimeout(0.1)
        cut = False
        for _ in range(100):
            try:
                dripping.sendall(b"x")
                cut = cut or dripping.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                cut = True
            if cut:
                break
        assert cut
        idle.sendall(GOOD)
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")


def test_the_description_is_made_once_however_many_ask(launch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpsd.web import openapi

    made, held = list[int](), openapi.encoded

    def count(app: Any) -> bytes:
        made.append(1)
        return held(app)

    monkeypatch.setattr(openapi, "encoded", count)
    served = launch()
    asked = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    clients = [socket.create_connection(("127.0.0.1", served.server.port), timeout=30) for _ in range(8)]
    for client in clients:
        client.sendall(asked)
    for client in clients:
        assert client.recv(16).startswith(b"HTTP/1.1 200")
        client.close()
    assert made == [1]
