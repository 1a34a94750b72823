"""Stooq: daily bars of shares, indices, currencies and commodities as CSV."""

from typing import Final

from rpsd.core import instant
from rpsd.core.errors import SourceFailed, UnknownSeries
from rpsd.core.source import Answer, Ask, Request, Vendor

_HEADER: Final = b"date,open,high,low,close"


def request(url: str, ask: Ask) -> Request:
    """Dates are inclusive days; the key is sent only when there is one."""
    days = {"d1": _day(ask.start_ns), "d2": _day(ask.end_ns)}
    return Request(url, {"s": ask.symbol.lower(), **days, "i": "d"} | ({"apikey": ask.key} if ask.key else {}))


def plain(answer: Answer, ask: Ask) -> bytes:
    """The CSV. Stooq answers refusals with status 200 and a sentence in plain text."""
    head = answer.body[:200].lstrip(b"\xef\xbb\xbf \r\n").lower()
    if head.startswith(_HEADER):
        return answer.body
    if head.startswith(b"no data"):
        raise UnknownSeries(f"stooq has no bars of {ask.symbol} in that time", hint="Symbols carry their market: aapl.us, eurusd, ^spx.")
    if b"exceeded" in head:
        raise SourceFailed("stooq: the day's limit of calls is used up", hint="It is renewed at midnight there; lower rate_limit.")
    raise SourceFailed("stooq answered with something that is not its table", hint="It may ask for a key now: set key_file.")


def _day(ns: int) -> str:
    return instant.text(ns)[:10].replace("-", "")


STOOQ: Final = Vendor(
    name="stooq",
    summary="Daily bars of shares, indices, currencies and commodities.",
    source="https://stooq.com/db/h/",
    url="https://stooq.com/q/d/l/",
    intervals=("1d",),
    request=request,
    plain=plain,
    calls=20,
)
