"""Order books over HTTP: from bytes to durable features, one client and one connection, in each form; and many books in bounded memory.

The stream is the bundled capture of ten levels, told again and again with its times moved on.
`python -m tests.bench.bench_book_ingest 100000`;
without a number it makes 20,000 books, far more than are held at hand.
"""

import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psutil

from rpsd import samples
from rpsd.config import read
from rpsd.core import frame
from rpsd.core.book import Tape
from rpsd.core.market import SECOND_NS
from tests.bench import appliance
from tests.bench.appliance import Appliance
from tests.bench.harness import bar

FRAMES, JSON = {"content-type": "application/octet-stream"}, {"content-type": "application/json"}
SECONDS = 4.0
"""How long each form is posted at least."""
_BINARY, _COLUMNS, _ROWS = 16_384, 8_192, 2_048  # books of one post


def stream(size: int) -> Iterator[Tape]:
    """Posts of `size` books without end, in order of time."""
    whole = samples.book_tapes("btcusdt")[0]
    span = int(whole.t[-1] - whole.t[0]) + SECOND_NS
    at = 0
    while True:
        places = np.arange(at, at + size)
        rows, t = places % whole.n, whole.t[places % whole.n] + places // whole.n * span
        yield Tape.of_books(t, whole.bids[rows], whole.asks[rows], whole.counts[rows])
        at += size


def as_columns(tape: Tape) -> bytes:
    """The tape as columnar JSON."""
    table = {"timestamp": tape.t.tolist()}
    for name, side in (("bid", tape.bids), ("ask", tape.asks)):
        table |= {f"{name}_prices": side[:, :, 0].tolist(), f"{name}_sizes": side[:, :, 1].tolist()}
    return json.dumps(table, separators=(",", ":")).encode()


def as_rows(tape: Tape) -> bytes:
    """The tape as a JSON list of records."""
    books = zip(tape.t.tolist(), tape.bids.tolist(), tape.asks.tolist(), strict=True)
    return json.dumps([{"timestamp": t, "bids": bids, "asks": asks} for t, bids, asks in books], separators=(",", ":")).encode()


FORMS = {
    "binary": (frame.encoded, FRAMES, _BINARY, 200_000),
    "columns": (as_columns, JSON, _COLUMNS, 60_000),
    "rows": (as_rows, JSON, _ROWS, 15_000),
}


def rates(server: Appliance) -> None:
    """Each form in turn; bodies are made before the clock starts, answers are awaited one by one."""
    for name, (encoded, headers, size, bound) in FORMS.items():
        posts = stream(size)
        bodies = [encoded(next(posts)) for _ in range(max(8, int(bound * SECONDS / size)))]
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            path = f"/api/v1/books/BENCH.{name}/snapshots?tick=0.1"
            server.ask(connection, "POST", path, bodies[0], headers)
            begin, worked = time.perf_counter(), _cpu(server)
            for body in bodies[1:]:
                answer = server.ask(connection, "POST", path, body, headers)
            elapsed, worked = time.perf_counter() - begin, _cpu(server) - worked
        assert json.loads(answer)["accepted"] == size, answer
        n = (len(bodies) - 1) * size
        speed = sum(map(len, bodies[1:])) / elapsed / 1e6
        print(f"{name}: {len(bodies) - 1} posts of {size} books, {speed:.0f} MB/s, {n / worked:.0f} books a CPU second of the server")
        bar(f"book_ingest_{name}_per_second", n / elapsed, ">=", bound)


def _cpu(server: Appliance) -> float:
    """CPU seconds that the server has used: what a busy machine does not distort."""
    times = psutil.Process(server.process.pid).cpu_times()
    return times.user + times.system


def in_process() -> None:
    """The same work without HTTP, for comparison: judge, features, chunk, commit."""
    from rpsd.services.wiring import open_services

    with (
        tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name,
        open_services(read(environ={"RPSD_DATA_DIR": name}), worker=False) as services,
    ):
        services.warm()
        posts = stream(_BINARY)
        tapes = [next(posts) for _ in range(20)]
        services.book.ingest("BENCH", tapes[0], tick=0.1)
        begin = time.perf_counter()
        for tape in tapes[1:]:
            services.book.ingest("BENCH", tape)
        print(f"in process: {19 * _BINARY / (time.perf_counter() - begin):.0f} books/s")


def singles(server: Appliance) -> None:
    """One book a post, each durable before the next."""
    posts = stream(1)
    bodies = [as_rows(next(posts)) for _ in range(1000)]
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        spent = []
        for body in bodies:
            begin = time.perf_counter()
            server.ask(connection, "POST", "/api/v1/books/ONE/snapshots?tick=0.1", body, JSON)
            spent.append(time.perf_counter() - begin)
    spent.sort()
    print(f"single books: median {spent[500] * 1e3:.2f} ms, p99 {spent[990] * 1e3:.2f} ms, durable each")


def many_symbols(server: Appliance, symbols: int) -> None:
    """A book for each of so many symbols, from eight connections; the server's memory afterwards against before."""
    process = psutil.Process(server.process.pid)
    body, before = frame.encoded(next(stream(1)), 0.1), process.memory_info().rss

    def post(part: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            for number in range(part, symbols, 8):
                server.ask(connection, "POST", f"/api/v1/books/S{number}/snapshots", body, FRAMES)

    threads = [threading.Thread(target=post, args=(part,)) for part in range(8)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{symbols} symbols in {time.perf_counter() - begin:.0f} s")
    bar("book_symbols_memory_mib", (process.memory_info().rss - before) / 2**20, "<=", 120)
    text = server.call("GET", "/metrics").decode()
    bar("book_metric_lines", sum(line.startswith("rpsd_book_") for line in text.splitlines()), "<=", 40)


def main(symbols: int) -> None:
    in_process()
    with appliance.rpsd(settings={"RPSD_STORAGE__MIN_FREE_BYTES": "0"}) as server:
        rates(server)
        singles(server)
        many_symbols(server, symbols)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
