"""Channels: what a stream can tell of, by name, with the scope that hearing it takes."""

from dataclasses import dataclass
from typing import Final

from rpsd.core import market
from rpsd.core.access_errors import UnknownChannel
from rpsd.core.errors import BadSymbol, Fault

_LONGEST: Final = 80
"""Characters of a channel's name; the longest of the grammar has 46."""


@dataclass(frozen=True, slots=True)
class Family:
    """Channels of one kind. `pattern` is the name with SYMBOL and INTERVAL in place of theirs; `scope` is what hearing them takes."""

    name: str
    pattern: str
    scope: str
    sentence: str

    @property
    def parts(self) -> int:
        """How many names follow the family's own: 0, 1 (symbol) or 2 (symbol, interval)."""
        return self.pattern.count(":")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `name` is its canonical text, as events carry it; symbol and interval are None where its family has none."""

    name: str
    family: Family
    symbol: str | None = None
    interval: str | None = None

    @property
    def scope(self) -> str:
        """The scope that a key needs to hear it."""
        return self.family.scope


CHANNELS: Final = (
    Family("jobs", "jobs", "read", "A run of a job was queued, started, got on, or ended."),
    Family("alerts", "alerts", "read", "An alert was raised or resolved."),
    Family("drift", "drift", "read", "A drift report that matters, and the counts of each scan."),
    Family("models", "models", "read", "A model version came into production, by promotion or by rollback."),
    Family("samples", "samples:SYMBOL:INTERVAL", "read", "Rows of a series were stored: their counts, and the last bar."),
    Family("denoise", "denoise:SYMBOL:INTERVAL", "read", "New values of the live columns of a series."),
    Family("regime", "regime:SYMBOL:INTERVAL", "read", "New rows of the live regimes of a series, as they are served."),
    Family("book", "book:SYMBOL", "read", "The top of an order book after each write, twenty times a second at most."),
    Family("prediction", "prediction:SYMBOL", "predict", "Where the price of a book goes next, by the model that serves, upon new books."),
)
"""Every family of channels; publishers take their names from here by named()."""

_BY_NAME: Final = {family.name: family for family in CHANNELS}


def parse(text: str) -> Channel:
    """The channel of that name; symbols may be in lower case. Raises UnknownChannel.

    >>> parse("regime:aapl:1d").name
    'regime:AAPL:1d'
    """
    head, *rest = text.split(":") if len(text) <= _LONGEST else [text]
    family = _BY_NAME.get(head)
    if family is None or len(rest) != family.parts:
        raise _unknown(text)
    try:
        symbol = market.symbol(rest[0]) if rest else None
        interval = market.interval(rest[1]) if len(rest) > 1 else None
    except BadSymbol as error:
        raise _unknown(text) from error
    return Channel(named(head, *(part for part in (symbol, interval) if part is not None)), family, symbol, interval)


def named(family: str, *parts: str) -> str:
    """The canonical name of a channel; the parts are of their grammars already.

    >>> named("book", "BTC-USDT")
    'book:BTC-USDT'
    """
    return ":".join((family, *parts))


def _unknown(text: str) -> UnknownChannel:
    reason = f"{text[:40]!r} is not a channel; there are {', '.join(family.pattern for family in CHANNELS)}"
    return UnknownChannel(reason, errors=[Fault("/channels", reason)])
