"""A body that nobody reads: refused requests leave the connection fit for the next one, or say that they end it."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

Running = Any
PIECES = [b'{"values":[1,2,', b"3,4,5", b"]}"]
LONG = b"x" * 300_000


@pytest.fixture
def link(running: Running) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", running.server.port, timeout=20)) as found:
        yield found


def asked(link: http.client.HTTPConnection, method: str, path: str, **more: Any) -> tuple[int, str | None, bytes]:
    """Status, Connection header and body of one answer."""
    link.request(method, path, **more)
    answer = link.getresponse()
    return answer.status, answer.getheader("connection"), answer.read()


@pytest.mark.parametrize(
    ("method", "path", "status", "more"),
    [
        ("POST", "/api/v1/denoise", 401, {}),
        ("POST", "/api/v1/nowhere", 404, {}),
        ("DELETE", "/api/v1/denoise", 405, {}),
        ("POST", "/api/v1/denoise", 403, {"host": "elsewhere.example"}),
        ("POST", "/api/v1/denoise", 401, {"content-encoding": "zstd"}),
        ("GET", "/health/live", 200, {}),
    ],
)
def test_a_short_one_is_let_by(link: http.client.HTTPConnection, method: str, path: str, status: int, more: dict[str, str]) -> None:
    """Without it the engine closes the connection, and the client's next request meets a closed door."""
    for body in (iter(PIECES), iter([LONG[:20_000]] * 2)):
        found = asked(link, method, path, body=body, headers={"transfer-encoding": "chunked", **more}, encode_chunked=True)
        assert found[:2] == (status, None)
        sock = link.sock
        assert asked(link, "GET", "/health/live")[0] == 200
        assert link.sock is sock, "another connection had to be made"


def test_after_a_long_one_the_end_is_announced(link: http.client.HTTPConnection) -> None:
    assert asked(link, "POST", "/api/v1/denoise", body=LONG)[:2] == (401, "close")
    assert asked(link, "GET", "/health/live")[0] == 200, "on a connection of its own"


def test_who_waits_to_be_asked_is_not_asked(link: http.client.HTTPConnection) -> None:
    """An upload that is refused must not be sent first."""
    found = asked(link, "POST", "/api/v1/denoise", headers={"expect": "100-continue", "content-length": "300000"})
    assert found[:2] == (401, "close")


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "x"])
def test_a_bad_body_of_a_read_does_not_cut_its_answer(running: Running, link: http.client.HTTPConnection, encoding: str) -> None:
    """What streams looks out for the client's leaving, and must not trip over the body that it never asked for."""
    path = "/api/v1/series/UNREAD/1d/samples"
    key = {"x-api-key": running.keys["admin"]}
    rows = {
        "body": b"date,close\n" + b"".join(b"2024-01-%02d,%d\n" % (k, k) for k in range(1, 29)),
        "headers": key | {"content-type": "text/csv"},
    }
    assert asked(link, "POST", path, **rows)[0] == 200
    for _ in range(20):
        headers = key | {"accept": "application/x-ndjson", "content-encoding": encoding, "content-length": "9"}
        status, _, content = asked(link, "GET", path, body=b"(\xb4/\xfd \x00\x01\x00\x00", headers=headers)
        assert (status, content.count(b"\n")) in ((200, 28), (415, 0))


def test_broken_chunks_before_a_stream_are_no_defect_of_ours(running: Running) -> None:
    """What streams ends when the client seems gone, before its first piece: the answer must not be the engine's 500."""
    with running.client() as http:
        home = http.post("/api/v1/experiments", json={"name": "unread"}).json()["id"]
        for number in range(3):
            http.post(f"/api/v1/experiments/{home}/runs", json={"params": {"k": number}})
    head = f"GET /api/v1/experiments/{home}/export HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {running.keys['admin']}\r\n"
    for _ in range(20):
        with closing(socket.create_connection(("127.0.0.1", running.server.port), timeout=20)) as link:
            link.sendall(head.encode() + b"transfer-encoding: chunked\r\n\r\n4\nabcd\n")
            status = link.recv(12)
        assert not status.startswith(b"HTTP/1.1 5"), status
