"""The appliance over HTTP: rates, latencies, ingest and start-up, beside peers of the same run."""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil

from rpsd import samples
from rpsd.config import read
from tests.bench import appliance, load
from tests.bench.appliance import Appliance
from tests.bench.harness import bar, ratio

ROWS = 1_000_000
JSON = {"content-type": "application/json"}


def random_walk(n: int) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 1e-4, n)))


def health(server: Appliance) -> None:
    """Rates in short turns, so that a busy moment of the machine meets all three alike."""
    targets = {"health": (server.port, "/health"), "live": (server.port, "/health/live")}
    rates: dict[str, list[float]] = {"health": [], "live": [], "bare": []}
    with appliance.peer("bare") as port:
        for _ in range(5):
            for name, (at, path) in {**targets, "bare": (port, "/health")}.items():
                rates[name].append(load.saturate(at, load.request(path), seconds=1.0))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    print(f"health {rate['health']:.0f}/s, empty route {rate['live']:.0f}/s, bare Litestar {rate['bare']:.0f}/s")
    bar("health_vs_empty_route", rate["health"] / rate["live"], ">=", 0.8)
    bar("health_vs_bare_litestar", rate["health"] / rate["bare"], ">=", 0.55)
    bar("health_p99_ms_at_200", load.p99_ms(load.open_loop(server.port, load.request("/health"), rate=200, seconds=10)), "<=", 10)


def denoise(server: Appliance) -> None:
    values = ",".join(map(repr, random_walk(1741).tolist()))
    message = load.request("/api/v1/denoise", {"X-API-Key": server.key, **JSON}, f'{{"values":[{values}]}}'.encode())
    load.open_loop(server.port, message, rate=20, seconds=1)
    bar("denoise_1741_p99_ms_at_50", load.p99_ms(load.open_loop(server.port, message, rate=50, seconds=10)), "<=", 30)


def octets(server: Appliance) -> None:
    """100 K points through the service in this process and through the server, turn by turn."""
    from rpsd.services.wiring import open_services

    values = random_walk(100_000)
    headers = {"content-type": "application/octet-stream", "accept": "application/octet-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name:
        services = open_services(read(environ={"RPSD_DATA_DIR": name}), worker=False)
        services.warm()
        share, there, here = ratio(
            lambda: server.ask(connection, "POST", "/api/v1/denoise", values.tobytes(), headers),
            lambda: services.denoise.run(values),
            repeats=25,
        )
        services.close()
    connection.close()
    print(f"100 K points: {here * 1e3:.1f} ms in process, {there * 1e3:.1f} ms over HTTP")
    bar("octet_stream_100k_vs_in_process", share, "<=", 2)


def ingest(server: Appliance) -> None:
    """A million rows in one durable CSV post; the server's memory is looked at every ten milliseconds."""
    seconds = np.datetime64("2024-01-01T00:00:00") + np.arange(ROWS)
    rows = [f"{t}Z,{v!r}" for t, v in zip(seconds.astype(str), random_walk(ROWS).tolist(), strict=True)]
    body = "\n".join(["t,close", *rows, ""]).encode()
    process, peak, done = psutil.Process(server.process.pid), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], process.memory_info().rss)

    idle = process.memory_info().rss
    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.perf_counter()
    answer = server.call("POST", "/api/v1/series/BENCH/1s/samples", body, {"content-type": "text/csv"})
    elapsed = time.perf_counter() - begin
    done.set()
    watcher.join()
    print(f"{len(body) / 1e6:.0f} MB of CSV: {answer.decode()[:160]}")
    bar("csv_ingest_rows_per_second", ROWS / elapsed, ">=", 300_000)
    bar("csv_ingest_memory_mib_above_idle", (peak[0] - idle) / 2**20, "<=", 300)


