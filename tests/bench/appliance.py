"""Real servers for benchmarks: rpsd in a fresh data directory, or one of the peers, each in its own process."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Appliance:
    """A running server: where it listens, its process, its directory and an admin key."""

    port: int
    process: subprocess.Popen[bytes]
    directory: Path
    key: str

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """The body of one good answer, over a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            return self.ask(connection, method, path, body, headers)

    def ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> bytes:
        """The body of one good answer, over a connection that is kept."""
        connection.request(method, path, body, {"X-API-Key": self.key, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """One call with JSON both ways."""
        data = None if body is None else json.dumps(body).encode()
        return json.loads(self.call(method, path, data, {"content-type": "application/json"}))

    def rss_mib(self) -> tuple[float, float]:
        """Resident memory of the server alone, and of the server with its worker."""
        server = psutil.Process(self.process.pid)
        own = server.memory_info().rss
        return own / 2**20, (own + sum(child.memory_info().rss for child in server.children(recursive=True))) / 2**20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str) -> bool:
    """Whether the path answers 200 now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def launch(command: Sequence[str], port: int, path: str, environment: dict[str, str], log: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start a server; returns it with the seconds until `path` first answered 200."""
    begin = time.perf_counter()
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=out, stderr=out)
    while not answers(port, path):
        if process.poll() is not None or time.perf_counter() > begin + 120:
            process.kill()
            raise AssertionError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.002)
    return process, time.perf_counter() - begin


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=60)


def settings_of(directory: Path, port: int) -> dict[str, str]:
    return os.environ | {"RPSD_DATA_DIR": str(directory / "data"), "RPSD_SERVER__PORT": str(port)}


@contextmanager
def rpsd(
    command: Sequence[str] = ("rpsd", "serve"), prepare: Callable[[Path], None] | None = None, settings: dict[str, str] | None = None
) -> Iterator[Appliance]:
    """rpsd with default settings but for `settings`, ready; `prepare` fills its data directory before it starts."""
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name:
        directory, port = Path(name), free_port()
        environment = settings_of(directory, port) | (settings or {})
        made = subprocess.run([sys.executable, "-m", "rpsd", "init", "--json"], env=environment, capture_output=True, check=True)
        if prepare is not None:
            prepare(directory / "data")
        process, _ = launch(command, port, "/health/ready", environment, directory / "log")
        try:
            yield Appliance(port, process, directory, json.loads(made.stdout)["admin_key"])
        finally:
            stop(process)


@contextmanager
def peer(kind: str) -> Iterator[int]:
    """The port of a running peer (see peers.py)."""
    with peer_process(kind) as (port, _):
        yield port


@contextmanager
def peer_process(kind: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port and the process of a running peer."""
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name:
        port = free_port()
        process, _ = launch(["tests.bench.peers", kind, str(port)], port, "/health", dict(os.environ), Path(name) / "log")
        try:
            yield port, process
        finally:
            stop(process)
