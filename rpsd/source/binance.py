"""Binance: bars of the spot market, a thousand at a time."""

from typing import Any, Final

import numpy as np

from rpsd.core.errors import SourceFailed, UnknownSeries
from rpsd.core.market import Samples
from rpsd.core.source import Answer, Ask, Request, Vendor
from rpsd.source.reading import BARS, cells, document, table

_PAGE: Final = 1000
_MS: Final = 1_000_000
_BAD_SYMBOL: Final = -1121
_INTERVALS: Final = ("1s", "1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w")


def request(url: str, ask: Ask) -> Request:
    """Bars by their open, the earliest first."""
    span = {"startTime": str(-(-ask.start_ns // _MS)), "endTime": str(ask.end_ns // _MS)}
    return Request(url, {"symbol": ask.symbol.upper(), "interval": ask.interval, **span, "limit": str(_PAGE)})


def read(answer: Answer, ask: Ask) -> Samples:
    """Volume is in units of the base asset. A row is [open time in ms, open, high, low, close, volume, …], prices as text."""
    found = document(answer.body, "binance")
    if isinstance(found, dict):
        detail = str(found.get("msg", "no reason given"))[:200]
        if found.get("code") == _BAD_SYMBOL:
            raise UnknownSeries(f"binance has no {ask.symbol}: {detail}", hint="Symbols are written without a separator: BTCUSDT.")
        raise SourceFailed(f"binance refused: {detail}")
    if not isinstance(found, list) or not all(isinstance(row, list) and len(row) > len(BARS) for row in found):
        raise SourceFailed("binance answered with a document of another form")
    rows: list[list[Any]] = found
    if not all(type(row[0]) is int and 0 <= row[0] < 1 << 43 for row in rows):
        raise SourceFailed("binance answered with a time that is not in milliseconds")
    t = np.array([row[0] for row in rows], np.int64) * _MS
    return table(t, {name: cells([row[i + 1] for row in rows], "binance") for i, name in enumerate(BARS)}, "binance")


BINANCE: Final = Vendor(
    name="binance",
    summary="Bars of the spot market of Binance, from a second to a week.",
    source="https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#klinecandlestick-data",
    url="https://api.binance.com/api/v3/klines",
    intervals=_INTERVALS,
    request=request,
    read=read,
    page=_PAGE,
    calls=300,
)
