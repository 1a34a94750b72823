"""A restore that is killed at any moment leaves the data as they were or as the backup has them, and can be done again."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rpsd.store.db import FILE_NAME, Database, verify_database
from tests.fault.conftest import Record
from tests.fault.victim import ROOT, Victim, victim

pytestmark = pytest.mark.fault

KILLS = int(os.environ.get("RPSD_FAULT_KILLS", "200")) // 10
ROWS = 20_000


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


def test_restore_is_all_or_nothing(tmp_path: Path, record: Record) -> None:
    rng, outcomes = random.Random(9), {"as they were": 0, "the backup": 0}
    with victim(tmp_path / "server") as server:
        server.start()
        load(server, 1.0)
        made = json.loads(server.command("backup", "create", "--json").stdout)["path"]
        load(server, 2.0)
        server.kill()
        begin = time.perf_counter()
        assert server.command("restore", made, "--json").returncode == 0
        longest = time.perf_counter() - begin
        for _ in range(KILLS):
            server.start()
            load(server, 2.0)
            server.kill()
            command = [sys.executable, "-m", "rpsd", "restore", made, "--json"]
            with subprocess.Popen(
                command, env=server.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as restore:
                time.sleep(rng.uniform(0.3, 1.1) * longest)
                restore.kill()
            found = content(server)
            assert found in ({1.0}, {2.0})
            outcomes["the backup" if found == {1.0} else "as they were"] += 1
        again = server.command("restore", made, "--json")
        assert again.returncode == 0, again.stderr
        assert content(server) == {1.0}
        left = sorted(path.name for path in server.data.iterdir() if not path.name.startswith("previous-"))
    record(
        "restore killed",
        f"{KILLS} kills; data {', '.join(f'{name} {count} times' for name, count in outcomes.items())}; 0 mixed or damaged",
    )
    assert not [name for name in left if "restore" in name or "partial" in name], left
