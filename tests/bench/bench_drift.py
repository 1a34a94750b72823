"""A scan of 500 models, in one process, with the packets that carry it to the worker and back: python -m tests.bench.bench_drift."""

import resource
import time

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.model import Packet
from rpsd.drift.scan import Case, scan
from tests.bench.harness import bar

MODELS, FEATURES, REFERENCE, CURRENT = 500, 20, 500, 250
BATCH = 32
"""Models of one packet, as the monitor sends them."""


def packet(models: int, rng: np.random.Generator) -> bytes:
    """Windows without drift, as they come to the worker."""
    arrays = {f"ref/{i}": rng.normal(size=(REFERENCE, FEATURES)) for i in range(models)}
    arrays |= {f"cur/{i}": rng.normal(size=(CURRENT, FEATURES)) for i in range(models)}
    return Packet({"models": models, "features": [f"f{i}" for i in range(FEATURES)]}, arrays).pack()


def scanned(frame: bytes) -> int:
    """Rows of the answer that goes back."""
    received = Packet.unpack(frame)
    names, kinds = tuple(received.head["features"]), ("feature",) * FEATURES
    cases = [Case(f"m{i}", received.arrays[f"ref/{i}"], received.arrays[f"cur/{i}"], names, kinds) for i in range(received.head["models"])]
    answer = Packet({"reports": [[row.as_dict() for row in rows] for rows in scan(cases, Tolerance())]}, {})
    return sum(len(rows) for rows in Packet.unpack(answer.pack()).head["reports"])


def main() -> None:
    """Seconds on the wall, and of the processor alone."""
    rng = np.random.default_rng(0)
    scanned(packet(1, rng))
    sizes = [min(BATCH, MODELS - begin) for begin in range(0, MODELS, BATCH)]
    wall, rows = 0.0, 0
    before = resource.getrusage(resource.RUSAGE_SELF)
    for size in sizes:
        frame = packet(size, rng)
        begin = time.perf_counter()
        rows += scanned(frame)
        wall += time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    bar("drift_scan_500_models_20_features_s", wall, "<=", 10.0)
    spent = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"     processor {spent:.1f} s with drawing, {rows / wall:,.0f} features/s")


if __name__ == "__main__":
    main()
