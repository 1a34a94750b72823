"""What keeps the database trim: fold tails, compress cold blocks, drop what has served its time."""

from collections.abc import Callable
from typing import Any, Final

from rpsd.core.market import DAY_NS
from rpsd.store import derived, idempotency, series
from rpsd.store import job as rows
from rpsd.store.db import Connection, Database

COLD_NS: Final = 7 * DAY_NS
"""Blocks whose last row is older than a week are compressed: they are rarely rewritten by then."""
KEEP_RUNS_NS: Final = 30 * DAY_NS
"""How long finished runs stay listed."""


def keep_trim(database: Database, now_ns: int, go_on: Callable[[float, str], None]) -> dict[str, Any]:
    """One short write transaction a step, so that ingest hardly waits. Returns how many rows or blocks each step touched.

    `go_on(share, step)` is called before each step and may raise to stop between two.
    """
    steps: tuple[tuple[str, Callable[[Connection], int]], ...] = (
        ("folded", lambda c: series.fold(c, None) + derived.fold(c)),
        ("compressed", lambda c: series.compress(c, now_ns - COLD_NS)),
        ("idempotency_keys", lambda c: idempotency.prune(c, now_ns)),
        ("job_rows", lambda c: rows.prune(c, now_ns - KEEP_RUNS_NS)),
    )
    result: dict[str, Any] = {}
    for number, (name, step) in enumerate(steps):
        go_on(number / (len(steps) + 1), name)
        result[name] = database.write(step).result()
    go_on(len(steps) / (len(steps) + 1), "checkpoint")
    database.upkeep()
    return result | {"wal_bytes": database.wal_bytes()}
