"""The bundled samples are what their provenance says."""

import csv
import gzip
import hashlib
import re
import runpy
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rpsd import samples
from rpsd.core import market
from rpsd.core.errors import UnknownFile
from tests import captures

FOLDER = Path(samples.__file__).parent


@pytest.mark.parametrize("sample", samples.SAMPLES, ids=lambda sample: sample.name)
def test_digest_and_licence_stand_in_the_provenance(sample: samples.Sample) -> None:
    provenance = (FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    row = next(line for line in provenance.splitlines() if line.startswith(f"| {sample.file} "))
    assert hashlib.sha256(samples.path(sample.name).read_bytes()).hexdigest() in row
    assert re.search(rf"^### .*{re.escape(sample.file)}.*{sample.licence}", provenance, re.M)


@pytest.mark.parametrize("sample", samples.SAMPLES, ids=lambda sample: sample.name)
def test_symbol_and_interval_keep_the_grammar(sample: samples.Sample) -> None:
    assert market.symbol(sample.symbol) == sample.symbol
    assert market.interval(sample.interval) == sample.interval


@pytest.mark.parametrize(("name", "rows"), [("sp500_1d", 5031), ("goog_1m", 1946)])
def test_bars_have_ascending_times_and_positive_prices(name: str, rows: int) -> None:
    with samples.path(name).open(encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    times = [datetime.fromisoformat(row["t"]) for row in table]
    assert len(table) == rows
    assert all(before < after for before, after in pairwise(times))
    assert all(float(row["close"]) > 0 for row in table)


def test_books_are_sorted_and_not_crossed() -> None:
    books, quotes, trades = samples.book_tapes()
    assert (books.n, quotes.n, trades.n) == (6547, 66089, 21313)
    assert (np.diff(books.bids[:, :, 0]) < 0).all()
    assert (np.diff(books.asks[:, :, 0]) > 0).all()
    assert (books.bids[:, 0, 0] < books.asks[:, 0, 0]).all()
    assert (quotes.quotes[:, 0] < quotes.quotes[:, 2]).all()
    assert books.bids[0, 1].tolist() == [61800.1, 0.696]
    assert quotes.quotes[1].tolist() == [61800.2, 2.507, 61800.3, 2.504]
    assert (trades.trades[0].tolist(), set(trades.trades[:, 2])) == ([61800.3, 0.006, 1.0], {-1.0, 1.0})


def test_the_tape_is_in_the_order_of_reception() -> None:
    tape = samples.book_tape()
    assert tape.n == 6547 + 66089 + 21313
    assert (np.diff(tape.received) >= 0).all()
    assert (tape.received[0], tape.t[0]) == (1723161255088169000, 1723161256313000000)


def test_the_capture_of_the_tests_is_what_its_provenance_says() -> None:
    provenance = (captures.FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    for file in captures.FOLDER.glob("*.gz"):
        row = next(line for line in provenance.splitlines() if line.startswith(f"| {file.name} "))
        assert hashlib.sha256(file.read_bytes()).hexdigest() in row
    books, quotes, trades = captures.perp_tapes()
    assert (books.n, quotes.n, trades.n) == (44772, 48355, 5235)
    assert (books.bids[:, 0, 0] < books.asks[:, 0, 0]).all()
    assert (quotes.received[0], quotes.t[0]) == (1723161256207640365, 1723161257465000000)


def test_an_unknown_sample_is_named() -> None:
    with pytest.raises(UnknownFile, match="tulips"):
        samples.path("tulips")


def test_conversion_writes_the_contracts_layouts(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "raw", tmp_path / "out"
    target.mkdir()
    levels = [f"{side}_{field}_{k}" for side in ("bid", "ask") for field in ("px", "sz") for k in range(10)]
    raw = {
        "market/sp500_1d.csv.gz": "Date,Open,High,Low,Close,Adj Close,Volume\n1/4/1999,1.10,2,1,1.5,1.5,7\n",
        "market/goog_1m.csv.gz": "timestamp,price\n2025-08-18 13:30:00+00:00,205.0800018310547\n",
        "book/btcusdt_bbo.csv.gz": "ts_ns,exch_ts_ns,bid_px,bid_sz,ask_px,ask_sz\n1999,3000,4,5,6,7\n",
        "book/btcusdt_trades.csv.gz": "ts_ns,px,sz,side\n1999,4,5,-1\n",
        "book/btcusdt_l10.csv.gz": ",".join(["ts_ns", "exch_ts_ns", *levels])
        + "\n"
        + ",".join(["1999", "3000", *map(str, range(40))])
        + "\n",
    }
    for name, text in raw.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(gzip.compress(text.encode()))
    monkeypatch.setattr(sys, "argv", ["convert_samples.py", str(source), str(target)])
    runpy.run_path(str(root / "scripts" / "convert_samples.py"), run_name="__main__")
    assert (target / "sp500_1d.csv").read_text() == "t,open,high,low,close,adj_close,volume\n1999-01-04,1.10,2,1,1.5,1.5,7\n"
    assert (target / "goog_1m.csv").read_text() == "t,close\n2025-08-18T13:30:00Z,205.0800018310547\n"
    header, row = gzip.decompress((target / "btcusdt_l10.csv.gz").read_bytes()).decode().splitlines()
    assert header.startswith("exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,asks[1]")
    assert row.startswith("binance-futures,BTCUSDT,3,1,20,30,0,10,21,31,1,11,")
    assert gzip.decompress((target / "btcusdt_bbo.csv.gz").read_bytes()).endswith(b"\nbinance-futures,BTCUSDT,3,1,7,6,4,5\n")
    assert gzip.decompress((target / "btcusdt_trades.csv.gz").read_bytes()).endswith(b"\nbinance-futures,BTCUSDT,1,1,,sell,4,5\n")