def live(server: Appliance) -> None:
    """A live column kept level by four clients, each with a series of its own and a thousand rows a post, then by single rows."""
    clients, posts, rows = 4, 100, 1000
    bodies = {}
    for client in range(clients):
        seconds = (np.datetime64("2024-01-01T00:00:00") + np.arange((posts + 1) * rows)).astype(str)
        lines = [f"{t}Z,{v!r}" for t, v in zip(seconds, random_walk(seconds.size).tolist(), strict=True)]
        bodies[client] = ["\n".join(["t,close", *lines[k : k + rows], ""]).encode() for k in range(0, seconds.size, rows)]
    csv = {"content-type": "text/csv"}

    def post_all(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for body in bodies[client][1:]:
            server.ask(connection, "POST", f"/api/v1/series/LIVE{client}/1s/samples", body, csv)
        connection.close()

    for client in range(clients):
        server.call("POST", f"/api/v1/series/LIVE{client}/1s/samples", bodies[client][0], csv)
        declared = server.json("PUT", f"/api/v1/series/LIVE{client}/1s/live", {"denoise": [{"column": "close"}]})
    threads = [threading.Thread(target=post_all, args=(client,)) for client in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    for client in range(clients):
        [column] = server.json("GET", f"/api/v1/series/LIVE{client}/1s/live")["denoise"]
        assert (column["samples"], column["behind"]) == ((posts + 1) * rows, 0), column
    print(f"live {declared['denoise'][0]['method']}: {clients} clients, {posts} posts of {rows} rows each in {elapsed:.2f} s")
    bar("live_samples_per_second", clients * posts * rows / elapsed, ">=", 200_000)

    def single(k: int) -> bytes:
        t = (1_800_000_000 + k) * 10**9
        return load.request(
            "/api/v1/series/LIVE0/1s/samples", {"X-API-Key": server.key, **JSON}, f'{{"t":[{t}],"close":[{100 + k % 7}]}}'.encode()
        )

    load.open_loop(server.port, [single(k) for k in range(50)], rate=50, seconds=1)
    bar(
        "live_row_p99_ms_at_50",
        load.p99_ms(load.open_loop(server.port, [single(50 + k) for k in range(500)], rate=50, seconds=10)),
        "<=",
        10,
    )


def read_back(data_dir: Path) -> None:
    """The same rows read in process into numpy, once the server has let go of the directory."""
    from rpsd.services.wiring import open_services

    services = open_services(read(environ={"RPSD_DATA_DIR": str(data_dir)}), worker=False)
    spent = []
    for _ in range(5):
        begin = time.perf_counter()
        got = services.series.read("BENCH", "1s", start_ns=None, end_ns=None, columns=None, limit=ROWS, as_of_ns=None)
        spent.append(time.perf_counter() - begin)
        assert got.t.size == ROWS
    services.close()
    bar("read_back_rows_per_second", ROWS / statistics.median(spent), ">=", 2_000_000)


def detection(end: str) -> dict[str, str]:
    return {"ticker": "^GSPC", "start_date": "2014-01-01", "end_date": end, "regime_type": "3_state"}


def regimes(server: Appliance) -> None:
    csv = samples.path("sp500_1d").read_bytes()
    server.call("POST", "/api/v1/series/%5EGSPC/1d/samples", csv, {"content-type": "text/csv"})
    last = datetime(2018, 12, 31, tzinfo=UTC)
    ends = (f"{last - timedelta(days=k):%Y-%m-%d}" for k in range(1000))
    fresh = []
    for end in (next(ends) for _ in range(7)):
        begin = time.perf_counter()
        server.json("POST", "/api/v1/detect-regimes", detection(end))
        fresh.append(time.perf_counter() - begin)
    bar("detect_regimes_fresh_seconds", max(fresh), "<=", 2)
    body = str(detection("2018-12-31")).replace("'", '"').encode()
    message = load.request("/api/v1/detect-regimes", {"X-API-Key": server.key, **JSON}, body)
    bar("detect_regimes_cached_p99_ms", load.p99_ms(load.open_loop(server.port, message, rate=50, seconds=8)), "<=", 10)

    reading = load.request("/api/v1/series/%5EGSPC/1d", {"X-API-Key": server.key})
    idle = load.p99_ms(load.open_loop(server.port, reading, rate=200, seconds=8))
    # in a process of its own: a thread here would share the GIL with the clock of the open loop
    fitting = subprocess.Popen([sys.executable, "-m", "tests.bench.fits", str(server.port), server.key], stdout=subprocess.PIPE)
    time.sleep(1.0)
    busy = load.p99_ms(load.open_loop(server.port, reading, rate=200, seconds=8))
    fitting.terminate()
    fits = int(fitting.communicate()[0])
    print(f"p99 idle {idle:.1f} ms, during {fits} fits {busy:.1f} ms")
    bar("p99_ms_while_fitting", busy, "<=", max(2 * idle, 10))


def memory(server: Appliance) -> None:
    """Idle, once the worker has loaded its kernels too: its memory has stopped growing for a second."""
    before, (alone, together) = 0.0, server.rss_mib()
    while together > before + 1.0:
        time.sleep(1.0)
        before, (alone, together) = together, server.rss_mib()
    bar("rss_mib_server", alone, "<=", 220)
    bar("rss_mib_server_and_worker", together, "<=", 360)


def start() -> None:
    """Start to the first healthy answer, to the first route of the framework and to ready, in turns with a bare application."""
    spent: dict[str, list[float]] = {"/health": [], "/": [], "/health/ready": [], "bare": []}
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name:
        directory = Path(name)
        for turn in range(6):
            for path, taken in spent.items():
                port = appliance.free_port()
                ours = (["rpsd", "serve"], port, path, appliance.settings_of(directory, port))
                theirs = (["tests.bench.peers", "routes", str(port)], port, "/health", dict(os.environ))
                process, elapsed = appliance.launch(*(theirs if path == "bare" else ours), directory / "log")
                appliance.stop(process)
                taken.extend([elapsed] if turn else [])  # the first turn creates the database and warms the disk
    first, page, ready, bare = (statistics.median(taken) for taken in spent.values())
    print(f"start: /health {first:.2f} s, a bare application {bare:.2f} s; first route {page:.2f} s, kernels warm {ready:.2f} s")
    bar("start_seconds", first, "<=", 2.0)
    bar("start_vs_bare_litestar", first / bare, "<=", 1.4)


def main() -> None:
    with appliance.rpsd() as server:
        memory(server)
        health(server)
        denoise(server)
        octets(server)
        regimes(server)
    with appliance.rpsd() as server:
        live(server)
    with appliance.rpsd() as server:
        ingest(server)
        appliance.stop(server.process)
        read_back(server.directory / "data")
    start()


if __name__ == "__main__":
    main()
