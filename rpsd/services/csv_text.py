"""Rows of samples as CSV text, for answers and files alike."""

import math
from collections.abc import Iterator, Mapping

from rpsd.core import instant
from rpsd.core.market import Times, Vector

_PIECE = 10_000
"""Rows of one piece; enough for speed, little enough for memory."""


def csv_text(t: Times, columns: Mapping[str, Vector], *, ns: bool = False, piece: int = _PIECE) -> Iterator[str]:
    """The header, then `piece` rows at a time; t in ISO 8601 or ns, a missing cell empty, a number as short as it reads back equal."""
    yield ",".join(["t", *columns]) + "\n"
    for begin in range(0, t.size, piece):
        part = slice(begin, begin + piece)
        times = map(str, t[part].tolist()) if ns else instant.texts(t[part])
        cells = [["" if math.isnan(value) else repr(value) for value in values[part].tolist()] for values in columns.values()]
        yield "\n".join(map(",".join, zip(times, *cells, strict=True))) + "\n"
