"""The serving process from outside: signals, an inherited socket, plan B, a taken port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

_SERVING = """
import os, sys
if os.environ.get("LISTEN_FDS"):
    os.environ["LISTEN_PID"] = str(os.getpid())
from rpsd.config import read
from rpsd.services.wiring import open_services
from rpsd.telemetry import configure_logging
from rpsd.web.process.server import Server

configure_logging("CRITICAL", "flat", None)
data, engine, port = sys.argv[1:]
environ = {"RPSD_DATA_DIR": data, "RPSD_SERVER__PORT": port, "RPSD_STORAGE__MIN_FREE_BYTES": "0"}
services = open_services(read(environ=environ), worker=False)
key = "none" if services.access.list() else services.access.create("k", ["predict"], by="test")[1]

def started():
    print(server.port, key, flush=True)

def reload():
    print("reloaded", flush=True)
    return "done"

server = Server(services, engine=engine, started=started, reload=reload)
code = server.run()
services.close()
sys.exit(code)
"""


@contextlib.contextmanager
def start(data: Path, engine: str = "granian", port: int = 0, inherit: socket.socket | None = None) -> Iterator[subprocess.Popen[str]]:
    """The serving process; killed at the end if the test has not ended it."""
    environ = dict(os.environ)
    if inherit is not None:
        environ["LISTEN_FDS"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVING, str(data), engine, str(port)],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        close_fds=inherit is None,
        preexec_fn=(lambda: os.dup2(inherit.fileno(), 3)) if inherit is not None else None,  # noqa: PLW1509 - systemd passes 3
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def told(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Port and key of a process that has begun to serve."""
    assert process.stdout is not None
    port, key = process.stdout.readline().split()
    return int(port), key


def port_of(process: subprocess.Popen[str]) -> int:
    return told(process)[0]


@pytest.mark.parametrize("engine", ["granian", "uvicorn"])
def test_serves_reloads_and_ends_cleanly(data_dir: Path, engine: str) -> None:
    with start(data_dir, engine) as process:
        port = port_of(process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            assert http.get("/health").status_code == 200
            process.send_signal(signal.SIGHUP)
            assert process.stdout is not None
            assert process.stdout.readline() == "reloaded\n"
            assert http.get("/health").status_code == 200
            process.send_signal(signal.SIGTERM)  # while a kept-alive connection stands open
            assert process.wait(20) == 0
    assert not (data_dir / "admin.sock").exists()


def accepts(port: int) -> bool:
    """Whether a new connection is taken."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def test_a_request_in_flight_is_finished(data_dir: Path) -> None:
    body = b'{"values":[1,2,3],"colour":1}'
    with start(data_dir) as process:
        port, key = told(process)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            head = f"POST /api/v1/denoise HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
            raw.sendall(head.encode() + body[:5])
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            until = time.monotonic() + 20.0
            while accepts(port):  # for a moment newcomers are still heard out
                assert time.monotonic() < until
                time.sleep(0.05)
            raw.sendall(body[5:])
            assert raw.recv(4096).startswith(b"HTTP/1.1 422")
        assert process.wait(20) == 0


def test_an_inherited_socket_is_served_and_its_backlog_kept(data_dir: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        early = socket.create_connection(("127.0.0.1", port), timeout=30)
        early.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with start(data_dir, port=1, inherit=listener) as process:
            assert port_of(process) == port
            assert early.recv(4096).startswith(b"HTTP/1.1 200")
            early.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        again = socket.create_connection(("127.0.0.1", port), timeout=5)  # the owner's socket still listens
        again.close()


def test_a_taken_port_ends_the_start(data_dir: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with start(data_dir, port=other.getsockname()[1]) as process:
            assert process.wait(30) != 0
