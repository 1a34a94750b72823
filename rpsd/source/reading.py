"""What the vendors' JSON has in common: documents that are none, rows that miss cells, labels by the local day."""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import RpsdError, SourceFailed
from rpsd.core.market import DAY_NS, Samples, Times, Vector

BARS: Final = ("open", "high", "low", "close", "volume")
_DEEPEST: Final = 1_000_000
"""Rows of one answer at most."""


def document(body: bytes, vendor: str) -> Any:
    """The body as JSON. Raises SourceFailed when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceFailed(f"{vendor} answered with something that is not JSON: {_excerpt(body)}") from error


def cells(values: Sequence[Any], vendor: str) -> Vector:
    """Numbers (n,), also written as text; null and what is not finite becomes NaN. Raises SourceFailed for anything else."""
    if len(values) > _DEEPEST:
        raise SourceFailed(f"{vendor} answered with {len(values)} rows")
    try:
        found = np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise SourceFailed(f"{vendor} answered with a cell that is not a number") from error
    found[~np.isfinite(found)] = np.nan
    return found


def table(t: Times, columns: dict[str, Vector], vendor: str) -> Samples:
    """Bars by time, the last of those with one label (n <= rows); a row without its close is left out. Raises SourceFailed."""
    try:
        order = np.argsort(t, kind="stable")
        last = np.append(np.diff(t[order]) > 0, True)[: t.size]  # a vendor repeats the bar that is still open
        kept = order[last]
        kept = kept[~np.isnan(columns["close"][kept])]
        return Samples(t[kept], {name: values[kept] for name, values in columns.items() if not np.isnan(values[kept]).all()})
    except (RpsdError, IndexError) as error:
        detail = error.detail if isinstance(error, RpsdError) else "its columns are not of one length"
        raise SourceFailed(f"{vendor} answered with a table that cannot be read: {detail}") from error


def local_days(t: Times, offset_ns: int) -> Times:
    """Midnight UTC of the day that each time (n,) falls on at so many ns east of UTC: how rpsd labels a daily bar."""
    found: npt.NDArray[np.int64] = (t + offset_ns) // DAY_NS * DAY_NS
    return found


def _excerpt(body: bytes) -> str:
    return repr(body[:60].decode("utf-8", "replace"))
