"""Comma-separated rows: bytes to times and numbers, with every doubtful row left to the exact path in Python."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core import instant
from rpsd.core.errors import BadTime
from rpsd.core.market import DAY_NS, SECOND_NS, Times
from rpsd.kernels.jit import kernel

Bytes = npt.NDArray[Any]
"""Uint8 array of one dimension."""
Buffers = tuple[Times, npt.NDArray[np.float64], Times]
Words = npt.NDArray[np.uint64]

TIME: Final = -1
"""Role of the field that holds the row's time."""
KNOWN: Final = -2
"""Role of the field that tells when the row was known."""
EXACT: Final = -3
"""Role of a field that only the exact path can read; it flags every row."""

_FIRST, _LAST = instant.FIRST_NS, instant.LAST_NS
_NEWLINE, _RETURN, _QUOTE, _COMMA, _PLUS, _MINUS, _POINT, _COLON = (ord(c) for c in '\n\r",+-.:')
_REACH: Final = 80
"""Powers of ten from -80 to 80 are tabled; no price or size needs more."""


def reference(line: bytes, roles: Sequence[int], utc_dates: bool = True) -> tuple[dict[int, int], dict[int, float]] | None:
    """One line by Python's own readers: times by role, numbers by column; None where the exact path has to explain.

    >>> reference(b"2024-01-02,1.5", [TIME, 0])
    ({-1: 1704153600000000000}, {0: 1.5})
    """
    fields = line.decode("ascii", "replace").split(",")
    times: dict[int, int] = {}
    numbers: dict[int, float] = {}
    if len(fields) != len(roles) or '"' in line.decode("ascii", "replace"):
        return None
    try:
        for role, field in zip(roles, fields, strict=True):
            if role >= 0:
                numbers[role] = float(field) if field else math.nan
            elif field.lstrip("-").isdigit():
                times[role] = instant.bounded(int(field))
            elif utc_dates or len(field) > 10:
                times[role] = instant.parse(field)
    except (ValueError, BadTime):
        return None
    return times, numbers


def _leading_word(exponent: int) -> int:
    """The 64 leading bits of 10^exponent, cut off."""
    power = 10 ** abs(exponent)
    value: int = power << 64 if exponent >= 0 else (1 << (power.bit_length() + 64)) // power
    return value >> (value.bit_length() - 64)


_WORDS: Words = np.array([_leading_word(e) for e in range(-_REACH, _REACH + 1)], np.uint64)
_TENS = np.array([10.0**e for e in range(23)])  # all exact
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_LOW, _32, _1, _9, _64 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(1), np.uint64(9), np.uint64(64)
_NINE_BITS = np.uint64(0x1FF)
_EXACT_INTEGERS = np.uint64(2**53)


@kernel
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """High and low word of a b."""
    a1, a0, b1, b0 = a >> _32, a & _LOW, b >> _32, b & _LOW
    low = a0 * b0
    middle = a1 * b0 + (low >> _32)
    cross = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _32) + (cross >> _32), (cross << _32) | (low & _LOW)


@kernel
def _nearest(mantissa: np.uint64, exponent: int) -> tuple[bool, float]:
    """The float64 nearest to mantissa * 10^exponent, correctly rounded; False where that cannot be told cheaply.

    Source: Clinger (1990), PLDI, fast path; Lemire (2021), Softw. Pract. Exper. 51, 1700-1727, with one word of the power.
    """
    if mantissa <= _EXACT_INTEGERS and -22 <= exponent <= 22:
        whole = float(mantissa)
        return True, whole * _TENS[exponent] if exponent >= 0 else whole / _TENS[-exponent]
    if exponent < -_REACH or exponent > _REACH:
        return False, 0.0
    binary = ((217706 * exponent) >> 16) + 64  # floor(log2 10^exponent) + 64
    while mantissa >> np.uint64(63) == np.uint64(0):
        mantissa <<= _1
        binary -= 1
    high, low = _product(mantissa, _WORDS[exponent + _REACH])
    if high & _NINE_BITS == _NINE_BITS and low + mantissa < mantissa:
        return False, 0.0  # the bits cut off the power could carry into the result
    top = high >> np.uint64(63)
    significand = high >> (top + _9)  # 54 bits, the last one decides the rounding
    if low == np.uint64(0) and high & _NINE_BITS == np.uint64(0) and significand & np.uint64(3) == _1:
        return False, 0.0  # half-way
    significand = (significand + (significand & _1)) >> _1
    return True, math.ldexp(float(significand), binary - 53 + int(np.int64(top)))


