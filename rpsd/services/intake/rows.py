"""What all readers of rows share: the names of the columns, the book of rejected rows, and the order of time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from rpsd.core import market
from rpsd.core.errors import BadRows, BadTime, Fault, InvalidRequest, RpsdError
from rpsd.core.market import MOST_COLUMNS, SECOND_NS, SEQUENCE, Samples, Times, Vector

TIME_NAMES: Final = ("date", "timestamp", "t", "time", "datetime")
KNOWN_NAME: Final = "known_at"
TIME_ROLE, KNOWN_ROLE = -1, -2
"""Roles of the two columns that hold moments; a column of numbers has its position, from 0."""
_MOST_NAMED: Final = 100
_MOST_LISTED: Final = 1000
_LARGEST_SEQUENCE: Final = 2**53
_EARLY_1970: Final = 5_000_000 * SECOND_NS
"""The first 58 days of 1970: where seconds, milliseconds and microseconds land when they are taken for nanoseconds."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The good rows; under on_error=skip also the others as {"row", "reason"}, the first thousand, and how many they were."""

    samples: Samples
    rejected: tuple[dict[str, Any], ...] = ()
    rejected_count: int = 0


@dataclass(slots=True)
class Rejections:
    """The rows that cannot be stored. `layout` is how they came: JSON `columns` or `rows`, counted from 0, or `lines` of a file, from 1.

    on_error=reject keeps faults and gives up at the hundredth; skip keeps {"row", "reason"}.
    """

    layout: Literal["columns", "rows", "lines"]
    skip: bool
    time_name: str = "t"
    count: int = 0
    faults: list[Fault] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    unlisted: int = 0

    @classmethod
    def of(cls, layout: Literal["columns", "rows", "lines"], on_error: str) -> "Rejections":
        """From the words of a request. Raises InvalidRequest unless on_error is reject or skip."""
        if on_error not in ("reject", "skip"):
            raise InvalidRequest(
                f"on_error is reject or skip, not {on_error[:20]!r}", errors=[Fault("/on_error", "expected reject or skip")]
            )
        return cls(layout, on_error == "skip")

    @property
    def word(self) -> str:
        """What a row is called."""
        return "line" if self.layout == "lines" else "row"

    def _pointer(self, row: int, name: str) -> str:
        """JSON pointer to a cell; in a file the line stands first."""
        if self.layout == "columns":
            return f"/{name}/{row}"
        return f"/rows/{row}/{name}" if self.layout == "rows" else f"/{row}/{name}".rstrip("/")

    def add(self, row: int, name: str, reason: str) -> None:
        """Note a bad row by the name of its bad cell. Raises BadRows at the hundredth, unless bad rows are skipped."""
        self.count += 1
        if self.skip:
            if self.count <= _MOST_LISTED:
                self.listed.append({"row": row, "reason": reason})
            elif self.count == _MOST_LISTED + 1:
                self.unlisted = row
            return
        self.faults.append(Fault(self._pointer(row, name), f"{self.word} {row}: {reason}"))
        if self.count >= _MOST_NAMED:
            self.refuse()

    def is_full(self, bad: int) -> bool:
        """Whether so many bad rows of one column settle that the table is refused: no more need be looked at."""
        return not self.skip and bad >= _MOST_NAMED

    def kept(self, reason: str, before: int) -> str:
        """The reason, or one short word for all those that come after the last that is listed: a million reasons would fill the memory."""
        return reason if before < _MOST_LISTED else "unreadable"

    def told(self) -> tuple[dict[str, Any], ...]:
        """The listed rows in their order; when there are more, the last entry says how many."""
        rows = sorted(self.listed, key=lambda one: int(one["row"]))
        if (rest := self.count - _MOST_LISTED) > 0:
            rows.append({"row": self.unlisted, "reason": f"this and {rest - 1} more are not listed"})
        return tuple(rows) if self.skip else ()

    def refuse(self) -> None:
        """Raise BadRows when there is a fault."""
        if self.faults:
            more = f" (and {self.count - 1} more)" if self.count > 1 else ""
            raise BadRows(f"{self.faults[0].reason}{more}; nothing was stored", errors=self.faults)


