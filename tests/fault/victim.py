"""A whole server on a data directory of its own, to be killed and started again as often as a test likes."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.appliance import answers, free_port

ROOT = Path(__file__).parents[2]
SERVE = ("rpsd", "serve")
PATIENCE_SECONDS = 120.0


class Victim:
    """`python -m <entry>` on a directory and a port that stay the same from life to life."""

    def __init__(self, directory: Path, entry: tuple[str, ...] = SERVE, **settings: str) -> None:
        """`settings` are environment variables without their RPSD_ prefix."""
        self.directory, self.data, self.entry = directory, directory / "data", entry
        self.port = free_port()
        self.log = directory / "log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RPSD_")}
        given = {f"RPSD_{name}": value for name, value in settings.items()}
        self.environment = inherited | {"RPSD_DATA_DIR": str(self.data), "RPSD_SERVER__PORT": str(self.port)} | given
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """One `rpsd` command on the directory, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "rpsd", *arguments], env=self.environment, cwd=ROOT, capture_output=True, check=False, timeout=120
        )

    def init(self) -> None:
        """Make the directory and the admin key."""
        made = self.command("init", "--json")
        assert made.returncode == 0, made.stderr.decode()
        self.key = json.loads(made.stdout)["admin_key"]

    def begin(self) -> "subprocess.Popen[bytes]":
        """Start the process without waiting for anything."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", *self.entry], env=self.environment, cwd=ROOT, stdout=out, stderr=out)
        return self.process

    def start(self, path: str = "/health/live") -> float:
        """Start the process; the seconds until `path` answered 200."""
        begin, process = time.perf_counter(), self.begin()
        while not answers(self.port, path):
            assert process.poll() is None, self.log.read_text(errors="replace")[-3000:]
            assert time.perf_counter() - begin < PATIENCE_SECONDS, self.log.read_text(errors="replace")[-3000:]
            time.sleep(0.005)
        return time.perf_counter() - begin

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone. Its worker dies by itself."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, on: http.client.HTTPConnection | None = None
    ) -> tuple[int, bytes]:
        """Status and body of one answer, on a connection that is kept or on one of its own. Raises OSError, HTTPException."""
        link = on or self.connection()
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            link.request(method, path, content, {"X-API-Key": self.key, "Content-Type": "application/json"} | (headers or {}))
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            if on is None:
                link.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of one good answer."""
        status, content = self.ask(method, path, body)
        assert status < 300, f"{method} {path}: {status} {content[:500]!r}"
        return json.loads(content)


@contextmanager
def victim(directory: Path, entry: tuple[str, ...] = SERVE, **settings: str) -> Iterator[Victim]:
    """A server that is initialised but not started; killed at the end."""
    directory.mkdir(exist_ok=True)
    found = Victim(directory, entry, **settings)
    found.init()
    try:
        yield found
    finally:
        found.kill()
