"""Kinds of settings: how a written value (YAML, environment, flag) becomes the value that the code uses."""

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Unfit(Exception):
    """A written value that cannot stand; the message says what was expected. The reader adds the place."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `expects` in words, `parse` from the written value, `verbatim` when environment text is taken as it stands."""

    expects: str
    parse: Callable[[Any], Any]
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of calls in a stretch of time."""

    count: int
    per_seconds: float


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 365.0 * 86_400.0}
_BYTES = {
    "": 1,
    "B": 1,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_RATE_SECONDS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "day": 86_400.0}
_SHORTEST_RETENTION = 86_400.0
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CRON = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    (0, 7, "SUN MON TUE WED THU FRI SAT"),
)
"""Least, most and names of cron's minute, hour, day, month and weekday."""
_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_CLOCK = re.compile(r"(?:(\w+) )?(\d{1,2}):(\d{2})")
_WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "text", list: "a list", dict: "a mapping", type(None): "null"}


def shown(value: Any) -> str:
    """The value's kind for a message; never the value itself, which may be a secret."""
    return _WORDS.get(type(value), type(value).__name__)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(f"expected a number, got {shown(value)}")
    if not math.isfinite(value):
        raise Unfit("expected a finite number, got NaN or infinity")
    return float(value)


def _within(value: float, ge: float | None, le: float | None) -> None:
    if (ge is not None and value < ge) or (le is not None and value > le):
        bounds = f"{ge:g} or more" if le is None else f"{le:g} or less" if ge is None else f"{ge:g} to {le:g}"
        raise Unfit(f"expected {bounds}, got {value:g}")


def integer(ge: int | None = None, le: int | None = None) -> Kind:
    """A whole number within inclusive bounds."""

    def parse(value: Any) -> int:
        if type(value) is not int:
            raise Unfit(f"expected an integer, got {shown(value)}")
        _within(value, ge, le)
        return value

    return Kind("an integer", parse)


def number(ge: float | None = None, le: float | None = None) -> Kind:
    """A finite number within inclusive bounds."""

    def parse(value: Any) -> float:
        found = _number(value)
        _within(found, ge, le)
        return found

    return Kind("a number", parse)


def word(*choices: str) -> Kind:
    """One of the given words."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise Unfit(f"expected one of {', '.join(choices)}, got {str(value)[:40]!r}")
        return str(value)

    return Kind(f"one of {', '.join(choices)}", parse, verbatim=True)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"expected true or false, got {shown(value)}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Unfit(f"expected text, got {shown(value)}")
    return value


def _path(value: Any) -> Path:
    return Path(_text(value)).expanduser()


def _duration(value: Any) -> float:
    if isinstance(value, str) and (match := _MEASURE.fullmatch(value.strip())) and match[2].lower() in _SECONDS:
        return float(match[1]) * _SECONDS[match[2].lower()]
    if isinstance(value, str):
        raise Unfit(f"expected a duration such as 30s, 15m, 24h, 30d or 2y, got {value[:40]!r}")
    seconds = _number(value)
    _within(seconds, 0, None)
    return seconds


def _size(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    match = _MEASURE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2].upper() not in _BYTES:
        raise Unfit("expected a size such as 512MiB or 2GiB, or a number of bytes")
    return int(float(match[1]) * _BYTES[match[2].upper()])


def _rate(value: Any) -> Rate:
    count, _, unit = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not count.strip().isdecimal() or int(count) < 1 or unit.strip() not in _RATE_SECONDS:
        raise Unfit("expected a rate such as 600/min or 20/s")
    return Rate(int(count), _RATE_SECONDS[unit.strip()])


def _is_cron(text: str) -> bool:
    """Whether the text is cron's five fields, each a number, range, list, step or name within its bounds."""
    fields = text.upper().split()
    if len(fields) != len(_CRON):
        return False
    return all(_is_cron_part(part, *bounds) for given, bounds in zip(fields, _CRON, strict=True) for part in given.split(","))


def _is_cron_part(part: str, least: int, most: int, names: str) -> bool:
    """Whether one part of a field is `*`, a value or a range, with or without a step."""
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span == "*":
        return True
    values = [names.split().index(word) + least if word in names.split() else word for word in span.split("-")]
    if len(values) > 2 or not all(isinstance(v, int) or (v.isascii() and v.isdecimal()) for v in values):
        return False
    numbers = [int(v) for v in values]
    return least <= numbers[0] <= numbers[-1] <= most


