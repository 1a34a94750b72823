"""The feature store: five hundred series materialised through the services, a bar for each of them, and vectors over HTTP."""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rpsd.config import read
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.wiring import Services, open_services
from tests.bench import appliance, load
from tests.bench.appliance import Appliance
from tests.bench.harness import bar

SERIES = 500
BARS = 1250
RATE = 500
TODAY = 1_750_000_000 // 86_400 * DAY_NS
LIMIT = {"RPSD_LIMITS__READ": "100000000/min"}
VIEW = "core_technical"


def bars(number: int, first: int, n: int) -> Samples:
    rng = np.random.default_rng(number)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, BARS + 100)))[first : first + n]
    columns = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1e6 + 0 * close}
    return Samples(TODAY + (first + np.arange(n, dtype=np.int64) - BARS) * DAY_NS, columns)


def opened(data: Path) -> Services:
    return open_services(read(environ={"RPSD_DATA_DIR": str(data)}), worker=False)


def post(services: Services, first: int, n: int) -> None:
    for number in range(SERIES):
        services.series.append(f"S{number}", "1d", bars(number, first, n))


def materialise() -> None:
    """All rows at once, then a bar for every series, each time durable when the run returns."""
    with TemporaryDirectory() as place, opened(Path(place)) as services:
        services.series.append("WARM", "1d", bars(0, 0, 300))
        services.feature.materialiser.run()  # kernels and registration are no part of it
        post(services, 0, BARS)
        begin = time.perf_counter()
        told = services.feature.materialiser.run()[VIEW]
        spent = time.perf_counter() - begin
        assert told["values"] == SERIES * BARS * 21, told
        print(f"{SERIES} series x {BARS} bars x 21 features: {spent:.2f} s")
        bar("feature_materialise_values_per_second", told["values"] / spent, ">=", 1_000_000)
        times = []
        for day in range(5):
            post(services, BARS + day, 1)
            begin = time.perf_counter()
            told = services.feature.materialiser.run()[VIEW]
            times.append(time.perf_counter() - begin)
            assert told["rows"] == SERIES, told
        bar("feature_one_bar_for_500_series_s", sorted(times)[2], "<=", 0.5)


def fill(data: Path) -> None:
    with opened(data) as services:
        post(services, 0, BARS)
        services.feature.materialiser.run()


def vectors(server: Appliance) -> None:
    """Vectors of all series in turn at a steady rate, whether the server keeps up or not."""
    headers = {"X-API-Key": server.key}
    messages = [load.request(f"/api/v1/feature-views/{VIEW}/vector?entity=S{number}", headers) for number in range(SERIES)]
    told = server.json("GET", f"/api/v1/feature-views/{VIEW}/vector?entity=S7")
    assert told["quality"] == 1.0, json.dumps(told)
    load.open_loop(server.port, messages, rate=RATE, seconds=2.0)  # every vector once
    runs = [load.p99_ms(load.open_loop(server.port, messages, rate=RATE, seconds=5.0)) for _ in range(3)]
    bar("feature_vector_p99_ms_at_500_per_second", sorted(runs)[1], "<=", 5)


def main() -> None:
    materialise()
    with appliance.rpsd(("rpsd", "serve"), fill, LIMIT) as server:
        vectors(server)


if __name__ == "__main__":
    main()
