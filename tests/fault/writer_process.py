"""The victim: writes rows as fast as it can and prints each row's number once it may be called safe.

Usage: writer_process.py DIRECTORY FIRST MODE. MODE `durable` prints after the future has resolved; `early` before it has,
which is what a store that acknowledges before its commit would do.
"""

import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from rpsd.core.market import SECOND_NS, Samples, Upsert
from rpsd.store import series, writer
from rpsd.store.db import Connection, Database

LANES = 4
"""Threads that write side by side, so that commits are shared."""


def row(number: int, count: int) -> Samples:
    """`count` rows from this number on; each value can be told from its time."""
    t = np.arange(number, number + count, dtype=np.int64)
    return Samples(t * SECOND_NS, {"value": t * 3.0 + 1.0})


def submit(database: Database, lane: int, number: int, count: int) -> "Future[Upsert]":
    def write(c: Connection) -> Upsert:
        return series.upsert(c, f"LANE{lane}", "1s", row(number, count), now_ns=time.time_ns())

    return database.write(write)


def work(database: Database, lane: int, number: int, mode: str) -> None:
    """Single rows, now and then a long post: both the tail and the blocks are at work when the end comes."""
    while True:
        count = 300 if number % 50 == 49 else 1
        future = submit(database, lane, number, count)
        if mode == "durable":
            future.result()
        sys.stdout.write(f"{lane} {number} {count}\n")
        sys.stdout.flush()
        if mode == "early":
            future.result()
        number += count


def main() -> None:
    directory, first, mode = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    writer.BUSY_PAGES = 64  # type: ignore[misc]  # checkpoints come often, so that some kills fall into one
    database = Database.open(directory, clock=time.time_ns)
    sys.stdout.write("ready\n")
    for lane in range(LANES):
        threading.Thread(target=work, args=(database, lane, first, mode), daemon=True).start()
    time.sleep(60)


if __name__ == "__main__":
    main()
