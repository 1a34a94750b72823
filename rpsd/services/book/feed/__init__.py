"""The catalogue of file formats of order books; each reader gives tapes and updates in pieces."""

from collections.abc import Callable
from dataclasses import dataclass

from rpsd.core.errors import Fault, InvalidRequest
from rpsd.services.book.feed.binance import BinanceReader
from rpsd.services.book.feed.lobster import LobsterReader
from rpsd.services.book.feed.reader import Reader, ReaderOptions
from rpsd.services.book.feed.tardis import TardisReader


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its name, how to begin reading it, and what it is."""

    name: str
    reader: Callable[[ReaderOptions], Reader]
    doc: str


FORMATS: tuple[Format, ...] = (
    Format("lobster", LobsterReader, "LOBSTER's message and orderbook files side by side; needs the date"),
    Format("tardis", TardisReader, "CSV files of Tardis: book_snapshot_N, incremental_book_L2, quotes, trades"),
    Format("binance", BinanceReader, "captures of Binance's streams, lines <local ns> <json>: depth, bookTicker, trades, REST snapshots"),
)


def opened(name: str, options: ReaderOptions) -> Reader:
    """A reader of the named format. Raises InvalidRequest, BadTime (LOBSTER without a date)."""
    for one in FORMATS:
        if one.name == name:
            return one.reader(options)
    reason = f"expected one of {', '.join(one.name for one in FORMATS)}, got {name[:30]!r}"
    raise InvalidRequest(f"format: {reason}", errors=[Fault("/query/format", reason)])
