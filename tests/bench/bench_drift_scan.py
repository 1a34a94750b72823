"""A drift scan of 500 models with 20 features each through a real server: python -m tests.bench.bench_drift_scan [MODELS].

Each ticker has two years of daily bars of five columns, so that its view is the whole table; its model is trained, and a year of further
bars is stored. The time is that of the job's own row: reading the windows, computing features and forecasts of both, deciding, storing the
reports. Reads of /api/v1/regimes/{symbol} run at a steady rate before and during a scan. Each measure is the median of three scans.
"""

import statistics
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tests.bench import load
from tests.bench.appliance import Appliance, rpsd
from tests.bench.harness import bar

MODELS, BARS, SINCE = 500, 500, 250
_RATE = 100
_POLL_SECONDS = 0.05


def bars_of(number: int, n: int) -> dict[str, list[float]]:
    """n daily bars of a ticker with calm and wild stretches."""
    rng = np.random.default_rng(number)
    scale = np.array([0.006, 0.012, 0.022])[np.cumsum(rng.random(n) < 0.015) % 3]
    close = 100 * np.exp(np.cumsum(scale * rng.standard_normal(n)))
    spread = close * scale * rng.uniform(0.3, 1.0, n)
    columns = {"open": close - 0.2 * spread, "high": close + spread, "low": close - spread, "close": close}
    return {name: column.round(6).tolist() for name, column in columns.items()} | {"volume": rng.uniform(1e6, 3e6, n).round().tolist()}


def post(server: Appliance, models: int, rows: slice) -> None:
    """Store these bars of every ticker."""
    last = datetime.now(UTC).date() - timedelta(days=2)
    t = [f"{last - timedelta(days=BARS + SINCE - 1 - k):%F}" for k in range(BARS + SINCE)][rows]
    for number in range(models):
        told = {name: column[rows] for name, column in bars_of(number, BARS + SINCE).items()}
        server.json("POST", f"/api/v1/series/D{number:03d}/1d/samples", {"t": t, **told})


def ended(server: Appliance, run: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The job's result and its seconds."""
    while (run := server.json("GET", f"/api/v1/jobs/{run['id']}"))["state"] in ("queued", "running"):
        time.sleep(_POLL_SECONDS)
    if run["state"] != "succeeded":
        raise AssertionError(run)
    begin, end = (datetime.fromisoformat(run[name]) for name in ("started", "finished"))
    return run["result"], (end - begin).total_seconds()


def scan(server: Appliance) -> tuple[dict[str, Any], float]:
    return ended(server, server.json("POST", "/api/v1/drift/scan", {})["job"])


def p99(server: Appliance, serving: list[str], seconds: float) -> float:
    """p99 in ms of reading current regimes at a steady rate."""
    asked = [load.request(f"/api/v1/regimes/{symbol}", {"x-api-key": server.key}) for symbol in serving]
    return load.p99_ms(load.open_loop(server.port, asked, rate=_RATE, seconds=seconds))


def while_scanning(server: Appliance, serving: list[str], seconds: float) -> float:
    """p99 in ms while scans follow each other."""
    stop = threading.Event()

    def scans() -> None:
        while not stop.is_set():
            scan(server)

    thread = threading.Thread(target=scans)
    thread.start()
    try:
        return p99(server, serving, seconds)
    finally:
        stop.set()
        thread.join()


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    models = int(sys.argv[1]) if len(sys.argv) > 1 else MODELS
    with rpsd() as server:
        post(server, models, slice(0, BARS))
        result, _ = ended(server, server.json("POST", "/api/v1/jobs/retrain/run", {})["job"])
        serving = [model["name"].split(":")[1] for model in result["models"] if model["stage"] == "production"]
        post(server, models, slice(BARS, None))
        scan(server)
        times = []
        for _ in range(3):
            found, elapsed = scan(server)
            times.append(elapsed)
        newest = server.json("GET", "/api/v1/drift/reports?limit=1")["reports"][0]
        print(f"{found['reports']} of {len(serving)} models in production scanned, {newest['compared']} rows in the last report, {times} s")
        held = [bar("drift_scan_500_models_s", statistics.median(times) * MODELS / max(found["reports"], 1), "<=", 10.0)]
        p99(server, serving, 2.0)
        idle = statistics.median(p99(server, serving, 6.0) for _ in range(3))
        busy = statistics.median(while_scanning(server, serving, 6.0) for _ in range(3))
        print(f"p99 idle {idle:.1f} ms, while scanning {busy:.1f} ms")
        held.append(bar("p99_while_scanning_times_idle", busy / idle, "<=", 2.0))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
