"""Rows of a JSON request become samples, each bad row named; csv.CsvReader and ndjson.NdjsonReader read files."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadRows, Fault, InvalidRequest
from rpsd.services.intake.cell import TimeCell
from rpsd.services.intake.columns import parsed
from rpsd.services.intake.csv import CsvReader
from rpsd.services.intake.ndjson import NdjsonReader
from rpsd.services.intake.rows import TIME_ROLE, Parsed, Rejections, Table, roles_of, settled

__all__ = ["CsvReader", "NdjsonReader", "Parsed", "from_columns", "from_json", "from_rows"]

_MOST_CELLS: Final = 1 << 24
"""Cells of a table of rows, the missing ones included: rows that differ in their names would unfold without bound."""


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
    found = parsed(cells, roles, columns, cell, book)
    for row in sorted(found.faults):
        book.add(row, *found.faults[row])
    kept = found.kept
    return settled(Table(found.t[kept], found.numbers_at(kept), found.known_at(kept), np.flatnonzero(kept)), book, interval)
