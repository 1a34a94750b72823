"""A gibibyte put aside and fetched back: backup, snapshot and restore beside `cp`, and how reads and writes fare meanwhile.

`cp` counts with the fsync that makes its copy durable, as all three of ours are. The database holds bars of a hundred symbols as they stand
in their first week, so each byte of it is also a byte to prove; write latencies are those of single rows, each durable when answered.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from rpsd.config import read
from rpsd.core.market import Samples
from rpsd.services.wiring import open_services
from rpsd.store.db import FILE_NAME
from tests.bench import appliance, load
from tests.bench.appliance import Appliance
from tests.bench.capacity import bars
from tests.bench.harness import bar

SIZE = 1 << 30
SERIES = 100
ROWS = 60_000
SECONDS = 6.0
ROUNDS = 3
BEGIN_NS = 1_900_000_000_000_000_000


def fill(data_dir: Path) -> None:
    """Bars until the file is as large as it shall be."""
    database, rng, number = data_dir / FILE_NAME, np.random.default_rng(1), 0
    with open_services(read(environ={"RPSD_DATA_DIR": str(data_dir)}), worker=False) as services:
        while database.stat().st_size < SIZE:
            rows = bars(rng, ROWS)
            later = np.int64(number // SERIES * ROWS * 60 * 10**9)
            columns = {f"{name}_price": values for name, values in rows.columns.items()}  # no view wants them: a job less at the start
            services.series.append(f"S{number % SERIES}", "1m", Samples(rows.t + later, columns), by="bench")
            number += 1
            if number % 10 == 0:
                services.database.checkpoint()
        services.database.upkeep()


def copy(source: Path) -> float:
    """Seconds of `cp` and fsync, beside the source."""
    target = source.with_name("copy")
    begin = time.perf_counter()
    subprocess.run(["cp", str(source), str(target)], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    elapsed = time.perf_counter() - begin
    os.close(descriptor)
    target.unlink()
    return elapsed


def backup(server: Appliance) -> dict[str, Any]:
    """The result of a backup that was asked for like the nightly one, by the job."""
    number = server.json("POST", "/api/v1/admin/backups")["job"]["id"]
    while (run := server.json("GET", f"/api/v1/jobs/{number}"))["state"] in ("queued", "running"):
        time.sleep(0.05)
    assert run["state"] == "succeeded", run
    result: dict[str, Any] = run["result"]
    return result


def times(server: Appliance) -> None:
    """A backup and a snapshot, with a `cp` before, between and after: the disk may have changed its mood."""
    source, cp = server.directory / "data" / FILE_NAME, []

    def settled_copy() -> None:
        os.sync()  # what others have left unwritten is nobody's time
        cp.append(copy(source))
        os.sync()

    settled_copy()
    made = backup(server)["seconds"]
    settled_copy()
    begin = time.perf_counter()
    snapshot = server.json("POST", "/api/v1/admin/snapshots")
    elapsed = time.perf_counter() - begin
    settled_copy()
    assert snapshot["locked"], snapshot
    print("cp " + ", ".join(f"{value:.2f}" for value in cp) + f" s; backup {made:.2f} s; snapshot {elapsed:.2f} s")
    bar("backup_1gib_vs_cp", made / (sum(cp[:2]) / 2), "<=", 4)
    bar("snapshot_1gib_vs_cp", elapsed / (sum(cp[1:]) / 2), "<=", 1.2)


def write(port: int, key: str, offset: int, seconds: float) -> None:
    """Post single rows on time, in a process of its own; prints the latencies in seconds as JSON."""
    headers = {"X-API-Key": key, "content-type": "application/json"}
    rows = (f'{{"t":[{BEGIN_NS + (offset + k) * 10**9}],"close":[{100 + k % 7}]}}'.encode() for k in range(round(50 * seconds)))
    messages = [load.request("/api/v1/series/LIVE/1s/samples", headers, row) for row in rows]
    print(json.dumps(load.open_loop(port, messages, rate=50, seconds=seconds, connections=8).tolist()))


def latencies(server: Appliance, number: int, seconds: float = SECONDS) -> tuple[list[float], list[float]]:
    """Those of reads and of writes in seconds, at 100 and 50 a second; `number` tells one round's rows from another's."""
    command = [sys.executable, "-m", "tests.bench.bench_backup", "write", str(server.port), server.key, str(number * 10**6), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writing:
        reading = load.request("/api/v1/series/S1/1m?limit=100", {"X-API-Key": server.key})
        reads = load.open_loop(server.port, reading, rate=100, seconds=seconds, connections=8)
        assert writing.stdout is not None
        return reads.tolist(), json.loads(writing.stdout.read())


def beside(server: Appliance) -> None:
    """Reads and writes alone and while one backup follows the other, in turns: a busy neighbour of the machine meets both.

    The first round counts for neither: a server that has not been asked before loads what it needs.
    """
    os.sync()
    latencies(server, 0, 3.0)
    idle: tuple[list[float], list[float]] = ([], [])
    busy: tuple[list[float], list[float]] = ([], [])
    made: list[float] = []

    def again(done: threading.Event) -> None:
        while not done.is_set():
            made.append(backup(server)["seconds"])

    for number in range(1, 2 * ROUNDS, 2):
        for found, more in zip(idle, latencies(server, number), strict=True):
            found.extend(more)
        backups = threading.Thread(target=again, args=(done := threading.Event(),))
        backups.start()
        for found, more in zip(busy, latencies(server, number + 1), strict=True):
            found.extend(more)
        done.set()
        backups.join()
    told = [", ".join(f"{np.percentile(found, q) * 1e3:.1f}" for q in (50, 90, 99)) for found in (*idle, *busy)]
    print(f"p50, p90, p99 in ms: reads {told[0]} idle, {told[2]} beside {len(made)} backups; writes {told[1]} idle, {told[3]} beside")
    idle_read, _, busy_read, busy_write = (load.p99_ms(np.array(found)) for found in (*idle, *busy))
    bar("read_p99_ms_beside_backup", busy_read, "<=", max(2 * idle_read, 10))
    bar("write_p99_ms_beside_backup", busy_write, "<=", 50)


def restore(file: Path) -> None:
    """Into an empty directory, as on a new machine: start of the program, proof and switch."""
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name:
        os.sync()
        environment, begin = os.environ | {"RPSD_DATA_DIR": f"{name}/data"}, time.perf_counter()
        command = [sys.executable, "-m", "rpsd", "restore", str(file), "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        elapsed = time.perf_counter() - begin
    print(f"restore: {json.loads(done.stdout)['rows']:,} rows")
    bar("restore_1gib_seconds", elapsed, "<=", 60)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name:
        settings = {"RPSD_BACKUP__DIR": name}
        with appliance.rpsd(prepare=fill, settings=settings) as server:
            times(server)
            beside(server)
            made = Path(backup(server)["path"])
        restore(made)


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    else:
        main()
