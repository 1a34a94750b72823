"""Feature rows as CSV or NDJSON text."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rpsd.core.result import Matrix

MEDIA: Final = ("text/csv", "application/x-ndjson")
"""What written() writes."""


def written(kind: str, marks: Mapping[str, Sequence[Any]], names: Sequence[str], features: Matrix, *, piece: int) -> Iterator[str]:
    """`piece` rows at a time of the marks (texts or whole numbers, None where missing) and the features (n, F), NaN where missing.

    CSV begins with a header, and a missing cell is empty; NDJSON has an object a line with null. Numbers are as short as reads back equal.
    """
    columns = [*marks, *names]
    if kind == MEDIA[0]:
        yield ",".join(columns) + "\n"
    n = features.shape[0]
    for begin in range(0, n, piece):
        part = slice(begin, begin + piece)
        given = zip(*(list(values)[part] for values in marks.values()), features[part].tolist(), strict=True)
        yield "".join(_csv(row) if kind == MEDIA[0] else _ndjson(columns, row) for row in given)


def _csv(row: tuple[Any, ...]) -> str:
    *marks, values = row
    cells = ["" if mark is None else str(mark) for mark in marks]
    return ",".join([*cells, *("" if math.isnan(value) else repr(value) for value in values)]) + "\n"


def _ndjson(columns: Sequence[str], row: tuple[Any, ...]) -> str:
    *marks, values = row
    cells = [*marks, *(None if math.isnan(value) else value for value in values)]
    return json.dumps(dict(zip(columns, cells, strict=True)), separators=(",", ":"), allow_nan=False) + "\n"
