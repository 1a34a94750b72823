"""Make the bundled samples from the raw files: `python scripts/convert_samples.py SOURCE_DIR [TARGET_DIR]`.

SOURCE_DIR holds market/sp500_1d.csv.gz, market/goog_1m.csv.gz and book/btcusdt_{l10,bbo,trades}.csv.gz as
rpsd/samples/PROVENANCE.md describes them. Numbers are copied as text, digit for digit: only headers, times and the order of
columns change. The same source gives the same text, and a test compares the digests in PROVENANCE.md with the files.
"""

import argparse
import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "rpsd" / "samples"
LEVELS = 10
FIRST_COLUMNS = ("exchange", "symbol", "timestamp", "local_timestamp")
FEED = ("binance-futures", "BTCUSDT")

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
    yield [*FIRST_COLUMNS, *names]
    for row in rows:
        cells = [row[f"{side}_{field}_{level}"] for side, level in sides for field in ("px", "sz")]
        yield [*FEED, *_microseconds(row, "exch_ts_ns", "ts_ns"), *cells]


def quotes(rows: Rows) -> Iterator[list[str]]:
    """Best bid and offer in the layout of Tardis' quotes."""
    yield [*FIRST_COLUMNS, "ask_amount", "ask_price", "bid_price", "bid_amount"]
    for row in rows:
        yield [*FEED, *_microseconds(row, "exch_ts_ns", "ts_ns"), *(row[name] for name in ("ask_sz", "ask_px", "bid_px", "bid_sz"))]


def trades(rows: Rows) -> Iterator[list[str]]:
    """Trade prints in the layout of Tardis' trades; the local time stands for the one the raw file lacks."""
    yield [*FIRST_COLUMNS, "id", "side", "price", "amount"]
    for row in rows:
        side = {"1": "buy", "-1": "sell"}[row["side"]]
        yield [*FEED, *_microseconds(row, "ts_ns", "ts_ns"), "", side, row["px"], row["sz"]]


def _microseconds(row: dict[str, str], *names: str) -> list[str]:
    return [str(int(row[name]) // 1000) for name in names]


CONVERSIONS = (
    ("market/sp500_1d.csv.gz", "sp500_1d.csv", sp500),
    ("market/goog_1m.csv.gz", "goog_1m.csv", goog),
    ("book/btcusdt_l10.csv.gz", "btcusdt_l10.csv.gz", book),
    ("book/btcusdt_bbo.csv.gz", "btcusdt_bbo.csv.gz", quotes),
    ("book/btcusdt_trades.csv.gz", "btcusdt_trades.csv.gz", trades),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="directory of the raw files")
    parser.add_argument("target", type=Path, nargs="?", default=TARGET, help="directory to write (default: rpsd/samples)")
    arguments = parser.parse_args()
    for raw, name, convert in CONVERSIONS:
        target = arguments.target / name
        text = io.StringIO(newline="")
        with gzip.open(arguments.source / raw, "rt", encoding="utf-8", newline="") as lines:
            csv.writer(text, lineterminator="\n").writerows(convert(csv.DictReader(lines)))
        whole = text.getvalue().encode()
        target.write_bytes(gzip.compress(whole, mtime=0) if name.endswith(".gz") else whole)
        print(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {name}")


if __name__ == "__main__":
    main()
