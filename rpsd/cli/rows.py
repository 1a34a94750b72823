"""Rows of samples as CSV text."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector

_PIECE = 10_000
"""Rows of one piece; enough for speed, little enough for memory."""


def csv_text(t: "Times", columns: "Mapping[str, Vector]") -> Iterator[str]:
    """The header, then the rows in pieces; a missing cell is empty, a number as short as it reads back equal."""
    from rpsd.core import instant

    yield ",".join(["t", *columns]) + "\n"
    for begin in range(0, t.size, _PIECE):
        part = slice(begin, begin + _PIECE)
        cells = [["" if math.isnan(value) else repr(value) for value in values[part].tolist()] for values in columns.values()]
        yield "".join(",".join(row) + "\n" for row in zip(instant.texts(t[part]), *cells, strict=True))
