"""Make the bundled samples from the raw files: `python scripts/convert_samples.py SOURCE_DIR [TARGET_DIR]`.

SOURCE_DIR holds market/sp500_1d.csv.gz, market/goog_1m.csv.gz and book/btcusdt_l10.csv.gz as rpsd/samples/PROVENANCE.md
describes them. Numbers are copied as text, digit for digit: only headers, times and the order of columns change. The same
source gives the same bytes, and a test compares the digests in PROVENANCE.md with the files.
"""

import argparse
import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "rpsd" / "samples"
BOOK_ROWS = 400  # about twenty seconds: enough to try the book layouts, small enough to ship
LEVELS = 10

Rows = Iterable[dict[str, str]]


def sp500(rows: Rows) -> Iterator[list[str]]:
    """Daily bars: US dates become ISO dates."""
    yield ["t", "open", "high", "low", "close", "adj_close", "volume"]
    for row in rows:
        month, day, year = row["Date"].split("/")
        yield [f"{year}-{month:0>2}-{day:0>2}", row["Open"], row["High"], row["Low"], row["Close"], row["Adj Close"], row["Volume"]]


def goog(rows: Rows) -> Iterator[list[str]]:
    """Minute closes: `2025-08-18 13:30:00+00:00` becomes `2025-08-18T13:30:00Z`."""
    yield ["t", "close"]
    for row in rows:
        t = datetime.fromisoformat(row["timestamp"]).astimezone(UTC)
        yield [t.strftime("%Y-%m-%dT%H:%M:%SZ"), row["price"]]


def book(rows: Rows) -> Iterator[list[str]]:
    """Ten levels a side in the layout of Tardis' book_snapshot_10; its times are microseconds."""
    sides = [(side, level) for level in range(LEVELS) for side in ("ask", "bid")]
    names = [f"{side}s[{level}].{field}" for side, level in sides for field in ("price", "amount")]
    yield ["exchange", "symbol", "timestamp", "local_timestamp", *names]
    for row, _ in zip(rows, range(BOOK_ROWS), strict=False):
        times = [str(int(row[field]) // 1000) for field in ("exch_ts_ns", "ts_ns")]
        cells = [row[f"{side}_{field}_{level}"] for side, level in sides for field in ("px", "sz")]
        yield ["binance-futures", "BTCUSDT", *times, *cells]


CONVERSIONS = (
    ("market/sp500_1d.csv.gz", "sp500_1d.csv", sp500),
    ("market/goog_1m.csv.gz", "goog_1m.csv", goog),
    ("book/btcusdt_l10.csv.gz", "book_btcusdt_l10.csv", book),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="directory of the raw files")
    parser.add_argument("target", type=Path, nargs="?", default=TARGET, help="directory to write (default: rpsd/samples)")
    arguments = parser.parse_args()
    for raw, name, convert in CONVERSIONS:
        target = arguments.target / name
        with (
            gzip.open(arguments.source / raw, "rt", encoding="utf-8", newline="") as lines,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            csv.writer(out, lineterminator="\n").writerows(convert(csv.DictReader(lines)))
        print(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {name}")


if __name__ == "__main__":
    main()
