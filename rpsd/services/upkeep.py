"""What keeps the database trim: fold tails, compress cold blocks, drop what has served its time."""

from collections.abc import Callable
from typing import Any, Final

from rpsd.core.experiment import RunState
from rpsd.core.market import DAY_NS
from rpsd.store import alert, artifact, book_chunk, derived, drift, idempotency, model_past, run, series
from rpsd.store import job as rows
from rpsd.store.db import Connection, Database

COLD_NS: Final = 7 * DAY_NS
"""Blocks whose last row is older than a week are compressed: they are rarely rewritten by then."""
_IN_SLICES: Final = ("tapes_dropped", "tapes_folded", "versions_dropped", "runs_killed", "fits_dropped", "artifacts_dropped")
"""Steps of which one transaction does a part."""
KEEP_RUNS_NS: Final = 30 * DAY_NS
"""How long finished runs of jobs stay listed, and the product's own fits that no held version of a model came from."""
LEASE_NS: Final = DAY_NS
"""How long a running run of an experiment may be silent before it counts as dead."""
_RUNS: Final = 500
"""Runs of experiments that one transaction drops."""

KEEP_REPORTS_NS: Final = 90 * DAY_NS
"""How long drift reports, and alerts once resolved, are kept; the newest report of a model stays."""
MOST_REPORTS: Final = 500
"""Drift reports of one model."""


def keep_trim(
    database: Database,
    now_ns: int,
    go_on: Callable[[float, str], None],
    *,
    tapes_ns: int | None = None,
    keep_versions: int = 20,
) -> dict[str, Any]:
    """Short write transactions, so that ingest hardly waits. Returns how many rows or blocks each step touched.

    `tapes_ns`: the age from which tapes of order books are dropped, None for never; `keep_versions`: as model_past.prune().
    `go_on(share, step)` is called before each step and each further transaction of a step, and may raise to stop there.
    """
    oldest_ns = -(2**63) if tapes_ns is None else now_ns - tapes_ns
    steps: tuple[tuple[str, Callable[[Connection], int]], ...] = (
        ("folded", lambda c: series.fold(c, None) + derived.fold(c)),
        ("compressed", lambda c: series.compress(c, now_ns - COLD_NS)),
        ("idempotency_keys", lambda c: idempotency.prune(c, now_ns)),
        ("job_rows", lambda c: rows.prune(c, now_ns - KEEP_RUNS_NS)),
        ("tapes_dropped", lambda c: book_chunk.prune(c, oldest_ns)),
        ("tapes_folded", book_chunk.fold_all),
        ("versions_dropped", lambda c: model_past.prune(c, keep_versions, now_ns)),
        ("runs_killed", lambda c: kill_silent(c, now_ns)),
        ("fits_dropped", lambda c: run.prune(c, now_ns - KEEP_RUNS_NS, _RUNS)),
        ("artifacts_dropped", artifact.sweep),
        ("drift_reports", lambda c: drift.prune(c, now_ns - KEEP_REPORTS_NS, MOST_REPORTS)),
        ("alerts", lambda c: alert.prune(c, now_ns - KEEP_REPORTS_NS)),
    )
    result: dict[str, Any] = {}
    for number, (name, step) in enumerate(steps):
        go_on(number / (len(steps) + 1), name)
        result[name] = done = database.write(step).result()
        while done and name in _IN_SLICES:
            go_on(number / (len(steps) + 1), name)
            done = database.write(step).result()
            result[name] += done
    go_on(len(steps) / (len(steps) + 1), "checkpoint")
    database.upkeep()
    return result | {"wal_bytes": database.wal_bytes()}


def kill_silent(c: Connection, now_ns: int) -> int:
    """End the running runs whose writers have given no sign of life for LEASE_NS, as KILLED with the reason as a tag; returns how many."""
    silent = run.silent(c, now_ns - LEASE_NS, _RUNS)
    for seq in silent:
        run.finish(c, seq, RunState.KILLED, now_ns)
        run.set_tags(c, seq, {"rpsd.ended": "its writer was silent for a day"})
    return len(silent)
