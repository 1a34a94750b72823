"""Live regimes over HTTP: one symbol beside an empty route of the same server, a thousand in one call, and posts that move filters."""

import http.client
import json
import statistics
import time
from pathlib import Path

import numpy as np

from rpsd.config import read
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.wiring import open_services
from tests.bench import appliance, empty_route, load
from tests.bench.appliance import Appliance
from tests.bench.harness import bar

SYMBOLS = 1000
LIMIT = {"RPSD_LIMITS__READ": "100000000/min", "RPSD_LIMITS__PREDICT": "100000000/min"}  # saturation needs a limit of its own
JSON = {"content-type": "application/json"}
TODAY = 1_750_000_000 // 86_400 * DAY_NS


def prices(n: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    wild = (np.arange(n) // 60) % 2 == 1
    return 100 * np.exp(np.cumsum(np.where(wild, rng.normal(-0.002, 0.025, n), rng.normal(0.001, 0.006, n))))


def days(first: int, n: int) -> np.ndarray:
    return TODAY + (first + np.arange(n, dtype=np.int64)) * DAY_NS


def fill(data: Path) -> None:
    """A thousand series with a model each: one fit, registered under every name."""
    with open_services(read(environ={"RPSD_DATA_DIR": str(data)}), worker=False) as services:
        history = prices(500)
        samples = Samples(days(-500, 500), {"close": history})
        services.series.append("S0", "1d", samples)
        services.regime.train("regime:S0:1d:3_state")
        found = services.model.production("regime:S0:1d:3_state")
        assert found is not None
        version, packet = found
        for number in range(1, SYMBOLS):
            services.series.append(f"S{number}", "1d", samples)
            candidate = Candidate(f"regime:S{number}:1d:3_state", packet, dict(version.card), Verdict(True, "bench"))
            services.model.register(candidate, "bench")


def one(server: Appliance) -> None:
    """One symbol from memory, and the empty route, in short turns so that a busy moment of the machine meets both alike."""
    headers = {"X-API-Key": server.key}
    requests = {"regime": load.request("/api/v1/regimes/S0", headers), "empty": load.request(empty_route.PATH, headers)}
    rates: dict[str, list[float]] = {"regime": [], "empty": []}
    for _ in range(7):
        for name, message in requests.items():
            rates[name].append(load.saturate(server.port, message, seconds=1.0))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    print(f"one regime {rate['regime']:.0f}/s, empty route {rate['empty']:.0f}/s")
    bar("regime_single_vs_empty_route", rate["regime"] / rate["empty"], ">=", 0.6)


def many(server: Appliance, name: str) -> None:
    """A thousand symbols a call."""
    body = json.dumps({"symbols": [f"S{number}" for number in range(SYMBOLS)]}).encode()
    message = load.request("/api/v1/regimes/current", {"X-API-Key": server.key, **JSON}, body)
    told = server.json("POST", "/api/v1/regimes/current", json.loads(body))["results"]
    assert len(told) == SYMBOLS, len(told)
    assert all("current" in row for row in told)
    load.saturate(server.port, message, seconds=0.5, connections=2, depth=1)
    rate = statistics.median(load.saturate(server.port, message, seconds=1.0, connections=2, depth=1) for _ in range(5))
    bar(name, rate * SYMBOLS, ">=", 20_000)


def posts(server: Appliance) -> None:
    """A day's bar for every symbol, one post each, and every regime asked for behind it: no answer comes from memory."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    spent = []
    for number in range(SYMBOLS):
        body = b'{"t":[%d],"close":[%f]}' % (TODAY, 100 + number % 7)
        begin = time.perf_counter()
        server.ask(connection, "POST", f"/api/v1/series/S{number}/1d/samples", body, JSON)
        spent.append(time.perf_counter() - begin)
        told = json.loads(server.ask(connection, "GET", f"/api/v1/regimes/S{number}", None, None))
        assert told["t"] == f"{np.datetime64(TODAY, 'ns').astype('datetime64[s]')}Z", told["t"]
    connection.close()
    bar("post_that_moves_a_regime_median_ms", statistics.median(spent) * 1e3, "<=", 10)


def main() -> None:
    with appliance.rpsd(("tests.bench.empty_route", "serve"), fill, LIMIT) as server:
        many(server, "regimes_current_per_second")
        one(server)
        posts(server)
        many(server, "regimes_current_per_second_after_posts")


if __name__ == "__main__":
    main()
