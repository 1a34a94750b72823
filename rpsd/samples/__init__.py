"""The catalogue of bundled real market data; where it comes from and its licences stand in PROVENANCE.md beside the files."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Tape, fused
from rpsd.core.errors import UnknownFile
from rpsd.core.market import Times

_LEVELS: Final = 10
_MICROSECOND_NS: Final = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """One bundled file: bars are CSV as the contract reads them; books, quotes and trades are CSV in Tardis' layouts, gzipped."""

    name: str
    symbol: str
    interval: str
    file: str
    kind: Literal["bars", "books", "quotes", "trades"]
    unit: str
    licence: str
    origin: str


SAMPLES: tuple[Sample, ...] = (
    Sample("sp500_1d", "^GSPC", "1d", "sp500_1d.csv", "bars", "index points", "NCSA", "the arch package, arch.data.sp500"),
    Sample("goog_1m", "GOOG", "1m", "goog_1m.csv", "bars", "USD", "MIT", "robust-financial-denoiser, examples/goog_1m.csv"),
    Sample("btcusdt_l10", "BTC-USDT", "tick", "btcusdt_l10.csv.gz", "books", "USDT", "MIT", "hftbacktest, examples/usdm"),
    Sample("btcusdt_bbo", "BTC-USDT", "tick", "btcusdt_bbo.csv.gz", "quotes", "USDT", "MIT", "hftbacktest, examples/usdm"),
    Sample("btcusdt_trades", "BTC-USDT", "tick", "btcusdt_trades.csv.gz", "trades", "USDT", "MIT", "hftbacktest, examples/usdm"),
)


def sample(name: str) -> Sample:
    """The catalogue's entry of that name. Raises UnknownFile."""
    for entry in SAMPLES:
        if entry.name == name:
            return entry
    raise UnknownFile(f"no bundled sample is called {name!r}", hint="Samples: " + ", ".join(entry.name for entry in SAMPLES) + ".")


def path(name: str) -> Path:
    """Where the file of the sample `name` lies in the installed package. Raises UnknownFile."""
    return Path(__file__).with_name(sample(name).file)


def book_tapes(stem: str = "btcusdt") -> tuple[Tape, Tape, Tape]:
    """The bundled books of ten levels, best bids and offers, and trades of one capture, each a tape. Raises UnknownFile."""
    table, t, received = _columns(f"{stem}_l10")
    asks, bids = (np.ascontiguousarray(table.reshape(-1, _LEVELS, 2, 2)[:, :, side]) for side in (0, 1))
    books = Tape.of_books(t, bids, asks, np.full((t.size, 2), _LEVELS), received)
    table, t, received = _columns(f"{stem}_bbo")
    quotes = Tape.of_quotes(t, np.ascontiguousarray(table[:, [2, 3, 1, 0]]), received)
    table, t, received = _columns(f"{stem}_trades")
    return books, quotes, Tape.of_trades(t, np.ascontiguousarray(table[:, [2, 3, 1]]), received)


def book_tape(stem: str = "btcusdt") -> Tape:
    """book_tapes, fused by the time of reception. Raises UnknownFile."""
    return fused(list(book_tapes(stem)))


def _columns(name: str) -> tuple[npt.NDArray[np.float64], Times, Times]:
    """The cells (n, c) behind the times, "buy" as 1, "sell" as -1 and nothing as 0; the times in ns."""
    text = gzip.decompress(path(name).read_bytes()).replace(b",,", b",0,").replace(b",buy,", b",1,").replace(b",sell,", b",-1,")
    cells = np.array([line.split(b",")[2:] for line in text.splitlines()[1:]]).astype(np.float64)  # times in us are exact below 2^53
    t, received = (cells[:, column].astype(np.int64) * _MICROSECOND_NS for column in (0, 1))
    return cells[:, 2:], t, received
