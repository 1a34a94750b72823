"""Retraining of 500 tickers through a real server, from reading to promotion: python -m tests.bench.bench_retrain [TICKERS].

Two years of days a ticker, three states. Cold: no model exists, and each is fitted and judged from several starts. Warm: one more day has
closed, and each goes on from its predecessor. The time is that of the job's own row; memory is sampled while it runs, server and worker.
"""

import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tests.bench.appliance import Appliance, rpsd
from tests.bench.harness import bar

TICKERS, BARS = 500, 506
_POLL_SECONDS = 0.1


def closes(number: int, n: int) -> list[float]:
    """n daily closes with calm and wild stretches and heavy tails, of a ticker."""
    rng = np.random.default_rng(number)
    state = np.cumsum(rng.random(n) < 0.015) % 3
    location, scale = np.array([0.08, 0.0, -0.15])[state], np.array([0.6, 1.1, 2.2])[state]
    return (100 * np.exp(np.cumsum(location + scale * rng.standard_t(5, n) * 0.7746) / 100)).round(6).tolist()


def days(n: int) -> list[str]:
    """The n weekdays before yesterday, oldest first."""
    last, found = datetime.now(UTC).date() - timedelta(days=2), list[str]()
    while len(found) < n:
        if last.weekday() < 5:
            found.append(f"{last:%F}")
        last -= timedelta(days=1)
    return found[::-1]


def post(server: Appliance, tickers: int, rows: slice) -> None:
    """Store these bars of every ticker."""
    t = days(BARS)[rows]
    for number in range(tickers):
        server.json("POST", f"/api/v1/series/T{number:03d}/1d/samples", {"t": t, "close": closes(number, BARS)[rows]})


def retrain(server: Appliance) -> tuple[dict[str, Any], float, float]:
    """The job's result, its seconds, and the most memory (MiB) of server and worker that was seen."""
    run = server.json("POST", "/api/v1/jobs/retrain/run", {})["job"]
    most = 0.0
    while (run := server.json("GET", f"/api/v1/jobs/{run['id']}"))["state"] in ("queued", "running"):
        most = max(most, server.rss_mib()[1])
        time.sleep(_POLL_SECONDS)
    if run["state"] != "succeeded":
        raise AssertionError(run)
    begin, end = (datetime.fromisoformat(run[name]) for name in ("started", "finished"))
    return run["result"], (end - begin).total_seconds(), most


def largest(server: Appliance) -> float:
    """MiB of the largest stored model."""
    with closing(sqlite3.connect(f"file:{server.directory / 'data' / 'rpsd.db'}?mode=ro", uri=True)) as c:
        return float(c.execute("SELECT max(length(packet)) FROM model").fetchone()[0]) / 2**20


def told(kind: str, result: dict[str, Any], elapsed: float, memory: float) -> None:
    kept = sum("reason" in model for model in result["models"])
    print(
        f"{kind}: {elapsed:.2f} s, {result['trained']} trained, {kept} kept back, {len(result['failed'])} refused, {memory:.0f} MiB at most"
    )


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    tickers = int(sys.argv[1]) if len(sys.argv) > 1 else TICKERS
    held = []
    with rpsd() as server:
        post(server, tickers, slice(0, BARS - 1))
        result, elapsed, cold_mib = retrain(server)
        told("cold", result, elapsed, cold_mib)
        held.append(bar("retrain_cold_per_second", (result["trained"] + len(result["failed"])) / elapsed, ">=", 10.0))
        post(server, tickers, slice(BARS - 1, BARS))
        result, elapsed, warm_mib = retrain(server)
        told("warm", result, elapsed, warm_mib)
        held.append(bar("retrain_warm_per_second", (result["trained"] + len(result["failed"])) / elapsed, ">=", 50.0))
        held.append(bar("retrain_service_mib_at_most", max(cold_mib, warm_mib), "<=", 1024.0))
        held.append(bar("stored_model_mib_at_most", largest(server), "<=", 1.0))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
