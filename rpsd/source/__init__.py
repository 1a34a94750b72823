"""Vendors of market data, each a small file that words a question and reads the answer; fetch.py alone speaks HTTP."""

from typing import Final

from rpsd.core.source import Vendor
from rpsd.source.alpha_vantage import ALPHA_VANTAGE
from rpsd.source.binance import BINANCE
from rpsd.source.http_csv import HTTP_CSV
from rpsd.source.stooq import STOOQ
from rpsd.source.yahoo import YAHOO

SOURCES: Final[tuple[Vendor, ...]] = (YAHOO, ALPHA_VANTAGE, STOOQ, HTTP_CSV, BINANCE)


def vendor_of(kind: str) -> Vendor:
    """The vendor of that name. Raises KeyError."""
    return {vendor.name: vendor for vendor in SOURCES}[kind]
