"""Rows of a JSON request become samples, each bad row named; CSV files are read by csv.CsvReader."""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadRows, Fault, InvalidRequest
from rpsd.core.market import Times, Vector
from rpsd.services.cell import BadCell, TimeCell, json_number
from rpsd.services.csv import CsvReader
from rpsd.services.rows import KNOWN_ROLE, TIME_ROLE, Parsed, Rejections, Table, roles_of, settled

__all__ = ["CsvReader", "Parsed", "from_columns", "from_json", "from_rows"]

_MOST_CELLS: Final = 1 << 24
"""Cells of a table of rows, the missing ones included: rows that differ in their names would unfold without bound."""
_MANY: Final = 2000
"""Texts from which the byte parser is worth its call."""


def from_json(obj: Any, interval: str, *, tz: str | None = None, date_format: str | None = None, on_error: str = "reject") -> Parsed:
    """Samples of `{"rows": [...]}` or of columns `{"t": [...], ...}`. Raises as from_columns does."""
    if isinstance(obj, Mapping) and set(obj) == {"rows"}:
        return from_rows(obj["rows"], interval, tz=tz, date_format=date_format, on_error=on_error)
    if not isinstance(obj, Mapping):
        raise InvalidRequest('the body is neither {"t": [...], ...} nor {"rows": [...]}', errors=[Fault("", "expected an object")])
    return from_columns(obj, interval, tz=tz, date_format=date_format, on_error=on_error)


def from_columns(
    obj: Mapping[str, Any], interval: str, *, tz: str | None = None, date_format: str | None = None, on_error: str = "reject"
) -> Parsed:
    """Samples of `{"t": [...], "close": [...]}`: ISO 8601 texts or int64 ns, numbers, null where a cell is missing.

    `tz` reads naive times, `date_format` (strptime) takes the place of ISO 8601.
    Raises InvalidRequest (no time column, not lists), BadRows (cells, lengths, order), BadTime.
    """
    book, cell = Rejections.of("columns", on_error), TimeCell.of(tz, date_format)
    names = [str(name) for name in obj]
    roles, columns = roles_of(names, InvalidRequest)
    for name in names:
        if not isinstance(obj[name], list | tuple):
            raise InvalidRequest(f"/{name}: expected a list", errors=[Fault(f"/{name}", "expected a list")])
    n = len(obj[names[roles.index(TIME_ROLE)]])
    for name in names:
        if len(obj[name]) != n:
            reason = f"{len(obj[name])} values for {n} times"
            raise BadRows(f"column {name} has {reason}", errors=[Fault(f"/{name}", reason)])
    return _assembled({name: obj[name] for name in names}, roles, columns, (cell, book, interval))


def from_rows(rows: Any, interval: str, *, tz: str | None = None, date_format: str | None = None, on_error: str = "reject") -> Parsed:
    """Samples of `[{"t": ..., "close": ...}, ...]`; a key that a row lacks is a missing cell. Raises as from_columns does."""
    if not isinstance(rows, list | tuple):
        raise InvalidRequest("/rows: expected a list", errors=[Fault("/rows", "expected a list")])
    if not rows:
        raise BadRows("there are no rows", errors=[Fault("/rows", "expected at least one row")])
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidRequest(f"/rows/{number}: expected an object", errors=[Fault(f"/rows/{number}", "expected an object")])
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    roles, columns = roles_of(names, InvalidRequest)
    if len(names) * len(rows) > _MOST_CELLS:
        reason = f"{len(rows)} rows with {len(names)} columns between them"
        raise BadRows(
            f"{reason} are too many cells at once", errors=[Fault("/rows", reason)], hint="Send columns, or fewer rows at a time."
        )
    cells = {name: [row.get(name) for row in rows] for name in names}
    return _assembled(cells, roles, columns, (TimeCell.of(tz, date_format), Rejections.of("rows", on_error), interval))


def _assembled(cells: Mapping[str, Sequence[Any]], roles: list[int], columns: list[str], how: tuple[TimeCell, Rejections, str]) -> Parsed:
    """Parse every column, drop or refuse the bad rows, and settle the rest."""
    cell, book, interval = how
    book.time_name = list(cells)[roles.index(TIME_ROLE)]
    faults: dict[int, tuple[str, str]] = {}
    moments: dict[int, Times] = {}
    numbers: dict[str, Vector] = {}
    for (name, values), role in zip(cells.items(), roles, strict=True):
        if role < 0:
            moments[role], bad = _moments(values, cell, book)
        else:
            numbers[columns[role]], bad = _numbers(values, book)
        for row, reason in bad.items():
            faults.setdefault(row, (name, reason))
    t, known = moments[TIME_ROLE], moments.get(KNOWN_ROLE)
    empty = np.all([np.isnan(values) for values in numbers.values()], axis=0)
    for row in np.flatnonzero(empty).tolist():
        faults.setdefault(row, (columns[0], "every cell is missing; a row needs one value"))
    for row in sorted(faults):
        book.add(row, *faults[row])
    kept = np.ones(t.size, np.bool_)
    kept[list(faults)] = False
    order = np.flatnonzero(kept)
    if faults:
        t, known = t[kept], None if known is None else known[kept]
        numbers = {name: values[kept] for name, values in numbers.items()}
    return settled(Table(t, numbers, known, order), book, interval)


def _numbers(values: Sequence[Any], book: Rejections) -> tuple[Vector, dict[int, str]]:
    """The floats of a JSON list and the reasons of the bad ones by row."""
    if set(map(type, values)) <= {float, NoneType}:
        found = np.array([np.nan if v is None else v for v in values] if None in values else values, np.float64)
        doubtful = [row for row in np.flatnonzero(~np.isfinite(found)).tolist() if values[row] is not None]
    else:
        found, doubtful = np.full(len(values), np.nan), list(range(len(values)))
    bad: dict[int, str] = {}
    for row in doubtful:
        try:
            found[row] = json_number(values[row])
        except BadCell as error:
            found[row], bad[row] = np.nan, book.kept(str(error), len(bad))
            if book.is_full(len(bad)):
                break
    return found, bad


def _moments(values: Sequence[Any], cell: TimeCell, book: Rejections) -> tuple[Times, dict[int, str]]:
    """The ns UTC of a JSON list and the reasons of the bad ones by row."""
    found, doubtful = np.zeros(len(values), np.int64), list(range(len(values)))
    if len(values) >= _MANY and cell.date_format is None and set(map(type, values)) == {str}:
        found, doubtful = _parsed_bytes(values, utc_dates=cell.tz is None)
    bad: dict[int, str] = {}
    for row in doubtful:
        try:
            found[row] = cell.nanoseconds(values[row])
        except BadCell as error:
            bad[row] = book.kept(str(error), len(bad))
            if book.is_full(len(bad)):
                break
    return found, bad


def _parsed_bytes(texts: Sequence[str], *, utc_dates: bool) -> tuple[Times, list[int]]:
    """Many times at once by the byte parser, and the rows that it leaves to the exact reader."""
    from rpsd.kernels import csv  # numerics wait for the warm-up

    n = len(texts)
    if any("\n" in text or not text for text in texts):
        return np.zeros(n, np.int64), list(range(n))
    data = np.frombuffer("".join([f"{text},0\n" for text in texts]).encode("utf-8", "replace"), np.uint8)
    times, lines = np.zeros((2, n), np.int64), np.zeros((n, 4), np.int64)
    csv.parse(data, np.array([csv.TIME, 0]), utc_dates, (times, np.empty((1, n)), lines))
    return times[0], np.flatnonzero(lines[:, 0] == 0).tolist()
