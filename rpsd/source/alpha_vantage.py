"""Alpha Vantage: daily bars of shares and funds, with a key."""

from typing import Any, Final

import numpy as np

from rpsd.core import instant
from rpsd.core.errors import BadTime, SourceFailed, UnknownSeries
from rpsd.core.market import DAY_NS, Samples
from rpsd.core.source import Answer, Ask, Request, Vendor
from rpsd.source.reading import BARS, cells, document, table

_COMPACT_NS: Final = 90 * DAY_NS
"""A compact answer holds the latest hundred bars: more than so many days."""
_TABLE: Final = "Time Series (Daily)"
_FIELDS: Final = dict(zip(("1. open", "2. high", "3. low", "4. close", "5. volume"), BARS, strict=True))


def request(url: str, ask: Ask) -> Request:
    """The vendor knows no start: the latest hundred bars, or all there are."""
    size = "compact" if ask.end_ns - ask.start_ns < _COMPACT_NS else "full"
    params = {"function": "TIME_SERIES_DAILY", "symbol": ask.symbol, "outputsize": size, "datatype": "json", "apikey": ask.key}
    return Request(url, params)


def read(answer: Answer, ask: Ask) -> Samples:
    """Prices as traded. The vendor tells its refusals with status 200, each in a member of its own."""
    found = document(answer.body, "alpha_vantage")
    if not isinstance(found, dict):
        raise SourceFailed("alpha_vantage answered with a document of another form")
    for member in ("Note", "Information"):
        if member in found and _TABLE not in found:
            raise SourceFailed(
                f"alpha_vantage refused: {_without(str(found[member]), ask.key)}", hint="Lower rate_limit, or change the plan."
            )
    if "Error Message" in found:
        raise UnknownSeries(f"alpha_vantage has no bars of {ask.symbol}", hint="Compare `symbols` with the vendor's own search.")
    days = found.get(_TABLE)
    if not isinstance(days, dict) or not all(isinstance(row, dict) for row in days.values()):
        raise SourceFailed("alpha_vantage answered without its table")
    try:
        t = np.array([instant.parse(day) for day in days], np.int64)
    except BadTime as error:
        raise SourceFailed(f"alpha_vantage answered with a date that is none: {error.detail}") from error
    rows: list[dict[str, Any]] = list(days.values())
    wanted = (t >= ask.start_ns) & (t <= ask.end_ns)
    columns = {name: cells([row.get(field) for row in rows], "alpha_vantage")[wanted] for field, name in _FIELDS.items()}
    return table(t[wanted], columns, "alpha_vantage")


def _without(text: str, key: str) -> str:
    """The vendor's sentence without the key, which it likes to repeat."""
    return (text.replace(key, "(key)") if key else text)[:200]


ALPHA_VANTAGE: Final = Vendor(
    name="alpha_vantage",
    summary="Daily bars of shares and funds as traded.",
    source="https://www.alphavantage.co/documentation/",
    url="https://www.alphavantage.co/query",
    intervals=("1d",),
    request=request,
    read=read,
    calls=5,
    needs_key=True,
)
