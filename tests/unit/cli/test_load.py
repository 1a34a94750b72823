"""The open-loop client of `rpsd bench`."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from rpsd.cli.load import Load, Route, figures, quantile


class Slow(BaseHTTPRequestHandler):
    """Answers after a while; every fifth path says 503."""

    protocol_version = "HTTP/1.1"
    wait = 0.0
    seen: ClassVar[list[tuple[str, bytes, str | None]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        Slow.seen.append((self.path, body, self.headers.get("x-api-key")))
        time.sleep(Slow.wait)
        self.send_response(503 if body == b"4" else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    Slow.wait, Slow.seen = 0.0, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def numbered(n: int) -> bytes:
    return str(n % 5).encode()


def test_every_request_is_made_once_with_the_key_and_refusals_are_counted(base: str) -> None:
    told = Load(base, "a-key").run(Route("r", "POST", "/x", numbered), 200, 0.1)
    assert sorted(body for _, body, _ in Slow.seen) == sorted(numbered(n) for n in range(20))
    assert {key for _, _, key in Slow.seen} == {"a-key"}
    assert told.refused == {"503": 4}
    assert len(told.waits) == 20


def test_a_wait_counts_from_when_the_request_was_due(base: str) -> None:
    """Eight connections cannot make 200 requests of .1 s a second: the later ones wait, and that shows."""
    Slow.wait = 0.1
    told = Load(base, "k").run(Route("r", "POST", "/x", lambda _: b""), 200, 0.2)
    assert max(told.waits) > 0.25  # five rounds of eight, the last one due after .2 s
    assert len(told.waits) == 40


def test_a_server_that_is_gone_is_a_refusal() -> None:
    told = Load("http://127.0.0.1:9", "k").run(Route("r", "GET", "/"), 50, 0.1)
    assert told.refused == {"ConnectionRefusedError": 5}


def test_it_ends_when_it_is_told_to(base: str) -> None:
    load = Load(base, "k")
    load.stopped.set()
    assert load.run(Route("r", "POST", "/x", numbered), 10, 100).waits == []


def test_what_is_no_address_is_refused() -> None:
    for wrong in ("ftp://x", "localhost:8000", "http://"):
        with pytest.raises(ValueError, match="no address"):
            Load(wrong, "k")


def test_figures_are_ratios_to_the_health_route() -> None:
    from rpsd.cli.load import Told

    told = Told([0.001 * n for n in range(1, 101)], {}, 1.0)
    row = figures(Route("r", "GET", "/"), told, 0.033)
    assert (row["p50_ms"], row["p99_ms"], row["worst_ms"], row["ratio_to_health"]) == (50.0, 99.0, 100.0, 3.0)
    assert quantile([5.0], 0.99) == 5.0
