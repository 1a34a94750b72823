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
from tests.bench.harness import bar

TICK, TURNS, POST, PEER_ROWS = 0.1, 60, 10_000, 2000
_BID_SIZES, _ASK_SIZES = ([f"{side}_sz_{k}" for k in range(10)] for side in ("bid", "ask"))


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
    """Ten levels of price and size a side as the columns of a table, as files of such books have them."""
    cells = {
        f"{side}_{what}_{k}": book[:, k, at]
        for side, book in (("bid", tape.bids), ("ask", tape.asks))
        for k in range(10)
        for at, what in enumerate(("px", "sz"))
    }
    return pd.DataFrame(cells)


def at_the_best(row: pd.Series) -> pd.Series:
    """Spread, queue imbalance and weighted mid of the best quotes, as a notebook would have them."""
    imbalance = (row["bid_sz_0"] - row["ask_sz_0"]) / (row["bid_sz_0"] + row["ask_sz_0"])
    return _told(row, imbalance)


def of_ten_levels(row: pd.Series) -> pd.Series:
    """The same with the imbalance of all ten levels, which the kernel has among its 27."""
    bid, ask = row[_BID_SIZES].sum(), row[_ASK_SIZES].sum()
    return _told(row, (bid - ask) / (bid + ask))


def _told(row: pd.Series, imbalance: float) -> pd.Series:
    spread = row["ask_px_0"] - row["bid_px_0"]
    mid = 0.5 * (row["ask_px_0"] + row["bid_px_0"])
    return pd.Series({"spread": spread, "imbalance": imbalance, "micro": mid + 0.5 * spread * imbalance})


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
    ours = PEER_ROWS / rate
    best, ten = (core_seconds(lambda row=row: table.apply(row, axis=1), 5) for row in (at_the_best, of_ten_levels))
    print(
        f"{PEER_ROWS} books: {1e3 * ours:.3f} ms for 27 features; pandas apply of three: {1e3 * ten:.0f} ms with an imbalance of ten levels"
    )
    print(f"(of the best quotes alone {1e3 * best:.0f} ms, {best / ours:.0f} times as long)")
    held = [bar("book_features_per_core_second", rate, ">=", 3e6), bar("book_features_times_pandas_apply", ten / ours, ">=", 1000.0)]
    held.append(bar("book_features_one_event_p99_us", one_event(tape), "<=", 20.0))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
