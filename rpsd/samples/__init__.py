"""The catalogue of bundled real market data; where it comes from and its licences stand in PROVENANCE.md beside the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rpsd.core.errors import UnknownFile


@dataclass(frozen=True, slots=True)
class Sample:
    """One bundled file: bars are CSV as the contract reads them, books are CSV in Tardis' book_snapshot layout."""

    name: str
    symbol: str
    interval: str
    file: str
    kind: Literal["bars", "books"]
    unit: str
    licence: str
    origin: str


SAMPLES: tuple[Sample, ...] = (
    Sample("sp500_1d", "^GSPC", "1d", "sp500_1d.csv", "bars", "index points", "NCSA", "the arch package, arch.data.sp500"),
    Sample("goog_1m", "GOOG", "1m", "goog_1m.csv", "bars", "USD", "MIT", "robust-financial-denoiser, examples/goog_1m.csv"),
    Sample("book_btcusdt_l10", "BTC-USDT", "tick", "book_btcusdt_l10.csv", "books", "USDT", "MIT", "hftbacktest, examples/usdm"),
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
