"""One cell of a table, read exactly, or the reason why it cannot be."""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from rpsd.core import instant
from rpsd.core.errors import BadTime, Fault

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}([,' _]\d{3})+(\.\d*)?", re.ASCII)
_SLASHED: Final = re.compile(r"\d{1,4}[/.]\d{1,2}[/.]\d{1,4}.*", re.ASCII)
_YEAR: Final = re.compile(r"%[YyGcx]")
_CLOCK: Final = re.compile(r"%[HIMSXcpT]")
_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_TOO_LARGE: Final = 2**63


class BadCell(Exception):
    """Why a cell cannot be read, in one sentence that says what was expected; the column when the reader knows it."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.column = column


def _shown(cell: object) -> str:
    return repr(cell)[:42]


def number(text: str) -> float:
    """The float of a plain decimal number, NaN for an empty cell. Raises BadCell."""
    stripped = text.strip()
    if not stripped:
        return math.nan
    if _NUMBER.fullmatch(stripped):
        value = float(stripped)
        if math.isinf(value):
            raise BadCell(f"expected a number below 1.8e308, got {_shown(text)}")
        return value
    if _NOT_FINITE.fullmatch(stripped):
        raise BadCell(f"expected a finite number, or an empty cell where the value is missing, got {_shown(text)}")
    if _THOUSANDS.fullmatch(stripped):
        raise BadCell(f"expected a number without thousands separators such as 1234.5, got {_shown(text)}")
    raise BadCell(f"expected a number such as 1234.5, got {_shown(text)}")


def json_number(value: Any) -> float:
    """The float of a JSON value, NaN for null. Raises BadCell for anything but a finite number."""
    if value is None:
        return math.nan
    if type(value) is int:
        if abs(value) >= _TOO_LARGE:
            raise BadCell("expected a number, got an integer of 2^63 or more")
        return float(value)
    if type(value) is not float:
        raise BadCell(f"expected a number or null, got {_KINDS.get(type(value), 'something else')}")
    if not math.isfinite(value):
        raise BadCell(f"expected a finite number, got {value}; send null where the value is missing")
    return value


_KINDS: Final[dict[type, str]] = {str: "text", bool: "true or false", list: "a list", dict: "an object"}


_FORMATS: Final = "Write it as strptime does: %d/%m/%Y, %Y%m%d, %m/%d/%Y %H:%M."


def _fault_of_format(date_format: str) -> str:
    """What is wrong with a strptime format, empty when nothing is."""
    if "%" not in date_format:
        return "names no field"
    if not _YEAR.search(date_format.replace("%%", "")):  # first: newer Pythons warn of a day without a year
        return "names no year"
    try:
        datetime.strptime("", date_format)  # noqa: DTZ007 - only the format is looked at
    except re.error:
        return "names a field twice"
    except ValueError as error:
        if "does not match" not in str(error):
            return "holds an unknown field"
    return ""


@dataclass(frozen=True, slots=True)
class TimeCell:
    """How the cells of a time column are read: `tz` for naive times, `date_format` (strptime) instead of ISO 8601."""

    tz: ZoneInfo | None = None
    date_format: str | None = None

    @classmethod
    def of(cls, tz: str | None, date_format: str | None = None) -> "TimeCell":
        """From the words of a request. Raises BadTime for an unknown zone, or a format without a year, with an unknown or doubled field."""
        if date_format is not None and (fault := _fault_of_format(date_format)):
            reason = f"the date format {date_format[:40]!r} {fault}"
            raise BadTime(reason, errors=[Fault("/date_format", reason)], hint=_FORMATS)
        return cls(None if tz is None else instant.zone(tz), date_format)

    def nanoseconds(self, cell: Any) -> int:
        """Moment of an ISO 8601 text, or of an integer of nanoseconds. Raises BadCell."""
        try:
            if type(cell) is int:
                return instant.bounded(cell)
            if not isinstance(cell, str) or not (text := cell.strip()):
                raise BadCell(
                    f"expected a time, got {'nothing' if cell is None or cell == '' else _KINDS.get(type(cell), 'a number with a point')}"
                )
            if self.date_format is not None:
                return self._formatted(text, self.date_format)
            return instant.bounded(int(text)) if _INTEGER.fullmatch(text) else instant.parse(text, self.tz)
        except BadTime as error:
            raise BadCell(self._explained(cell, error.detail)) from error

    def _formatted(self, text: str, date_format: str) -> int:
        try:
            moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - the zone comes below
        except ValueError as error:
            raise BadCell(f"expected a time of the form {date_format}, got {_shown(text)}") from error
        if moment.tzinfo is not None:
            return instant.parse(moment.isoformat())
        if _CLOCK.search(date_format) is None:
            return instant.parse(moment.date().isoformat(), self.tz)
        return instant.parse(moment.isoformat(), self.tz)

    def _explained(self, cell: Any, reason: str) -> str:
        """The reason with what to send instead."""
        if reason.endswith("has no offset"):
            return f"{reason}; expected one such as Z or -05:00, or name ?tz=America/New_York"
        if isinstance(cell, str) and _SLASHED.fullmatch(cell.strip()):
            wanted = f"expected ISO 8601 such as 2024-01-31, got {_shown(cell)}"
            return f"{wanted}; day and month could be either way round, name ?date_format=%m/%d/%Y or %d/%m/%Y"
        if "ISO 8601" in reason:
            return f"expected ISO 8601 such as 2024-01-31 or 2024-01-31T09:30:00Z, got {_shown(cell)}"
        return reason
