"""Rows of samples as NDJSON text, for answers and files alike."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from rpsd.core import instant
from rpsd.core.market import Times, Vector


def ndjson_text(
    t: Times, columns: Mapping[str, Vector], available_at: Times | None = None, *, ns: bool = False, piece: int = 10_000
) -> Iterator[str]:
    """`piece` rows at a time, one object a line; times in ISO 8601 or ns, a missing cell null, a number as short as it reads back equal."""
    moment = "%s" if ns else '"%s"'
    fields = [f'"t":{moment}', *(f"{json.dumps(name)}:%s" for name in columns)]  # names hold no %
    fields += [] if available_at is None else [f'"available_at":{moment}']
    line = "{{{}}}\n".format(",".join(fields))
    for begin in range(0, t.size, piece):
        part = slice(begin, begin + piece)
        times = _times(t[part], ns=ns)
        cells = [["null" if math.isnan(value) else repr(value) for value in values[part].tolist()] for values in columns.values()]
        late = [] if available_at is None else [_times(available_at[part], ns=ns)]
        yield "".join(map(line.__mod__, zip(times, *cells, *late, strict=True)))


def _times(t: Times, *, ns: bool) -> list[Any]:
    return t.tolist() if ns else instant.texts(t)
