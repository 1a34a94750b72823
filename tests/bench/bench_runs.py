"""Experiment runs: 10,000 runs of 100 metric steps logged, through the services and over HTTP, and searches over them.

`python -m tests.bench.bench_runs 10000`; over HTTP a whole run is one request, from eight connections, each answered when it is durable.
"""

import http.client
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np

from rpsd.config import read
from rpsd.core.experiment import RunState
from rpsd.services.access.service import SCOPES, Principal
from rpsd.services.experiment.run_log import Begun, Point
from rpsd.services.wiring import open_services
from tests.bench import appliance
from tests.bench.appliance import Appliance
from tests.bench.harness import bar, seconds

STEPS = 100
CONNECTIONS = 8
ME = Principal("bench", "bench", frozenset(SCOPES))
SEARCHES = {
    "filter": {"filter": "metrics.auc > 0.7 and params.l2 = '0.1' and tags.data != 'x' and state = 'FINISHED'"},
    "order": {"filter": "metrics.auc > 0.7", "order_by": "metrics.auc desc"},
    "rare": {"filter": "params.seed = 4999"},
    "newest": {},
}


def losses(number: int) -> list[float]:
    """The metric of a run, reproducible: falling with noise."""
    rng = np.random.default_rng(number)
    return (1 / np.sqrt(1 + np.arange(STEPS)) + rng.normal(0, 0.01, STEPS)).tolist()


def content(number: int) -> dict[str, object]:
    """A whole run as the API takes it."""
    return {
        "name": f"run {number}",
        "params": {"l2": [0.1, 0.01, 1][number % 3], "seed": number},
        "tags": {"data": "xyz"[number % 3 - 1]},
        "metrics": [{"name": "loss", "value": value, "step": step} for step, value in enumerate(losses(number))]
        + [{"name": "auc", "value": 0.5 + (number * 7919 % 5000) / 10_000}],
        "state": "FINISHED",
    }


def in_process(runs: int) -> None:
    """Through the services, from eight writers that share commits: whole runs, and runs that log ten steps at a time."""
    with (
        tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name,
        open_services(read(environ={"RPSD_DATA_DIR": name}), worker=False) as services,
    ):
        home = str(services.experiment.create("bench", ME)["id"])

        def whole(number: int) -> None:
            points = [Point("loss", value, step) for step, value in enumerate(losses(number))]
            services.run.begin(home, Begun(params={"seed": number}, metrics=points, state=RunState.FINISHED), ME)

        def stepwise(number: int) -> None:
            run = services.run.begin(home, Begun(params={"seed": number}), ME)["id"]
            points = [Point("loss", value, step) for step, value in enumerate(losses(number))]
            for at in range(0, STEPS, 10):
                services.run.log(run, ME, metrics=points[at : at + 10])
            services.run.finish(run, RunState.FINISHED, ME)

        with ThreadPoolExecutor(CONNECTIONS) as threads:
            begin = time.perf_counter()
            list(threads.map(stepwise, range(runs // 10)))
            middle = time.perf_counter()
            list(threads.map(whole, range(runs)))
            elapsed = time.perf_counter() - middle
    writes = 12 * (runs // 10) / (middle - begin)
    print(f"services: {writes:.0f} durable writes a second of ten points each; {runs / elapsed:.0f} whole runs a second")
    bar("run_points_service_per_second", runs * STEPS / elapsed, ">=", 20_000)


def over_http(server: Appliance, runs: int) -> None:
    """Whole runs, a request each; bodies are made before the clock starts."""
    home = server.json("POST", "/api/v1/experiments", {"name": "bench"})["id"]
    bodies = [json.dumps(content(number)).encode() for number in range(runs)]

    def post(part: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            for body in bodies[part::CONNECTIONS]:
                server.ask(connection, "POST", f"/api/v1/experiments/{home}/runs", body, {"content-type": "application/json"})

    threads = [threading.Thread(target=post, args=(part,)) for part in range(CONNECTIONS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    print(f"http: {runs} runs in {elapsed:.1f} s, {runs / elapsed:.0f} requests a second")
    bar("run_points_http_per_second", runs * STEPS / elapsed, ">=", 20_000)


def searches(server: Appliance, runs: int) -> None:
    """Searches over all runs, each the median of calls over one connection."""
    from urllib.parse import urlencode

    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for name, wish in SEARCHES.items():
            path = f"/api/v1/runs?{urlencode(wish | {'limit': '100'})}"
            found = json.loads(server.ask(connection, "GET", path, None, {}))["runs"]
            assert found or runs < 5000, name
            elapsed = seconds(lambda path=path: server.ask(connection, "GET", path, None, {}))  # type: ignore[misc]
            print(f"search {name}: {len(found)} of a page of 100")
            bar(f"run_search_{name}_ms", elapsed * 1e3, "<=", 100)


def main(runs: int) -> None:
    in_process(min(runs, 2000))
    with appliance.rpsd(settings={"RPSD_STORAGE__MIN_FREE_BYTES": "0"}) as server:
        over_http(server, runs)
        searches(server, runs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
