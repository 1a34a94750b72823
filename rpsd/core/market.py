"""Market data: symbols, intervals and the table of samples that every layer passes on."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import BadRows, BadSymbol, Fault

Vector = npt.NDArray[np.float64]
"""Float64 array of one dimension."""
Times = npt.NDArray[np.int64]
"""Int64 array of nanoseconds since 1970-01-01 UTC."""

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
INTERVALS: Final[dict[str, int]] = {
    "tick": 0,
    "1s": SECOND_NS,
    "5s": 5 * SECOND_NS,
    "15s": 15 * SECOND_NS,
    "30s": 30 * SECOND_NS,
    "1m": 60 * SECOND_NS,
    "5m": 300 * SECOND_NS,
    "15m": 900 * SECOND_NS,
    "30m": 1800 * SECOND_NS,
    "1h": 3600 * SECOND_NS,
    "2h": 7200 * SECOND_NS,
    "4h": 14400 * SECOND_NS,
    "1d": DAY_NS,
    "1w": 7 * DAY_NS,
}
"""Interval name -> its length in ns; 0 for ticks."""
SEQUENCE: Final = "sequence"
"""The column that orders rows of the same time; ticks alone may have such rows."""

MOST_COLUMNS: Final = 1000
"""Of one series, its time included."""

_SYMBOL = re.compile(r"[A-Z0-9^][A-Z0-9._=^-]{0,31}")
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED: Final = frozenset({"t", "time", "date", "timestamp", "datetime", "known_at", "available_at", "symbol", "interval", "next"})
"""Names of moments and of what stands beside the columns in an answer: a column of such a name could not be told from it."""


def symbol(text: str, field: str = "symbol") -> str:
    """The symbol in upper case. Raises BadSymbol, which points at the field, unless it is of the grammar.

    >>> symbol("brk.b")
    'BRK.B'
    """
    upper = text.upper() if text.isascii() else text
    if not _SYMBOL.fullmatch(upper):
        reason = f"{text[:40]!r} is not a symbol"
        raise BadSymbol(reason, errors=[Fault(f"/{field}", reason)])
    return upper


def interval(text: str) -> str:
    """The interval itself. Raises BadSymbol unless it is a key of INTERVALS."""
    if text not in INTERVALS:
        reason = f"{text[:40]!r} is not an interval"
        raise BadSymbol(reason, errors=[Fault("/interval", f"{reason}; known are {', '.join(INTERVALS)}")])
    return text


def column(text: str) -> str:
    """The column name in lower case. Raises BadRows unless it is of the grammar and free to be a column.

    >>> column("Close")
    'close'
    """
    lower = text.strip().lower() if text.isascii() else text
    if not _COLUMN.fullmatch(lower):
        raise BadRows(f"{text[:40]!r} is not a column name", errors=[Fault(f"/{text[:40]}", "not a column name")])
    if lower in _RESERVED:
        reason = f"{lower} cannot name a column: answers say something else by it"
        raise BadRows(reason, errors=[Fault(f"/{lower}", reason)])
    return lower


def read_only(array: npt.NDArray[np.generic]) -> None:
    """Seal the array against writing, in place."""
    array.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows of one series: strictly increasing times t (n,) in ns UTC and named float64 columns (n,).

    With a column `sequence` the pairs (t, sequence) increase strictly instead; a missing sequence counts as 0.

    NaN marks a missing cell (null outside); infinity never occurs. `known_at` (n,) in ns UTC tells when each row was known,
    when the sender says so; None means the close of the bar. `available_at` (n,) in ns UTC comes with rows that were read of columns
    which wait for later samples: when the whole row was known. Raises BadRows when an invariant is broken.
    """

    t: Times
    columns: dict[str, Vector]
    known_at: Times | None = None
    available_at: Times | None = None

    def __post_init__(self) -> None:
        n = self.t.size
        for name, values in self.columns.items():
            if values.shape != (n,):
                raise BadRows(
                    f"column {name} has {values.size} values for {n} times",
                    errors=[Fault(f"/{name}", f"{values.size} values for {n} times")],
                )
            if np.isinf(values).any():
                row = int(np.flatnonzero(np.isinf(values))[0])
                raise BadRows(f"column {name} holds infinity", errors=[Fault(f"/{name}/{row}", "not a finite number")])
            read_only(values)
        if self.known_at is not None:
            read_only(self.known_at)
        if n > 1 and not (step := self._steps_on()).all():
            row = int(np.flatnonzero(~step)[0]) + 1
            reason = "duplicate time" if self.t[row] == self.t[row - 1] else "earlier than the row before"
            raise BadRows(f"row {row}: {reason}", errors=[Fault(f"/t/{row}", reason)])
        read_only(self.t)

    def _steps_on(self) -> npt.NDArray[np.bool_]:
        """Whether the key of each row but the first is above the one before."""
        steps = np.diff(self.t)
        on: npt.NDArray[np.bool_] = steps > 0
        if SEQUENCE in self.columns and not on.all():
            on |= (steps == 0) & (np.diff(np.nan_to_num(self.columns[SEQUENCE])) > 0)
        return on

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.t.size)

    def closing(self) -> "Samples":
        """The last row of each time, for what needs one value at a time; the samples themselves when every time is its own."""
        last = np.append(np.diff(self.t) > 0, True)[: self.n]
        if last.all():
            return self
        known = None if self.known_at is None else self.known_at[last]
        return Samples(self.t[last], {name: values[last] for name, values in self.columns.items()}, known)


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What the store knows of a series without reading its samples; times in ns UTC, None when empty."""

    id: int
    symbol: str
    interval: str
    columns: tuple[str, ...]
    unit: str | None
    first_ns: int | None
    last_ns: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class Upsert:
    """How an append went: rows new, rows whose values changed, rows that were there already.

    `last_ns` and `before_ns`: the series' last time now and before; `changed_ns`: the earliest time of a new or changed row.
    """

    inserted: int
    updated: int
    unchanged: int
    last_ns: int | None
    changed_ns: int | None = field(default=None, compare=False)
    before_ns: int | None = field(default=None, compare=False)