def roles_of(names: Sequence[str], error: type[RpsdError]) -> tuple[list[int], list[str]]:
    """The role of each named column, and the names of the numeric ones in lower case, spaces as underscores.

    Raises `error` when there is no time column or more than one, a name is malformed or comes twice, or no numbers are left.
    """
    lowered = [name.strip().lower().replace(" ", "_") if name.isascii() else name for name in names]
    times = [name for name in lowered if name in TIME_NAMES]
    if len(times) != 1:
        wanted = f"expected one time column ({', '.join(TIME_NAMES)}), found {', '.join(times) or 'none'} in {', '.join(names)[:120]!r}"
        raise error(wanted, errors=[Fault("/t", wanted)])
    if len(names) > MOST_COLUMNS:
        reason = f"{len(names)} columns; a series holds at most {MOST_COLUMNS}"
        raise error(reason, errors=[Fault("", reason)])
    counts = Counter(lowered)
    roles, columns = [], []
    for name, plain in zip(names, lowered, strict=True):
        if counts[plain] > 1:
            raise error(f"the column {name[:40]!r} comes twice", errors=[Fault(f"/{name[:40]}", "duplicate column")])
        if plain in TIME_NAMES:
            roles.append(TIME_ROLE)
        elif plain == KNOWN_NAME:
            roles.append(KNOWN_ROLE)
        else:
            try:
                columns.append(market.column(plain))
            except BadRows as bad:
                reason = f"{bad.errors[0].reason}; a letter, then letters, digits and underscores, at most 32"
                raise error(f"{name[:40]!r}: {reason}", errors=[Fault(f"/{name[:40]}", reason)]) from bad
            roles.append(len(columns) - 1)
    if not columns:
        raise error("there is no column of numbers", errors=[Fault("", "expected at least one column of numbers beside the time")])
    return roles, columns


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as they came, still in any order: t (n,), columns (n,), known_at (n,) or None, and the number of each row (n,)."""

    t: Times
    columns: dict[str, Vector]
    known_at: Times | None
    numbers: Times


def settled(table: Table, book: Rejections, interval: str) -> Parsed:
    """The rows in strictly increasing time, ticks in that of (time, sequence); one that is not later than those before goes to the book.

    Ticks of one time that come without a column `sequence` get one: 0, 1, 2 … in their order.

    Raises BadRows when bad rows are not skipped, or when no row is left; BadTime when the times are plainly not nanoseconds.
    """
    t = table.t
    if t.size and (np.abs(t) < _EARLY_1970).all() and (t % SECOND_NS != 0).any():
        reason = "all times lie in early 1970: seconds, milliseconds or a date without dashes were meant"
        raise BadTime(reason, errors=[Fault("/t", reason)], hint="Send int64 nanoseconds or ISO 8601; ?date_format=%Y%m%d reads 20240131.")
    latest = np.maximum.accumulate(t) if t.size else t
    if interval == "tick":
        table = _numbered(table)
        out = _out_of_sequence(table)
    else:
        out = dict.fromkeys((np.flatnonzero(t[1:] == latest[:-1]) + 1).tolist(), "duplicate time")
    out |= dict.fromkeys(np.flatnonzero(t < latest).tolist(), "earlier than a row before it; sort the rows by time, oldest first")
    for at in sorted(out):
        book.add(int(table.numbers[at]), "" if book.layout == "lines" else book.time_name, out[at])
    book.refuse()
    kept = np.ones(t.size, np.bool_)
    kept[list(out)] = False
    if not kept.any():
        if book.listed:
            raise BadRows(f"no row can be stored; {book.word} {book.listed[0]['row']}: {book.listed[0]['reason']}")
        raise BadRows("there are no rows", errors=[Fault("", "expected at least one row")])
    if not out:
        return Parsed(Samples(t, table.columns, table.known_at), book.told(), book.count)
    known = None if table.known_at is None else table.known_at[kept]
    columns = {name: values[kept] for name, values in table.columns.items()}
    return Parsed(Samples(t[kept], columns, known), book.told(), book.count)


def _numbered(table: Table) -> Table:
    """Ticks with a column `sequence`: 0, 1, 2 … within each time when they came without one and some share a time."""
    same = np.diff(table.t, prepend=table.t[:1] - 1) == 0
    if SEQUENCE in table.columns or not same.any():
        return table
    rows = np.arange(table.t.size)
    begins = np.maximum.accumulate(np.where(same, 0, rows))
    return replace(table, columns={**table.columns, SEQUENCE: (rows - begins).astype(np.float64)})


def _out_of_sequence(table: Table) -> dict[int, str]:
    """The ticks whose sequence cannot stand, with the reason."""
    if (given := table.columns.get(SEQUENCE)) is None:
        return {}
    sound = (given >= 0) & (given <= _LARGEST_SEQUENCE) & (given == np.floor(given))
    same = np.diff(table.t, prepend=table.t[:1] - 1) == 0
    low = same & (np.diff(given, prepend=np.nan) <= 0)
    out = dict.fromkeys(np.flatnonzero(low).tolist(), "the sequence is not above the one before it at the same time")
    return out | dict.fromkeys(np.flatnonzero(~sound).tolist(), "the sequence is not a whole number from 0 to 2^53")
