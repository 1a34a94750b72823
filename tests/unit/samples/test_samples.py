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

import pytest

from rpsd import samples
from rpsd.core import market
from rpsd.core.errors import UnknownFile

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
    with samples.path("book_btcusdt_l10").open(encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    assert len(table) == 400
    for row in table:
        bids = [float(row[f"bids[{k}].price"]) for k in range(10)]
        asks = [float(row[f"asks[{k}].price"]) for k in range(10)]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]


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
    header, row = (target / "book_btcusdt_l10.csv").read_text().splitlines()
    assert header.startswith("exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,asks[1]")
    assert row.startswith("binance-futures,BTCUSDT,3,1,20,30,0,10,21,31,1,11,")
