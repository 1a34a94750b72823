"""Rows of samples as CSV text, for answers and files alike."""

import math
from collections.abc import Iterator, Mapping

from rpsd.core import instant
from rpsd.core.market import Times, Vector

_PIECE = 10_000
"""Rows of one piece; enough for speed, little enough for memory."""


def csv_text(
    t: Times, columns: Mapping[str, Vector], available_at: Times | None = None, *, ns: bool = False, piece: int = _PIECE
) -> Iterator[str]:
    """The header, then `piece` rows at a time; times in ISO 8601 or ns, a missing cell empty, a number as short as it reads back equal."""
    yield ",".join(["t", *columns, *([] if available_at is None else ["available_at"])]) + "\n"
    for begin in range(0, t.size, piece):
        part = slice(begin, begin + piece)
        times = _times(t[part], ns=ns)
        cells = [["" if math.isnan(value) else repr(value) for value in values[part].tolist()] for values in columns.values()]
        late = [] if available_at is None else [_times(available_at[part], ns=ns)]
        yield "\n".join(map(",".join, zip(times, *cells, *late, strict=True))) + "\n"


def _times(t: Times, *, ns: bool) -> list[str]:
    return list(map(str, t.tolist())) if ns else instant.texts(t)