def _schedule(value: Any) -> str:
    """A time of day, one of a weekday, an interval, or cron's five fields, as the scheduler reads them."""
    if isinstance(value, str) and (match := _CLOCK.fullmatch(value.strip())):
        day = match[1].title() if match[1] else None
        if (day is None or day in _WEEKDAYS) and int(match[2]) < 24 and int(match[3]) < 60:
            clock = f"{int(match[2]):02d}:{match[3]}"
            return f"{day} {clock}" if day else clock
    if isinstance(value, str) and _is_cron(value):
        return value
    try:
        seconds = _duration(value)
    except Unfit:
        seconds = 0.0
    if seconds < 1:
        raise Unfit('expected a time such as "02:00" or "Sun 04:00", an interval such as 15m, or five cron fields')
    if isinstance(value, str) and not value.lower().endswith("ms"):
        return value
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _zone(value: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(_text(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unfit(f"{str(value)[:40]!r} is not an IANA time zone such as UTC or Europe/Berlin") from error


def _items(value: Any) -> list[Any]:
    """A list; text with commas is one, so that the environment can give it plainly."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise Unfit(f"expected a list, got {shown(value)}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _items(value))


def _networks(value: Any) -> tuple[Network, ...]:
    found = []
    for item in _items(value):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError as error:
            raise Unfit(f"{str(item)[:40]!r} is not a network such as 10.0.0.0/8 or 192.168.1.5") from error
    return tuple(found)


def _workers(value: Any) -> int | None:
    if value == "auto":
        return None
    if type(value) is not int or not 1 <= value <= 1024:
        raise Unfit("expected auto or 1 to 1024")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unfit(f"expected a mapping, got {shown(value)}")
    return value


def _retention(value: Any) -> Mapping[str, float]:
    from rpsd.core.market import INTERVALS

    found = {}
    for name, kept in _mapping(value).items():
        if name not in INTERVALS:
            raise Unfit(f"{str(name)[:40]!r} is no interval; expected one of {', '.join(INTERVALS)}")
        found[name] = _duration(kept)
        if found[name] < _SHORTEST_RETENTION:
            raise Unfit(f"{name}: expected a day or more")
    return found


def _thresholds(value: Any) -> tuple[float, ...]:
    found = tuple(_number(item) for item in _items(value))
    if len(found) != 3 or sorted(found) != list(found) or found[0] < 0:
        raise Unfit("expected three rising numbers such as [0.1, 0.2, 0.3]")
    return found


def _scheduler(value: Any) -> str:
    if value != "local" and not re.fullmatch(r"(?:tcp|tls)://[\w.:\[\]-]+:\d+", str(value)):
        raise Unfit("expected local or tcp://host:port")
    return str(value)


def optional(kind: Kind) -> Kind:
    """The kind, or null."""
    return Kind(f"{kind.expects} or null", lambda value: None if value in (None, "", "null") else kind.parse(value), kind.verbatim)


def or_word(allowed: str, kind: Kind) -> Kind:
    """The kind, or a word that stands for one of its values."""

    def parse(value: Any) -> Any:
        if value == allowed:
            return value
        try:
            return kind.parse(value)
        except Unfit as unfit:
            raise Unfit(f"{unfit}; {allowed} is allowed too") from unfit

    return Kind(f"{kind.expects} or {allowed}", parse)


FLAG = Kind("true or false", _flag)
TEXT = Kind("text", _text, verbatim=True)
PATH = Kind("a path", _path, verbatim=True)
DURATION = Kind("a duration", _duration)
SIZE = Kind("a size", _size)
RATE = Kind("a rate", _rate, verbatim=True)
SCHEDULE = Kind("a time of day, an interval, or five cron fields", _schedule, verbatim=True)
ZONE = Kind("a time zone", _zone, verbatim=True)
TEXTS = Kind("a list of texts", _texts)
NETWORKS = Kind("a list of networks", _networks)
WORKERS = Kind("auto or an integer", _workers)
MAPPING = Kind("a mapping", _mapping)
RETENTION = Kind("a mapping of interval to duration", _retention)
THRESHOLDS = Kind("three rising numbers", _thresholds)
SCHEDULER = Kind("local or an address", _scheduler, verbatim=True)
