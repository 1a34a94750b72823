"""Stored order books: bytes an event takes on disk, and features of a range computed anew, by the kind of feed.

`python -m tests.bench.bench_book_store`. The feeds are the bundled capture: books of ten levels, best quotes, prints, all of them fused.
"""

import tempfile
import time

from rpsd.config import read
from rpsd.core.book import Tape
from rpsd.samples import book_tape, book_tapes
from rpsd.services.wiring import Services, open_services
from rpsd.store import book, book_chunk
from rpsd.store.tape import cut
from tests.bench.harness import bar

TICK, POST, TURNS = 0.1, 500, 5
_PLAIN = {"books": 8 * (3 + 40), "quotes": 8 * (3 + 4), "prints": 8 * (3 + 3)}
"""Bytes of an event as columns of 64 bits: two times, an update id, prices and sizes."""


def feed(services: Services, symbol: str, tape: Tape) -> tuple[float, int]:
    """Bytes that an event of the tape takes, and how many there are; posted in small pieces, each durable before the next."""
    for at in range(0, tape.n, POST):
        services.book.ingest(symbol, cut(tape, at, min(at + POST, tape.n)), tick=TICK, on_error="skip")

    def stored(c: book_chunk.Connection) -> tuple[int, int]:
        known = book.require(c, symbol).info
        chunks = [book_chunk.load(c, chunk) for chunk in book_chunk.newest(c, known.id, -(2**63), 2**63 - 1, known.events)]
        return sum(len(one.payload) + len(one.memory or b"") for one in chunks), known.events

    size, events = services.database.read(stored)
    return size / events, events


def anew(services: Services, symbol: str, events: int) -> float:
    """Events a CPU second whose features are computed from the stored tape."""
    spent = []
    for _ in range(TURNS):
        begin = time.thread_time()
        found, _ = services.book.features(symbol, limit=10 * events)
        spent.append(time.thread_time() - begin)
        assert len(found["t"]) == events, len(found["t"])
    return events / sorted(spent)[TURNS // 2]


def main() -> None:
    feeds = dict(zip(_PLAIN, book_tapes(), strict=True)) | {"fused": book_tape()}
    with (
        tempfile.TemporaryDirectory(prefix="rpsd-bench-") as name,
        open_services(read(environ={"RPSD_DATA_DIR": name, "RPSD_STORAGE__MIN_FREE_BYTES": "0"}), worker=False) as services,
    ):
        services.warm()
        for kind, tape in feeds.items():
            size, events = feed(services, kind.upper(), tape)
            plain = f", {_PLAIN[kind]} as plain columns" if kind in _PLAIN else ""
            print(f"{kind}: {events} events of {size:.1f} bytes{plain}")
            if kind in ("books", "fused"):
                bar(f"book_stored_bytes_per_event_{kind}", size, "<=", {"books": 120, "fused": 40}[kind])
                bar(f"book_features_of_a_range_per_cpu_second_{kind}", anew(services, kind.upper(), events), ">=", 500_000)


if __name__ == "__main__":
    main()
