"""Yahoo Finance: bars of shares, funds, indices, currencies and crypto from its chart service."""

from typing import Any, Final
from urllib.parse import quote

import numpy as np

from rpsd import __version__
from rpsd.core.errors import SourceFailed, UnknownSeries
from rpsd.core.market import SECOND_NS, Samples
from rpsd.core.source import Answer, Ask, Request, Vendor, seconds
from rpsd.source.reading import BARS, cells, document, local_days, table

_WORDS: Final = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "60m", "1d": "1d", "1w": "1wk"}
_BY_DAY: Final = ("1d", "1w")


def request(url: str, ask: Ask) -> Request:
    """The end is exclusive there. Callers without a user agent of a browser's form are turned away with 429."""
    params = {"period1": str(seconds(ask.start_ns)), "period2": str(seconds(ask.end_ns) + 1), "interval": _WORDS[ask.interval]}
    agent = f"Mozilla/5.0 (compatible; rpsd/{__version__})"
    return Request(f"{url.rstrip('/')}/{quote(ask.symbol, safe='')}", params, {"user-agent": agent})


def read(answer: Answer, ask: Ask) -> Samples:
    """Prices are adjusted for splits, not for dividends: those would change the whole past with each payment."""
    chart = _within(document(answer.body, "yahoo"), "chart")
    if error := chart.get("error"):
        detail = str(error.get("description", "no reason given"))[:200] if isinstance(error, dict) else "no reason given"
        if answer.status in (400, 404, 422):
            raise UnknownSeries(f"yahoo has no bars of {ask.symbol}: {detail}", hint="Compare `symbols` with the vendor's own search.")
        raise SourceFailed(f"yahoo refused: {detail}")
    results = chart.get("result")
    if not isinstance(results, list) or not results:
        raise SourceFailed("yahoo answered without a result")
    found = _within(results[0])
    times = found.get("timestamp") or []  # no key at all when there is no bar in that time
    quotes = _within(found.get("indicators")).get("quote") or [{}]
    t = cells(times, "yahoo")
    if np.isnan(t).any() or (np.abs(t) > 1e11).any():
        raise SourceFailed("yahoo answered with a time that is none")
    t_ns = t.astype(np.int64) * SECOND_NS
    if ask.interval in _BY_DAY:
        t_ns = local_days(t_ns, int(cells([_within(found.get("meta")).get("gmtoffset", 0)], "yahoo")[0]) * SECOND_NS)
    first = _within(quotes[0])
    columns = {name: cells(first.get(name) or [None] * t.size, "yahoo") for name in BARS}
    return table(t_ns, columns, "yahoo")


def _within(value: Any, key: str | None = None) -> dict[str, Any]:
    """The mapping itself, or the one below a key. Raises SourceFailed when there is none."""
    if key is not None:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        raise SourceFailed("yahoo answered with a document of another form")
    return value


YAHOO: Final = Vendor(
    name="yahoo",
    summary="Bars of shares, funds, indices, currencies and crypto; split-adjusted. Not an offered service: it may turn callers away.",
    source="https://finance.yahoo.com",
    url="https://query1.finance.yahoo.com/v8/finance/chart",
    intervals=tuple(_WORDS),
    request=request,
    read=read,
    reach={"1m": 7, "5m": 59, "15m": 59, "30m": 59, "1h": 729},
    calls=30,
)
