"""Figures of the order-book kernel: snapshots a second on a stream that no cache holds, against pandas; one live event.

`python -m tests.bench.bench_book`. The stream is the bundled capture of ten-level books, told again and again with the clock going on.
"""

import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from rpsd.book.features import BookMemory, run
from rpsd.core.book import Tape
from rpsd.kernels import jit
from rpsd.samples import book_tapes
from tests.bench.harness import bar, ratio

TICK, TURNS, POST, PEER_ROWS = 0.1, 60, 10_000, 2000


def stream() -> Tape:
    """The books of the capture, TURNS times one after another: 390,000 books in 125 MB."""
    books = book_tapes()[0]
    span = int(books.t[-1] - books.t[0]) + 50_000_000
    t = (books.t[None, :] + span * np.arange(TURNS)[:, None]).ravel()
    return Tape.of_books(t, np.tile(books.bids, (TURNS, 1, 1)), np.tile(books.asks, (TURNS, 1, 1)), np.tile(books.counts, (TURNS, 1)))


def posts(tape: Tape, size: int) -> list[Tape]:
    """The tape in posts of `size` books, without copies."""
    bounds = [*range(0, tape.n, size), tape.n]
    return [Tape.of_books(tape.t[a:b], tape.bids[a:b], tape.asks[a:b], tape.counts[a:b]) for a, b in pairwise(bounds)]


def follow(parts: list[Tape]) -> BookMemory:
    """The features of one post after another, from the memory of the post before."""
    memory = BookMemory.fresh()
    for part in parts:
        _, _, memory = run(part, TICK, memory)
    return memory


def frame(tape: Tape) -> pd.DataFrame:
    """The best quotes and ten-level sizes as the columns of a table."""
    books = {"bid": tape.bids[:, 0, 0], "bid_size": tape.bids[:, 0, 1], "ask": tape.asks[:, 0, 0], "ask_size": tape.asks[:, 0, 1]}
    return pd.DataFrame(books)


def three(row: pd.Series) -> pd.Series:
    """Spread, queue imbalance and weighted mid, as a notebook would have them."""
    imbalance = (row["bid_size"] - row["ask_size"]) / (row["bid_size"] + row["ask_size"])
    spread = row["ask"] - row["bid"]
    return pd.Series({"spread": spread, "imbalance": imbalance, "micro": 0.5 * (row["ask"] + row["bid"]) + 0.5 * spread * imbalance})


def core_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Median time that one call takes of a core, after one call that does not count: others on the machine do not count either."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.thread_time()
        work()
        times.append(time.thread_time() - begin)
    return sorted(times)[repeats // 2]


def one_event(tape: Tape) -> float:
    """99th percentile, in microseconds, of the features of one live book."""
    single, memory, times = posts(tape, 1)[:20_000], BookMemory.fresh(), []
    for part in single:
        begin = time.perf_counter_ns()
        _, _, memory = run(part, TICK, memory)
        times.append(time.perf_counter_ns() - begin)
    return float(np.percentile(times, 99)) / 1e3


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    jit.warm(jit.FITS)
    tape = stream()
    parts = posts(tape, POST)
    rate = tape.n / core_seconds(lambda: follow(parts))
    table = frame(parts[0]).iloc[:PEER_ROWS]
    head = posts(parts[0], PEER_ROWS)[:1]
    share, ours, theirs = ratio(lambda: follow(head), lambda: table.apply(three, axis=1), 5)
    print(f"{PEER_ROWS} books: {1e3 * ours:.3f} ms for 27 features, pandas apply of three {1e3 * theirs:.0f} ms")
    held = [bar("book_features_per_core_second", rate, ">=", 3e6), bar("book_features_times_pandas_apply", 1.0 / share, ">=", 1000.0)]
    held.append(bar("book_features_one_event_p99_us", one_event(tape), "<=", 20.0))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
