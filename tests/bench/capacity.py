"""What series and rows cost in disk and memory: `python -m tests.bench.capacity` prints the table of the manual's sizing chapter."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rpsd.config import read
from rpsd.core import instant
from rpsd.core.market import Samples
from rpsd.services.wiring import Services, open_services
from rpsd.store import upsert
from rpsd.store.db import FILE_NAME

SHAPES = ((1, 1_000_000), (100, 10_000), (1000, 1000))
"""Series, and one-minute bars of five columns in each."""
MINUTE_NS = 60 * 10**9
START_NS = instant.parse("2024-01-02")
MIB = 1 << 20


def bars(rng: np.random.Generator, n: int) -> Samples:
    """Prices in cents that move like a market's, and volumes in whole shares."""
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 5e-4, n))), 2)
    wick = np.round(np.abs(rng.normal(0, 0.05, n)), 2)
    columns = {
        "open": np.roll(close, 1),
        "high": close + wick,
        "low": close - wick,
        "close": close,
        "volume": np.floor(rng.gamma(2, 500, n)),
    }
    return Samples(START_NS + np.arange(n, dtype=np.int64) * MINUTE_NS, columns)


def fill(services: Services, series: int, rows: int) -> None:
    rng = np.random.default_rng(1)
    for number in range(series):
        services.series.append(f"S{number}", "1m", bars(rng, rows), by="bench")


def measured(place: Path, series: int, rows: int) -> tuple[float, float]:
    """Bytes a row while hot and once compressed."""
    settings = read(environ={"RPSD_DATA_DIR": str(place)})
    database = place / FILE_NAME
    with open_services(settings, worker=False) as services:
        fill(services, series, rows)
        services.database.upkeep()
        hot = database.stat().st_size
        services.database.write(lambda c: upsert.fold(c, None)).result()
        while services.database.write(lambda c: upsert.compress(c, 2**62)).result():
            pass
        services.database.write(lambda c: None).result()
        services.database.upkeep()
        free = services.database.read(
            lambda c: next(iter(c.execute("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")))[0]
        )
    cold = database.stat().st_size - free
    return hot / (series * rows), cold / (series * rows)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def reads(place: Path) -> None:
    """Print what the services take once open, and once the newest 10,000 rows of every series were read."""
    with open_services(read(environ={"RPSD_DATA_DIR": str(place)}), worker=False) as services:
        idle = resident()
        for listed in services.series.page(limit=1000)[0]:
            services.series.read(listed["symbol"], listed["interval"], limit=10_000)
        print(idle, resident())


def main() -> None:
    """Print the table; a fresh process measures memory, since the one that filled the database has grown by it."""
    print("| series | rows each | bytes a row, first week | bytes a row, later | disk for 10 million rows | memory open; all read |")
    print("|---|---|---|---|---|---|")
    for series, rows in SHAPES:
        with tempfile.TemporaryDirectory() as place:
            hot, cold = measured(Path(place), series, rows)
            told = subprocess.run([sys.executable, "-m", "tests.bench.capacity", place], stdout=subprocess.PIPE, text=True, check=True)
        idle, after = (int(word) / MIB for word in told.stdout.split())
        print(
            f"| {series:,} | {rows:,} | {hot:.0f} | {cold:.1f} | {cold * 1e7 / MIB:,.0f} MiB | {idle:.0f}; {after:.0f} MiB |",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        reads(Path(sys.argv[1]))
    else:
        main()
