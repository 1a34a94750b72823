"""Columns of JSON cells become times and floats, and the reasons of the rows that cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Times, Vector
from rpsd.services.intake.cell import BadCell, TimeCell, json_number
from rpsd.services.intake.rows import KNOWN_ROLE, TIME_ROLE, Rejections

_MANY: Final = 2000
"""Texts from which the byte parser is worth its call."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows in the order in which they came: t (n,), numbers by name (n,), known (n,) or None, and (name, reason) of each bad row."""

    t: Times
    numbers: dict[str, Vector]
    known: Times | None
    faults: dict[int, tuple[str, str]]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which rows are good (n,)."""
        kept = np.ones(self.t.size, np.bool_)
        kept[list(self.faults)] = False
        return kept

    def numbers_at(self, kept: npt.NDArray[np.bool_]) -> dict[str, Vector]:
        """The numbers of those rows."""
        return {name: values[kept] for name, values in self.numbers.items()} if self.faults else self.numbers

    def known_at(self, kept: npt.NDArray[np.bool_]) -> Times | None:
        """When those rows became known."""
        return None if self.known is None else self.known[kept]


def parsed(cells: Mapping[str, Sequence[Any]], roles: Sequence[int], columns: Sequence[str], cell: TimeCell, book: Rejections) -> Columns:
    """The cells by their names as they came, whose roles and column names rows.roles_of() gave; all of one length n."""
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
    empty = np.all([np.isnan(values) for values in numbers.values()], axis=0)
    for row in np.flatnonzero(empty).tolist():
        faults.setdefault(row, (columns[0], "every cell is missing; a row needs one value"))
    return Columns(moments[TIME_ROLE], numbers, moments.get(KNOWN_ROLE), faults)


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
