"""A CSV file of anyone's, fetched over HTTP: a server of your own, an exchange's download, a bucket."""

from typing import Final
from urllib.parse import quote

from rpsd.core import instant
from rpsd.core.errors import SourceFailed, UnknownSeries
from rpsd.core.market import INTERVALS
from rpsd.core.source import Answer, Ask, Request, Vendor


def request(url: str, ask: Ask) -> Request:
    """{symbol}, {interval}, {start} and {end} (ISO 8601), {start_date} and {end_date} in the address are filled in; a key is a bearer's."""
    filled = {
        "{symbol}": ask.symbol,
        "{interval}": ask.interval,
        "{start}": instant.text(ask.start_ns),
        "{end}": instant.text(ask.end_ns),
        "{start_date}": instant.text(ask.start_ns)[:10],
        "{end_date}": instant.text(ask.end_ns)[:10],
    }
    for word, value in filled.items():
        url = url.replace(word, quote(value, safe=""))
    return Request(url, headers={"authorization": f"Bearer {ask.key}"} if ask.key else {})


def plain(answer: Answer, ask: Ask) -> bytes:
    """The file as it came; a status that says there is none, and a page for people, are named."""
    if answer.status in (400, 404, 410, 422):
        raise UnknownSeries(f"the server has no file of {ask.symbol}: it answered {answer.status}", hint="Compare `url` and `symbols`.")
    if answer.body[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"{")):
        raise SourceFailed("the server answered with a page or JSON, not with CSV")
    return answer.body


HTTP_CSV: Final = Vendor(
    name="http_csv",
    summary="CSV files of any server: a time column and numeric columns, as rpsd imports them.",
    source="https://www.rfc-editor.org/rfc/rfc4180",
    url="",
    intervals=tuple(name for name in INTERVALS if name != "tick"),
    request=request,
    plain=plain,
)
