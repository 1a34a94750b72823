"""Moments: int64 nanoseconds since 1970-01-01 UTC, read from and written as ISO 8601."""

import re
from datetime import UTC, date, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import BadTime, Fault
from rpsd.core.market import SECOND_NS, Times

FIRST_NS: Final = -2_208_988_800 * SECOND_NS
"""1900-01-01; nothing older is market data."""
LAST_NS: Final = 7_258_118_400 * SECOND_NS
"""2200-01-01."""

_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?\s?(Z|z|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII)


def zone(name: str) -> ZoneInfo:
    """The IANA time zone. Raises BadTime when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"{name[:40]!r} is not an IANA time zone"
        raise BadTime(reason, errors=[Fault("/tz", reason)]) from error


def parse(text: str, tz: ZoneInfo | None = None) -> int:
    """Nanoseconds UTC of an ISO 8601 time with offset, or of a date (its midnight UTC, or in tz when given).

    A time without offset is read in tz. Raises BadTime when it is naive and tz is None, when a naive time does not exist in tz or exists
    twice, and outside 1900 to 2200.
    >>> parse("2025-08-18T13:30:00+00:00")
    1755523800000000000
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise BadTime(f"{text[:40]!r} is not ISO 8601")
    day, clock, fraction, offset = match.groups()
    try:
        if clock is None:
            moment = datetime.combine(date.fromisoformat(day), datetime.min.time(), tz or UTC)
        else:
            moment = datetime.fromisoformat(f"{day}T{clock}" + (offset or "").upper())
    except ValueError as error:
        raise BadTime(f"{text[:40]!r} is not a calendar time") from error
    if moment.tzinfo is None:
        if tz is None:
            raise BadTime(f"{text[:40]!r} has no offset")
        moment = _placed(moment, tz)
    ns = int(moment.timestamp()) * SECOND_NS + int((fraction or "0").ljust(9, "0"))
    return bounded(ns)


def _placed(naive: datetime, tz: ZoneInfo) -> datetime:
    """The naive time in tz. Raises BadTime inside the gap or the fold of a clock change."""
    early, late = naive.replace(tzinfo=tz, fold=0), naive.replace(tzinfo=tz, fold=1)
    if early.utcoffset() != late.utcoffset():
        raise BadTime(f"{naive.isoformat()} is missing or doubled by a clock change in {tz.key}")
    return early


def bounded(ns: int) -> int:
    """The moment itself. Raises BadTime outside 1900 to 2200, where seconds or milliseconds were meant."""
    if not FIRST_NS <= ns <= LAST_NS:
        raise BadTime(f"{ns} ns is not between 1900 and 2200")
    return ns


def text(ns: int) -> str:
    """ISO 8601 with Z, with as many fractional digits (0, 3, 6, 9) as the moment needs.

    >>> text(1755523800000000000)
    '2025-08-18T13:30:00Z'
    """
    seconds, rest = divmod(ns, SECOND_NS)
    stem = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]  # a tenth of the time of strftime
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{stem}.{digits}Z" if digits else f"{stem}Z"


def texts(t: Times) -> list[str]:
    """text() of every element of t (n,), all in the finest unit that any of them needs."""
    if t.size == 0:
        return []
    unit: Literal["s", "ms", "ns"] = "s" if not (t % SECOND_NS).any() else "ms" if not (t % 1_000_000).any() else "ns"
    moments: npt.NDArray[np.datetime64] = t.astype("datetime64[ns]")
    return [f"{stamp}Z" for stamp in np.datetime_as_string(moments, unit=unit).tolist()]
