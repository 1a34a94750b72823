"""A restore that is killed at any moment leaves the data as they were or as the backup has them, and can be done again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rpsd.core.errors import RpsdError
from rpsd.store.db import FILE_NAME, Database, verify_database
from tests.fault.conftest import Record
from tests.fault.victim import ROOT, Victim, victim

pytestmark = pytest.mark.fault

KILLS = max(50, int(os.environ.get("RPSD_FAULT_KILLS", "200")) // 10)
CONTROL_KILLS = 12
ROWS = 20_000
BROKEN = "tests.fault.broken_restore"


def load(server: Victim, value: float) -> None:
    body = {"t": [(1_600_000_000 + n) * 10**9 for n in range(ROWS)], "value": [value] * ROWS}
    server.json("POST", "/api/v1/series/TEST/1s/samples", body)


def content(server: Victim) -> set[float]:
    """The values that the data directory holds, whole."""
    from rpsd.store import series

    with Database.open(server.data, clock=time.time_ns) as database:
        samples = database.read(lambda c: series.read(c, series.require(c, "TEST", "1s")))
    verify_database(server.data / FILE_NAME)
    assert samples.n == ROWS
    return set(samples.columns["value"].tolist())


def scratch(server: Victim) -> set[Path]:
    """Where a restore unpacks; one that was killed leaves it, and a later one removes it after an hour."""
    return set(server.data.glob(".rpsd-*.partial"))


def restore_killed(server: Victim, file: str, after_seconds: float | None, program: str = "rpsd") -> float:
    """Restore by `python -m program`, killed so long after it has begun to unpack; the seconds from there to its end. None: not killed."""
    before = scratch(server)
    command = [sys.executable, "-m", program, "restore", file, "--json"]
    with subprocess.Popen(command, env=server.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as restore:
        while scratch(server) <= before and restore.poll() is None:
            time.sleep(0.0005)
        begin = time.perf_counter()
        if after_seconds is not None:
            time.sleep(after_seconds)
            restore.kill()
        assert restore.stderr is not None
        words = restore.stderr.read()
        assert restore.wait(60) in (0, -signal.SIGKILL), words
        return time.perf_counter() - begin


def test_restore_is_all_or_nothing(tmp_path: Path, record: Record) -> None:
    rng, outcomes = random.Random(9), {"as they were": 0, "the backup": 0}
    with victim(tmp_path / "server") as server:
        server.start()
        load(server, 1.0)
        made = json.loads(server.command("backup", "create", "--json").stdout)["path"]
        load(server, 2.0)
        server.kill()
        whole = restore_killed(server, made, None)
        assert content(server) == {1.0}
        for _ in range(KILLS):
            server.start()
            load(server, 2.0)
            server.kill()
            restore_killed(server, made, rng.uniform(0.0, 0.9) * whole)
            found = content(server)
            assert found in ({1.0}, {2.0})
            outcomes["the backup" if found == {1.0} else "as they were"] += 1
        left = len(scratch(server))
        restore_killed(server, made, None)
        assert content(server) == {1.0}
    told = ", ".join(f"{name} {count} times" for name, count in outcomes.items())
    record("restore killed", f"{KILLS} kills, {left} of them before it had tidied up; data {told}; 0 mixed or damaged")
    assert left > 0


def test_control_a_restore_that_writes_over_the_live_data_loses(tmp_path: Path) -> None:
    rng, lost = random.Random(9), 0
    with victim(tmp_path / "server") as server:
        server.start()
        load(server, 1.0)
        made = json.loads(server.command("backup", "create", "--json").stdout)["path"]
        load(server, 2.0)
        server.kill()
        content(server)  # folds in the log that the kill left
        before = (server.data / FILE_NAME).read_bytes()
        whole = restore_killed(server, made, None, BROKEN)
        assert content(server) == {1.0}, "left alone it does its work"
        for _ in range(CONTROL_KILLS):
            (server.data / FILE_NAME).write_bytes(before)
            restore_killed(server, made, rng.uniform(0.3, 0.9) * whole, BROKEN)
            try:
                lost += content(server) not in ({1.0}, {2.0})
            except (AssertionError, RpsdError):
                lost += 1
            if lost:
                break
    assert lost > 0
