"""Prices for the regime models: which column of a series, which rows, and what a caller may send instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadRows, Fault, InvalidRequest, UnknownColumn
from rpsd.core.instant import LAST_NS
from rpsd.core.market import INTERVALS, SECOND_NS, Samples, SeriesInfo, Times, Vector
from rpsd.store import series as rows
from rpsd.store.db import Connection

_PREFERRED: Final[tuple[str, ...]] = ("close", "adj_close", "value", "price")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices (n,) at times t (n,) in ns UTC, none missing; `cells`: further columns (n,) by name, NaN where a cell is missing."""

    t: Times
    values: Vector
    cells: Mapping[str, Vector] = field(default_factory=dict)

    def within(self, start_ns: int, end_ns: int) -> "Prices":
        """Those from start_ns to end_ns, both inclusive."""
        kept = slice(int(np.searchsorted(self.t, start_ns, "left")), int(np.searchsorted(self.t, end_ns, "right")))
        return Prices(self.t[kept], self.values[kept], {name: cells[kept] for name, cells in self.cells.items()})


def column_of(info: SeriesInfo) -> str:
    """The price column of a series. Raises UnknownColumn."""
    return price_column(info.columns, f"{info.symbol} {info.interval}")


def price_column(columns: Sequence[str], owner: str) -> str:
    """close, adj_close, value or price, else the only column. Raises UnknownColumn, which names the owner of the columns."""
    for name in (*_PREFERRED, *(columns if len(columns) == 1 else ())):
        if name in columns:
            return name
    raise UnknownColumn(f"{owner} has no column of prices ({', '.join(_PREFERRED)}); it has {', '.join(columns)}")


def stored_prices(c: Connection, info: SeriesInfo, start_ns: int | None, end_ns: int | None, further: Sequence[str] = ()) -> Prices:
    """Prices of the series from start_ns to end_ns (inclusive) with further columns, without the rows that miss their price.

    Raises UnknownColumn.
    """
    name = column_of(info)
    samples = rows.read(c, info, start_ns=start_ns, end_ns=end_ns, columns=list(dict.fromkeys([name, *further])))
    return prices_of(samples, name, further)


def prices_of(samples: Samples, name: str, further: Sequence[str] = ()) -> Prices:
    """The column `name` as prices with further columns: the last row of each time, without the rows that miss their price."""
    samples = samples.closing()
    there = ~np.isnan(samples.columns[name])
    return Prices(samples.t[there], samples.columns[name][there], {column: samples.columns[column][there] for column in further})


def given_prices(observations: Any, interval: str, start_ns: int, further: Sequence[str] = ()) -> Prices:
    """Prices that a caller sent: (t, prices), {"t": ns, "close": prices} or bare prices, one a bar from start_ns on.

    `further` columns come from the mapping or, after a tuple's prices, from a mapping by name; None and NaN are missing cells.
    Raises InvalidRequest, UnknownColumn, and BadRows as Samples does.
    """
    given: Mapping[str, Any] = {}
    if isinstance(observations, Mapping):
        given, observations = observations, (observations.get("t"), observations.get("close"))
    elif isinstance(observations, tuple) and len(observations) == 3:
        given, observations = {**observations[2], "close": observations[1]}, observations[:2]
    if absent := [name for name in further if name not in given]:
        raise UnknownColumn(f"the observations have no column {', '.join(absent)}")
    try:
        if isinstance(observations, tuple) and len(observations) == 2:
            t, values = np.array(observations[0], np.int64), np.array(observations[1], np.float64)
        elif isinstance(observations, Sequence | np.ndarray):
            values = np.array(observations, np.float64)
            step = INTERVALS[interval] or SECOND_NS
            if start_ns + values.size * step > LAST_NS:
                reason = f"{values.size} bars of {interval} from the start on reach beyond 2200"
                raise InvalidRequest(reason, errors=[Fault("/observations", reason)])
            t = start_ns + np.arange(values.size, dtype=np.int64) * step
        else:
            raise InvalidRequest("observations are not prices", errors=[Fault("/observations", 'expected {"t": [...], "close": [...]}')])
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest("observations are not numbers", errors=[Fault("/observations", "expected numbers")]) from error
    cells = {name: _cells(name, given[name]) for name in further}
    try:
        Samples(t, {"close": values, **{name: column for name, column in cells.items() if name != "close"}})
    except BadRows as error:
        raise BadRows(error.detail, errors=[Fault(f"/observations{fault.pointer}", fault.reason) for fault in error.errors]) from error
    return Prices(t, values, cells)


def _cells(name: str, given: Any) -> Vector:
    """A further column as numbers. Raises InvalidRequest."""
    try:
        return np.array(given, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"{name} is not a list of numbers", errors=[Fault(f"/observations/{name}", "expected numbers")]) from error
