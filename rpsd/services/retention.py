"""How long samples are kept, by interval: what is older is dropped at night, in short writes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.market import SECOND_NS
from rpsd.store import audit
from rpsd.store import retention as rows
from rpsd.store.db import Database

BY: Final = "rpsd"
"""Who the audit log names."""
_SLACK: Final = 16
"""A series is cut once its first row is a sixteenth older than asked: else a block of each would be written anew every night."""


def drop_old(database: Database, kept: Mapping[str, float], now_ns: int, go_on: Callable[[float, str], None]) -> dict[str, Any]:
    """Drop the samples older than storage.retention (interval: seconds) says: {"samples_dropped", "series_cut"}; audited by interval.

    A moment back is served as long as its rows are kept. `go_on(share, step)` is called before each write and may raise to stop there.
    Cost O(dropped rows); a block is at most cut once in a sixteenth of its time.
    """
    total, series = 0, 0
    for number, (interval, seconds) in enumerate(kept.items()):
        before_ns = now_ns - int(seconds * SECOND_NS)
        dropped, cut = 0, 0
        due_ns = before_ns - int(seconds * SECOND_NS / _SLACK)
        for symbol, name in database.read(lambda c, i=interval, t=due_ns: rows.due(c, i, t)):  # type: ignore[misc]
            more, mine = True, 0
            while more:
                go_on(number / len(kept), f"retention of {interval}")
                done, more = database.write(lambda c, s=symbol, i=name, t=before_ns: rows.cut(c, s, i, t, now_ns)).result()  # type: ignore[misc]
                mine += done
            dropped += mine
            cut += mine > 0
        if dropped:
            facts = {"rows": dropped, "series": cut, "before": instant.text(before_ns)}
            database.write(lambda c, i=interval, f=facts: audit.append(c, BY, "retention.drop", i, f, now_ns)).result()  # type: ignore[misc]
        total, series = total + dropped, series + cut
    return {"samples_dropped": total, "series_cut": series}