@kernel
def _exponent(data: Bytes, at: int, stop: int) -> tuple[bool, int]:
    """The integer after an e, at most three digits."""
    negative = at < stop and data[at] == _MINUS
    if at < stop and (negative or data[at] == _PLUS):
        at += 1
    if not 1 <= stop - at <= 3:
        return False, 0
    total = 0
    for i in range(at, stop):
        digit = data[i] - 48
        if digit < 0 or digit > 9:
            return False, 0
        total = total * 10 + digit
    return True, -total if negative else total


@kernel
def _number(data: Bytes, at: int, stop: int) -> tuple[bool, float]:
    """The decimal number in data[at:stop], equal to Python's float() bit by bit; False when in doubt."""
    negative = data[at] == _MINUS
    if negative or data[at] == _PLUS:
        at += 1
    mantissa, digits, exponent = np.uint64(0), 0, 0
    seen, point = False, False
    while at < stop:
        digit = data[at] - 48
        if 0 <= digit <= 9:
            seen = True
            mantissa = mantissa * np.uint64(10) + np.uint64(digit)
            digits += 1 if mantissa != np.uint64(0) else 0
            exponent -= 1 if point else 0
        elif data[at] == _POINT and not point:
            point = True
        else:
            break
        at += 1
    if not seen or digits > 19:  # 19 digits fit 64 bits
        return False, 0.0
    if at < stop:
        understood, power = _exponent(data, at + 1, stop)
        if not understood or (data[at] | 32) != 101:  # e or E
            return False, 0.0
        exponent += power
    rounded, value = (True, 0.0) if mantissa == np.uint64(0) else _nearest(mantissa, exponent)
    return rounded, -value if negative else value


@kernel
def _pair(data: Bytes, at: int) -> int:
    """The two digits at `at`, or a large negative number."""
    ten, one = data[at] - 48, data[at + 1] - 48
    return ten * 10 + one if 0 <= ten <= 9 and 0 <= one <= 9 else -1_000_000


@kernel
def _midnight(data: Bytes, at: int) -> int:
    """Days since 1970 of YYYY-MM-DD, or -1,000,000. Source: Hinnant, chrono-compatible low-level date algorithms."""
    year, month, day = _pair(data, at) * 100 + _pair(data, at + 2), _pair(data, at + 5), _pair(data, at + 8)
    if year < 1800 or year > 2250 or month < 1 or month > 12 or data[at + 4] != _MINUS or data[at + 7] != _MINUS:
        return -1_000_000
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day < 1 or day > _MONTH_DAYS[month] + (1 if leap else 0):
        return -1_000_000
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days: int = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days


@kernel
def _offset(data: Bytes, at: int, stop: int) -> tuple[bool, int]:
    """Seconds east of UTC of Z, ±hh, ±hhmm or ±hh:mm."""
    length = stop - at
    if length == 1 and (data[at] | 32) == 122:  # z or Z
        return True, 0
    if length not in (3, 5, 6) or (data[at] != _PLUS and data[at] != _MINUS) or (length == 6 and data[at + 3] != _COLON):
        return False, 0
    hours, minutes = _pair(data, at + 1), 0 if length == 3 else _pair(data, stop - 2)
    seconds = hours * 3600 + minutes * 60
    return 0 <= hours <= 23 and 0 <= minutes <= 59, -seconds if data[at] == _MINUS else seconds


@kernel
def _clock(data: Bytes, at: int, stop: int) -> tuple[bool, int]:
    """Nanoseconds after midnight UTC of hh:mm[:ss[.fraction]] with its offset; False when in doubt."""
    if stop - at < 6 or data[at + 2] != _COLON:
        return False, 0
    hour, minute, second, fraction = _pair(data, at), _pair(data, at + 3), 0, 0
    at += 5
    if data[at] == _COLON and stop - at >= 3:
        second = _pair(data, at + 1)
        at += 3
        if at < stop and data[at] == _POINT:
            at, unit = at + 1, SECOND_NS
            while at < stop and 48 <= data[at] <= 57 and unit > 1:
                unit //= 10
                fraction += (data[at] - 48) * unit
                at += 1
            if unit == SECOND_NS:
                return False, 0
    understood, east = _offset(data, at, stop)
    inside = 0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59
    return understood and inside, (hour * 3600 + minute * 60 + second - east) * SECOND_NS + fraction


