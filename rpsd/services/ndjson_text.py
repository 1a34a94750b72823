"""Rows of samples as NDJSON text, for answers and files alike."""

import json
import math
from collections.abc import Iterator, Mapping

from rpsd.core import instant
from rpsd.core.market import Times, Vector


def ndjson_text(t: Times, columns: Mapping[str, Vector], *, ns: bool = False, piece: int = 10_000) -> Iterator[str]:
    """`piece` rows at a time, one object a line; t in ISO 8601 or ns, a missing cell null, a number as short as it reads back equal."""
    names = [json.dumps(name) for name in columns]
    line = "{{{}}}\n".format(",".join(['"t":%s' if ns else '"t":"%s"', *(f"{name}:%s" for name in names)]))  # names hold no %
    for begin in range(0, t.size, piece):
        part = slice(begin, begin + piece)
        times = t[part].tolist() if ns else instant.texts(t[part])
        cells = [["null" if math.isnan(value) else repr(value) for value in values[part].tolist()] for values in columns.values()]
        yield "".join(map(line.__mod__, zip(times, *cells, strict=True)))
