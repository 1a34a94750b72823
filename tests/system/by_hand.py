"""rpsd served by hand beside real programs of the distribution, without a machine of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

_START_SECONDS = 60.0


def program(name: str, package: str) -> str:
    """The path of a program; without it the test fails and says what to install."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"tests/system needs {name}: apt-get install {package}", pytrace=False)
    return found


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def awaited(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether it came true in that time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


class ByHand:
    """A data directory below `home` with its settings, and the server on it. `settings` are sections to add to the file."""

    def __init__(self, home: Path, **settings: dict[str, Any]) -> None:
        self.home, self.port = home, free_port()
        self.log_file, self._out = home / "log" / "rpsd.json", home / "out.log"
        self.log_file.parent.mkdir()
        own = {"server": {"port": self.port}, "storage": {"data_dir": str(home / "data"), "min_free_bytes": "1MiB"}}
        own["monitoring"] = {"log_file": str(self.log_file)}
        for name, section in settings.items():
            own[name] = own.get(name, {}) | section
        self.config = home / "config.yaml"
        self.config.write_text(json.dumps(own), encoding="utf-8")  # JSON is YAML
        self.key = json.loads(self.told("init", "--json"))["admin_key"]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RPSD_")}
        return kept | {"HOME": str(self.home), "RPSD_CONFIG": str(self.config), "PYTHONPATH": str(ROOT)}

    def told(self, *arguments: str) -> str:
        """What a command prints. Raises CalledProcessError."""
        command = [sys.executable, "-m", "rpsd", *arguments]
        done = subprocess.run(command, env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    def start(self) -> None:
        """Serve, and wait until it answers."""
        with self._out.open("ab") as out:
            command = [sys.executable, "-m", "rpsd", "serve"]
            self.process = subprocess.Popen(command, env=self.environ, cwd=self.home, stdout=out, stderr=out)
        assert awaited(self._answers, _START_SECONDS), self._out.read_text(encoding="utf-8")[-2000:]

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0
            self.process = None

    def lines(self) -> list[dict[str, Any]]:
        """What the log file holds now."""
        text = self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return True
        except urllib.error.HTTPError as answered:
            answered.close()
            return True
        except OSError:
            return False
