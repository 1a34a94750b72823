"""Stored series as the carrier reaches them: over its socket."""

from typing import Any

import numpy as np

from rpsd.client import Client
from rpsd.core import instant
from rpsd.core.errors import UnknownSeries
from rpsd.core.market import Samples, SeriesInfo


class DistantSeries:
    """require(), read() and append() as those of SeriesService. What series there are is asked once for each errand: see renew()."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], SeriesInfo] = {}

    def renew(self) -> None:
        """Ask anew what series there are; a request for each thousand of them."""
        self._known = {(one["symbol"], one["interval"]): _info(one) for one in self._client.series()}

    def require(self, symbol: str, interval: str) -> SeriesInfo:
        """What is known of the series as of renew(). Raises UnknownSeries."""
        found = self._known.get((symbol, interval))
        if found is None:
            raise UnknownSeries(f"there is no series {symbol} {interval}")
        return found

    def read(self, symbol: str, interval: str, *, start_ns: int, end_ns: int, columns: list[str]) -> Samples:
        """Rows from start_ns to end_ns, both inclusive; NaN where a cell is missing."""
        wanted = {
            "start": instant.text(start_ns),
            "end": instant.text(end_ns),
            "columns": ",".join(columns),
            "limit": 1_000_000,
            "time": "ns",
        }
        found = self._client.samples(symbol, interval, **wanted)
        cells = {name: np.array([np.nan if cell is None else cell for cell in found[name]], np.float64) for name in columns}
        return Samples(np.array(found["t"], np.int64), cells)

    def append(self, symbol: str, interval: str, samples: Samples, *, by: str = "") -> dict[str, Any]:  # noqa: ARG002 - as there
        """Store the rows; {"inserted", "updated", …}. The audit names the carrier, not `by`. Raises BadRows."""
        columns: dict[str, list[Any]] = {"t": samples.t.tolist()}
        for name, values in samples.columns.items():
            columns[name] = [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN alone is not itself
        if samples.known_at is not None:
            columns["known_at"] = samples.known_at.tolist()
        return self._client.append(symbol, interval, columns)


def _info(told: dict[str, Any]) -> SeriesInfo:
    first, last = (None if told[name] is None else instant.parse(told[name]) for name in ("first", "last"))
    return SeriesInfo(0, told["symbol"], told["interval"], tuple(told["columns"]), told["unit"], first, last, told["rows"])
