"""A million samples in and out of the store, against a row per sample through executemany in the same run.

python -m pytest tests/bench/test_bench_store.py -m bench -s
"""

import time
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np
import pytest

from rpsd.core.market import SECOND_NS, Samples
from rpsd.store import series
from rpsd.store.db import Connection, Database
from rpsd.store.practices import WRITER, connect

pytestmark = pytest.mark.bench

N = 1_000_000
T = np.arange(N, dtype=np.int64) * 60 * SECOND_NS
CLOSE = 100 + np.cumsum(np.random.default_rng(1).normal(scale=0.01, size=N))


def best(run: Callable[[int], object], rounds: int = 3) -> float:
    """Seconds of the fastest of some rounds."""
    times = []
    for number in range(rounds):
        start = time.perf_counter()
        run(number)
        times.append(time.perf_counter() - start)
    return min(times)


def bar(name: str, value: float, op: str, bound: float) -> None:
    """One line of the report."""
    met = value >= bound if op == ">=" else value <= bound
    print(f"BAR {name} {value:.4g} {op} {bound:g} {'ok' if met else 'FALLS SHORT'}")


def row_per_sample(path: Path) -> tuple[float, float]:
    """Seconds to write and to read N samples as rows, under the same practices."""
    peer = connect(path, WRITER)
    peer.execute("CREATE TABLE sample (series INTEGER, t INTEGER, value REAL, PRIMARY KEY (series, t)) STRICT, WITHOUT ROWID")

    def write(number: int) -> None:
        with peer:
            peer.executemany("INSERT INTO sample VALUES (?, ?, ?)", zip([number] * N, T.tolist(), CLOSE.tolist(), strict=True))

    def read(number: int) -> None:
        rows = peer.execute("SELECT t, value FROM sample WHERE series = 0 ORDER BY t").fetchall()
        t, value = zip(*rows, strict=True)
        assert np.array(t, np.int64).size == np.array(value).size == N

    seconds = best(write, 1), best(read, 1)
    peer.close()
    return seconds


def blocks(database: Database) -> tuple[float, float]:
    """Seconds to write (durably, one call) and to read N samples of one column."""

    def write(number: int) -> None:
        samples = Samples(T.copy(), {"close": CLOSE.copy()})
        database.write(lambda c: series.upsert(c, f"S{number}", "1m", samples, now_ns=1)).result()

    def read(number: int) -> None:
        assert database.read(lambda c: series.read(c, series.require(c, "S0", "1m"))).n == N

    return best(write), best(read)


def test_bench_store(tmp_path: Path) -> None:
    with Database.open(tmp_path / "data", clock=lambda: 0) as database:
        write, read = blocks(database)
        single = best(lambda number: single_rows(database, f"ONE{number}", 1000), 1)
        size = database.read(lambda c: sum(row[0] for row in c.execute("SELECT length(payload) FROM block")))
        compressed = best(lambda _: compress_all(database), 1)
        packed = database.read(lambda c: sum(row[0] for row in c.execute("SELECT length(payload) FROM block")))
        cold = best(lambda _: database.read(lambda c: series.read(c, series.require(c, "S0", "1m"))))
    row_write, row_read = row_per_sample(tmp_path / "peer.db")
    print(f"\nSQLite {apsw.sqlite_lib_version()}, {N} samples of one column, best of 3 (peer: 1)")
    bar("store_write_rows_per_second", N / write, ">=", 3e6)
    bar("store_read_rows_per_second", N / read, ">=", 2e6)
    bar("store_read_compressed_rows_per_second", N / cold, ">=", 2e6)
    bar("store_write_ratio_to_row_per_sample", row_write / write, ">=", 9)
    bar("store_read_ratio_to_row_per_sample", row_read / read, ">=", 15)
    bar("store_grouped_single_rows_per_second", 1000 / single, ">=", 1000)
    print(f"compressed 3 million samples {size / packed:.2f} times in {compressed:.2f} s (a random walk of full precision)")


def single_rows(database: Database, symbol: str, n: int) -> None:
    """n posts of one row each, queued together as many clients would."""

    def write(number: int) -> Callable[[Connection], object]:
        samples = Samples(T[number : number + 1].copy(), {"close": CLOSE[number : number + 1].copy()})
        return lambda c: series.upsert(c, symbol, "1m", samples, now_ns=1)

    for future in [database.write(write(number)) for number in range(n)]:
        future.result()


def compress_all(database: Database) -> None:
    """Upkeep's compression to its end."""
    while database.write(lambda c: series.compress(c, 2**62)).result():
        pass
