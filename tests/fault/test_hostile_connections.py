"""Thousands of hostile connections at once: each is cut within 15 seconds, and a good client hardly notices.

RPSD_FAULT_HOSTILE says how many of them (8,000 unless told otherwise), in four kinds of equal size, each kind in a process of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.bench import load
from tests.fault.conftest import Record
from tests.fault.hostile_clients import BEGINNINGS
from tests.fault.victim import SERVE, Victim, victim

pytestmark = pytest.mark.fault

COUNT = int(os.environ.get("RPSD_FAULT_HOSTILE", "8000"))
CUT_SECONDS = 15.0
ROUNDS, SECONDS, RATE = 5, 4.0, 100
BAR = 1.2
"""The good client's p99 beside the crowd, as a multiple of that without."""
SERVED = 10.0
"""Above this multiple nobody would call it served."""
HELD_SECONDS = 22.0 + ROUNDS * SECONDS * 1.5
_PATHS = {"slow_body": "/api/v1/denoise", "slow_read": "/openapi.json"}


@contextmanager
def crowds(server: Victim, each: int, seconds: float, kinds: tuple[str, ...] = tuple(BEGINNINGS)) -> Iterator[list[dict[str, Any]]]:
    """So many clients of each kind while the block runs; what they tell comes into the list at its end."""
    told: list[dict[str, Any]] = []
    module = [sys.executable, "-m", "tests.fault.hostile_clients", str(server.port)]
    running = [
        subprocess.Popen(
            [*module, kind, str(each), str(seconds), _PATHS.get(kind, "/health/live"), server.key], stdout=subprocess.PIPE, text=True
        )
        for kind in kinds
    ]
    try:
        yield told
    finally:
        told += [json.loads(crowd.communicate()[0]) for crowd in running]


def p99s(server: Victim, rounds: int) -> list[float]:
    """99th percentiles in milliseconds of a client with a key that asks in time whatever the answers do."""
    message = load.request("/api/v1/series", {"X-API-Key": server.key})
    return [load.p99_ms(load.open_loop(server.port, message, rate=RATE, seconds=SECONDS, connections=16)) for _ in range(rounds)]


def sentence(told: list[dict[str, Any]]) -> str:
    """The fate of each kind in words."""
    return "; ".join(
        f"{crowd['kind']}: {crowd['opened']} opened, {len(crowd['lasted'])} cut"
        + (f" after {statistics.median(crowd['lasted']):.1f} s median, {max(crowd['lasted']):.1f} s worst" if crowd["lasted"] else "")
        for crowd in told
    )


def test_hostile_clients_are_cut_and_a_good_one_is_served(tmp_path: Path, record: Record) -> None:
    each = COUNT // len(BEGINNINGS)
    with victim(tmp_path / "server", SERVE) as server:
        server.start("/health/ready")
        assert server.process is not None
        memory = psutil.Process(server.process.pid).memory_info
        p99s(server, 1)
        before, idle = memory().rss, p99s(server, ROUNDS)
        with crowds(server, each, HELD_SECONDS) as told:
            time.sleep(18.0)  # all are there, and the first have been cut and have come back
            beside, during = p99s(server, ROUNDS), memory().rss
        idle += p99s(server, ROUNDS)  # the machine's mood changes: the idle figure is taken before and after
    ratio = statistics.median(beside) / statistics.median(idle)
    verdict = "held" if ratio <= BAR else "FALLS SHORT"
    record(
        "hostile connections",
        f"{4 * each} at a time; {sentence(told)}; a good client's p99 {statistics.median(beside):.1f} ms beside them, "
        f"{statistics.median(idle):.1f} ms without, {ratio:.2f} times (bar {BAR}: {verdict}); "
        f"memory {before / 2**20:.0f} to {during / 2**20:.0f} MiB",
    )
    for crowd in told:
        assert len(crowd["lasted"]) >= each, crowd["kind"]  # every one of the first, at least
        assert max(crowd["lasted"]) <= CUT_SECONDS, crowd["kind"]
    assert ratio <= SERVED  # the bar itself is a figure of the report: the crowd's own processes share the machine's cores


def test_failing_control_without_the_reaper_they_stay(tmp_path: Path, record: Record) -> None:
    with victim(tmp_path / "server", ("tests.fault.broken_server", "sleepless", "serve")) as server:
        server.start("/health/ready")
        with crowds(server, 50, CUT_SECONDS + 4.0, ("silent", "slow_header")) as told:
            pass
    record("control, server without a reaper", sentence(told))
    assert all(not crowd["lasted"] and crowd["held"] == 50 for crowd in told)
