"""A full disk: 507 for writes, reads go on, and writes go on within seconds of there being room. Needs root for a small disk."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpsd.store.db import FILE_NAME, Database, verify_database
from tests.fault.conftest import Record
from tests.fault.victim import Victim, victim

pytestmark = pytest.mark.fault

RESUME_SECONDS = 5.0


@pytest.fixture(params=["ext4", "tmpfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A mounted disk of 40 MB."""
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("mounting a small disk needs root and mkfs.ext4: nothing was run, nothing is shown")
    place, image = tmp_path / "disk", tmp_path / "image"
    place.mkdir()
    if request.param == "ext4":
        with image.open("wb") as file:
            file.truncate(48 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(place)]
    else:
        command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine mounts no small disk ({mounted.stderr.strip()}): nothing was run, nothing is shown")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, keep_bytes: int = 0) -> Path:
    """A file that takes all the room but so much."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while shutil.disk_usage(disk).free > keep_bytes:
                file.write(bytes(min(1 << 16, max(1, shutil.disk_usage(disk).free - keep_bytes))))
        except OSError:
            pass
    return ballast


def post(server: Victim, number: int, count: int = 400) -> tuple[int, dict[str, object]]:
    """`count` rows; each value can be told from its time."""
    numbers = range(number * count, (number + 1) * count)
    body = {"t": [(1_600_000_000 + n) * 10**9 for n in numbers], "value": [float(n) for n in numbers]}
    status, content = server.ask("POST", "/api/v1/series/TEST/1s/samples", body)
    return status, json.loads(content)


def held(server: Victim) -> list[float]:
    found: list[float] = server.json("GET", "/api/v1/series/TEST/1s/samples?limit=1000000&time=ns")["value"]
    return found


def write_until_full(server: Victim, acknowledged: set[int]) -> dict[str, object]:
    """Post until a post is refused; the refusal. The numbers of the others are noted."""
    for number in range(max(acknowledged, default=-1) + 1, 3000):
        status, told = post(server, number)
        if status != 200:
            assert status == 507, told
            return told
        acknowledged.add(number)
    raise AssertionError("the disk never became full")


@pytest.mark.parametrize("limit", ["0", "4MiB"], ids=["to the last byte", "to the reserve"])
def test_writes_are_refused_reads_go_on_and_writes_resume(
    disk: Path, tmp_path: Path, limit: str, record: Record, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    with victim(disk / "server", STORAGE__MIN_FREE_BYTES=limit, MONITORING__LOG_FILE=str(tmp_path / "server.log")) as server:
        server.log = tmp_path / "log"  # on a disk that has room
        server.start("/health/ready")
        acknowledged: set[int] = set()
        for number in range(5):
            assert post(server, number)[0] == 200
            acknowledged.add(number)
        waits = []
        for _ in range(3):
            ballast = fill(disk, 300_000 if limit == "0" else 3 << 20)
            told = write_until_full(server, acknowledged)
            assert told["code"] == "disk_full"
            assert sorted(held(server)) == [float(400 * n + i) for n in sorted(acknowledged) for i in range(400)]
            assert server.ask("GET", "/health")[0] == 200
            assert server.ask("GET", "/health/ready")[0] == 503 or limit == "0"
            ballast.unlink()
            begin, number = time.perf_counter(), max(acknowledged) + 1
            while post(server, number)[0] != 200:
                assert time.perf_counter() - begin < RESUME_SECONDS
                time.sleep(0.05)
            acknowledged.add(number)
            waits.append(time.perf_counter() - begin)
        expected = [float(400 * n + i) for n in sorted(acknowledged) for i in range(400)]
        assert held(server) == expected
        fill(disk)
        server.kill()  # a full disk and a kill at once
        (disk / "ballast").unlink()
        server.start()
        assert held(server) == expected
        assert server.stop() == 0
        Database.open(server.data, clock=time.time_ns).close()
        verify_database(server.data / FILE_NAME)
    record(
        f"disk full, {name}",
        f"507 three times, {len(acknowledged) * 400} acknowledged rows all read, writes resumed after {max(waits):.2f} s at most",
    )
