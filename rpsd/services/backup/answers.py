"""What some reads answer, as digests: taken with a backup, and asked again of what was restored from it."""

import hashlib
from typing import Final

from rpsd.core.market import INTERVALS, SECOND_NS, Samples, SeriesInfo
from rpsd.store import listing, series
from rpsd.store.db import Connection

_SERIES: Final = 20
_ROWS: Final = 1000


def answers(c: Connection) -> dict[str, str]:
    """Digests of the latest rows of up to 20 series, spread evenly over the list: {"AAPL 1d": hex}."""
    listed: list[SeriesInfo] = []
    after: tuple[str, str] | None = None
    while page := listing.page(c, after, 1000):
        listed += page
        after = (page[-1].symbol, page[-1].interval)
    chosen = [listed[n * len(listed) // min(_SERIES, len(listed))] for n in range(min(_SERIES, len(listed)))]
    return {f"{info.symbol} {info.interval}": digest(series.read(c, info, start_ns=latest(info))) for info in chosen}


def latest(info: SeriesInfo) -> int | None:
    """Where about the last thousand rows begin (of ticks: the last hour); ns UTC."""
    if info.last_ns is None:
        return None
    return info.last_ns - (3600 * SECOND_NS if info.interval == "tick" else _ROWS * INTERVALS[info.interval])


def digest(samples: Samples) -> str:
    """One text for times and values, to the last bit."""
    found = hashlib.blake2b(samples.t.tobytes(), digest_size=16)
    for name, values in sorted(samples.columns.items()):
        found.update(name.encode() + b"\n" + values.tobytes())
    return found.hexdigest()
