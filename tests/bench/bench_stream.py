"""2,000 WebSocket readers of ten channels at 100 events a second: what healthy ones get, and what stalled and vanished ones cost."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.bench import appliance
from tests.bench.harness import bar
from tests.bench.stream_server import A_SECOND, CHANNELS

READERS, STALLED, GONE = 2000, 200, 200
SECONDS = 20.0
_OPEN = re.compile(rb'^rpsd_ws_connections\{kind="websocket"\} ([0-9.]+)', re.M)


def readers(port: int, keys: list[str], healthy: int, stalled: int, gone: int, seconds: float) -> subprocess.Popen[str]:
    """The readers' process; its first line comes when some stop and some vanish."""
    counts = [str(n) for n in (healthy, stalled, gone, seconds)]
    command = [sys.executable, "-m", "tests.bench.subscribers", str(port), ",".join(keys), *counts]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ours() -> float:
    """The bars of the appliance; CPU seconds a frame."""
    with appliance.rpsd(("tests.bench.stream_server",)) as server:
        keys = [server.json("POST", "/api/v1/admin/keys", {"name": f"readers {n}", "scopes": ["read"]})["key"] for n in range(10)]
        process = psutil.Process(server.process.pid)
        running = readers(server.port, keys, READERS - STALLED - GONE, STALLED, GONE, SECONDS)
        assert running.stdout is not None
        begun = json.loads(running.stdout.readline())["begun"]
        before, cpu = process.memory_info().rss, process.cpu_times()
        peak, gone_after = before, float("nan")
        while time.perf_counter() < begun + SECONDS - 1.0:
            peak = max(peak, process.memory_info().rss)
            if gone_after != gone_after:
                found = _OPEN.search(server.call("GET", "/metrics"))
                if found is not None and float(found[1]) <= READERS - STALLED - GONE:
                    gone_after = time.perf_counter() - begun
            time.sleep(0.1)
        spent = sum(process.cpu_times()[:2]) - sum(cpu[:2])
        told = json.loads(running.stdout.readline())
        running.wait(30)
    print(f"rpsd: {told}, {READERS} readers, {STALLED} stalled and {GONE} vanished, gone after {gone_after:.1f} s")
    bar("stream_lost_events", told["lost"] + told["cut"], "<=", 0)
    bar("stream_fewest_share_of_events", told["fewest"] / (SECONDS * A_SECOND / len(CHANNELS)), ">=", 0.98)
    bar("stream_p99_ms", told["p99_ms"], "<=", 100)
    bar("stream_mib_of_stalled_and_vanished", (peak - before) / 2**20, "<=", 50)
    bar("stream_gone_after_seconds", gone_after, "<=", 10)
    return spent / ((SECONDS - 1.0) / SECONDS * told["seen"])


def bare() -> float:
    """The peer with healthy readers alone; CPU seconds a frame."""
    with TemporaryDirectory(prefix="rpsd-bench-") as name:
        port = appliance.free_port()
        command = ["tests.bench.stream_server", "bare", str(port)]
        process, _ = appliance.launch(command, port, "/health", appliance.settings_of(Path(name), port), Path(name) / "log")
        try:
            running = readers(port, ["none"], READERS - STALLED - GONE, 0, 0, SECONDS / 2)
            assert running.stdout is not None
            running.stdout.readline()
            cpu = sum(psutil.Process(process.pid).cpu_times()[:2])
            time.sleep(SECONDS / 2 - 1.0)
            spent = sum(psutil.Process(process.pid).cpu_times()[:2]) - cpu
            told = json.loads(running.stdout.readline())
            running.wait(30)
        finally:
            process.kill()
            process.wait()
    print(f"bare: {told}")
    return spent / ((SECONDS / 2 - 1.0) / (SECONDS / 2) * told["seen"])


def main() -> None:
    ours_seconds, bare_seconds = ours(), bare()
    print(f"CPU a frame: {ours_seconds * 1e6:.1f} us, bare fan-out {bare_seconds * 1e6:.1f} us")
    bar("stream_cpu_vs_bare_fan_out", ours_seconds / bare_seconds, "<=", 1.5)


if __name__ == "__main__":
    main()
