"""Two servers, one data directory: the second goes away at once, and a dead first one does not stand in the way."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fault.conftest import Record
from tests.fault.victim import ROOT, Victim, victim

pytestmark = pytest.mark.fault

LOCKED_EXIT = 75


def second(first: Victim) -> tuple[int, float, str]:
    """Exit status, seconds and words of a server that is started on the directory of another."""
    begin = time.perf_counter()
    environment = first.environment | {"RPSD_SERVER__PORT": "0"}
    command = [sys.executable, "-m", *first.entry]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as other:
        assert other.stderr is not None
        words = other.stderr.read()
        return other.wait(30), time.perf_counter() - begin, words


def test_the_second_server_goes_at_once_and_a_killed_first_one_is_followed_at_once(tmp_path: Path, record: Record) -> None:
    with victim(tmp_path / "server") as server:
        server.start("/health/ready")
        assert (first := server.process) is not None
        turned_away = []
        for _ in range(5):
            status, seconds, words = second(server)
            assert status == LOCKED_EXIT, words
            assert f"process {first.pid}" in words
            turned_away.append(seconds)
        assert server.json("GET", "/health")["status"] != "unhealthy"
        restarts = []
        for _ in range(5):
            server.kill()
            restarts.append(server.start())
        record("two servers on one directory", f"second exits {LOCKED_EXIT} after {spread(turned_away)}")
        record("start after SIGKILL of an idle server", spread(restarts))
        assert statistics.median(turned_away) < 1.0
        assert "is in use" not in server.log.read_text()


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s median, {max(seconds):.2f} s worst of {len(seconds)}"
