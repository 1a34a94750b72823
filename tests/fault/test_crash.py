"""kill -9 during ingest: no acknowledged row is lost, no file is damaged. RPSD_FAULT_KILLS sets how often (default 50)."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rpsd.core.market import SECOND_NS
from rpsd.store import series
from rpsd.store.db import FILE_NAME, Database, verify_database
from tests.fault.conftest import Record

pytestmark = pytest.mark.fault

KILLS = int(os.environ.get("RPSD_FAULT_KILLS", "50"))
VICTIM = Path(__file__).with_name("writer_process.py")
STRIDE = 1_000_000
"""Rows are numbered from round * STRIDE on, so that no round repeats another's."""

Acknowledged = dict[int, set[int]]
"""Lane -> numbers of the rows that the victim called safe."""


def one_kill(directory: Path, first: int, mode: str, rng: random.Random) -> Acknowledged:
    """Start the victim, kill it at a random moment of its work; the rows it had acknowledged by then."""
    command = [sys.executable, str(VICTIM), str(directory), str(first), mode]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0.0, 0.15))
        victim.kill()
        printed = victim.stdout.read().decode()
    rows: Acknowledged = {}
    for line in printed.splitlines(keepends=True):
        if line.endswith("\n"):  # a torn last line acknowledges nothing
            lane, number, count = map(int, line.split())
            rows.setdefault(lane, set()).update(range(number, number + count))
    return rows


def lost(directory: Path, acknowledged: Acknowledged) -> set[tuple[int, int]]:
    """The acknowledged (lane, number) that the reopened database does not hold; also proves every value right and the file whole."""
    missing = set()
    with Database.open(directory, clock=time.time_ns) as database:
        for lane, numbers in acknowledged.items():
            found = database.read(lambda c, lane=lane: series.find(c, f"LANE{lane}", "1s"))
            if found is None:
                missing |= {(lane, number) for number in numbers}
                continue
            samples = database.read(lambda c, info=found: series.read(c, info))
            assert (samples.columns["value"] == samples.t // SECOND_NS * 3.0 + 1.0).all()
            missing |= {(lane, number) for number in numbers - set((samples.t // SECOND_NS).tolist())}
    verify_database(directory / FILE_NAME)
    return missing


def test_no_acknowledged_row_is_lost(tmp_path: Path, record: Record) -> None:
    rng, total = random.Random(5), 0
    for kill in range(KILLS):
        acknowledged = one_kill(tmp_path, kill * STRIDE, "durable", rng)
        total += sum(map(len, acknowledged.values()))
        assert lost(tmp_path, acknowledged) == set()
    assert total > KILLS  # the victim was killed at work, not before it
    record("store killed", f"{KILLS} kills, {total} rows acknowledged, 0 rows lost")


def test_failing_control_acknowledging_before_the_commit_loses_rows(tmp_path: Path, record: Record) -> None:
    """The same test of a store that answers too early must find losses: else it could not find them above either."""
    rng, total, missing = random.Random(6), 0, 0
    for kill in range(20):
        acknowledged = one_kill(tmp_path, kill * STRIDE, "early", rng)
        total += sum(map(len, acknowledged.values()))
        missing += len(lost(tmp_path, acknowledged))
    record("control, store that acknowledges before its commit", f"20 kills, {total} rows acknowledged, {missing} rows lost")
    assert missing > 0  # else this test cannot see a loss