@kernel
def _moment(data: Bytes, at: int, stop: int, utc_dates: bool) -> tuple[bool, int]:
    """Nanoseconds UTC of data[at:stop]: an integer of ns, a date, or an ISO 8601 time with offset; False when in doubt."""
    if stop - at >= 10 and data[at + 4] == _MINUS:
        days, length = _midnight(data, at), stop - at
        if days == -1_000_000 or (length == 10 and not utc_dates):
            return False, 0
        understood, rest = True, 0
        if length > 10:
            understood, rest = _clock(data, at + 11, stop)
            understood = understood and (data[at + 10] == 84 or data[at + 10] == 32)  # T or a space
        ns = days * DAY_NS + rest
        return understood and _FIRST <= ns <= _LAST, ns
    negative = data[at] == _MINUS
    at += 1 if negative else 0
    if not 1 <= stop - at <= 19:
        return False, 0
    total = np.uint64(0)
    for i in range(at, stop):
        digit = data[i] - 48
        if digit < 0 or digit > 9:
            return False, 0
        total = total * np.uint64(10) + np.uint64(digit)
    if total > np.uint64(_LAST):
        return False, 0
    whole = int(np.int64(total))
    ns = -whole if negative else whole
    return ns >= _FIRST, ns


@kernel
def _fields(data: Bytes, row: int, roles: Times, utc_dates: bool, out: Buffers) -> bool:
    """Fill one row from its bytes; False when anything in it is in doubt."""
    times, cells, lines = out
    at, stop = lines[row, 1], lines[row, 2]
    filled, field = 0, 0
    while field < roles.size:
        end = at if field + 1 < roles.size else stop  # a comma or quote too many in the last field makes it no number
        while end < stop and data[end] != _COMMA:
            if data[end] == _QUOTE:
                return False
            end += 1
        role, understood = roles[field], True
        if role >= 0:
            cells[role, row] = math.nan
            if end > at:
                understood, cells[role, row] = _number(data, at, end)
                filled += 1
        else:
            understood = role != EXACT and end > at
            if understood:
                understood, times[-role - 1, row] = _moment(data, at, end, utc_dates)
        if not understood:
            return False
        at, field = end + 1, field + 1
        if end == stop:
            break
    return field == roles.size and at == stop + 1 and filled > 0


@kernel
def parse(data: Bytes, roles: Times, utc_dates: bool, out: Buffers) -> tuple[int, int, int]:
    """Rows of all complete lines in data (b,), one role a field; O(b).

    Fills out = times (2, m): ns UTC of the row and when it was known; cells (c, m): NaN for an empty field; lines (m, 4): 1 when the row
    is understood, else 0, its first byte, the byte after its last, and its line counted from 0. Blank lines are counted and skipped.
    Returns rows filled, bytes read, lines read; stops early when m rows are full. A row that is not understood is for the exact path.
    """
    lines = out[2]
    at = row = line = 0
    while at < data.size and row < lines.shape[0]:
        stop = at
        while stop < data.size and data[stop] != _NEWLINE:
            stop += 1
        if stop == data.size:
            break
        end = stop - 1 if stop > at and data[stop - 1] == _RETURN else stop
        if end > at:
            lines[row, 1], lines[row, 2], lines[row, 3] = at, end, line
            lines[row, 0] = 1 if _fields(data, row, roles, utc_dates, out) else 0
            row += 1
        at, line = stop + 1, line + 1
    return row, at, line


def warm() -> None:
    """Compile or load the parser for the read-only bytes that it meets."""
    out = (np.zeros((2, 1), np.int64), np.zeros((1, 1)), np.zeros((1, 4), np.int64))
    parse(np.frombuffer(b"2024-01-02T00:00Z,1.5\n", np.uint8), np.array([TIME, 0]), True, out)
