"""Job runs and schedules: every occasion once, claimed by one conditional UPDATE, never without a record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import StateConflict, UnknownJob
from rpsd.core.job import JobRun, JobState
from rpsd.core.market import SECOND_NS
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = """id, name, state, args, progress, message, error_code, requested_by, occasion_ns, queued_ns, started_ns, finished_ns,
  lease_until_ns, cancel_requested, result"""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due next (ns UTC), when it last ran, and how often it has failed in a row."""

    name: str
    next_ns: int
    last_ns: int | None
    failures: int


def _run(row: tuple[Any, ...]) -> JobRun:
    run_id, name, state, args, *middle, cancel_requested, result = row
    outcome = None if result is None else json.loads(result)
    fields: tuple[Any, ...] = (run_id, name, JobState(state), json.loads(args), *middle, bool(cancel_requested), outcome)
    return JobRun(*fields)


def _runs(c: Connection, sql: str, values: tuple[Any, ...]) -> list[JobRun]:
    return [_run(row) for row in query.rows(c, sql, values)]


def enqueue(
    c: Connection,
    name: str,
    args: Mapping[str, Any],
    by: str,
    now_ns: int,
    occasion_ns: int | None = None,
    *,
    not_before_ns: int | None = None,
) -> JobRun:
    """Queue a run. For an occasion that was queued before, the run of then is returned and nothing is queued."""
    c.execute(
        """INSERT INTO job (name, state, args, requested_by, occasion_ns, queued_ns, not_before_ns) VALUES (?, 'queued', ?, ?, ?, ?, ?)
           ON CONFLICT (name, occasion_ns) DO NOTHING""",
        (name, json.dumps(dict(args), allow_nan=False), by, occasion_ns, now_ns, now_ns if not_before_ns is None else not_before_ns),
    )
    if c.changes():
        return find(c, c.last_insert_rowid())
    return _runs(c, f"SELECT {_FIELDS} FROM job WHERE name = ? AND occasion_ns = ?", (name, occasion_ns))[0]  # noqa: S608


def give(c: Connection, run_id: int, data: bytes) -> None:
    """Lay down what the run works on; it is forgotten when the run ends."""
    c.execute("INSERT INTO job_input (job, data) VALUES (?, ?)", (run_id, data))


def inputs(c: Connection) -> int:
    """How many runs that have not ended came with data."""
    return int(query.value(c, "SELECT count(*) FROM job_input"))


def given(c: Connection, run_id: int) -> bytes | None:
    """What was laid down for the run, or None."""
    found = query.rows(c, "SELECT data FROM job_input WHERE job = ?", (run_id,))
    return found[0][0] if found else None


def claim(c: Connection, now_ns: int, lease_seconds: float, owner: str) -> JobRun | None:
    """Take the oldest queued run that is due, or None. A run is claimed by exactly one caller."""
    claimed = _runs(
        c,
        f"""UPDATE job SET state = 'running', started_ns = ?1, owner = ?2, lease_until_ns = ?3
            WHERE state = 'queued' AND id = (SELECT id FROM job WHERE state = 'queued' AND not_before_ns <= ?1 ORDER BY id LIMIT 1)
            RETURNING {_FIELDS}""",  # noqa: S608
        (now_ns, owner, now_ns + int(lease_seconds * SECOND_NS)),
    )
    return claimed[0] if claimed else None


def heartbeat(c: Connection, run_id: int, progress: float, message: str, lease_until_ns: int) -> bool:
    """Report progress in [0, 1] and prolong the lease; whether the run should go on (it is running and nobody cancelled it)."""
    c.execute(
        "UPDATE job SET progress = ?, message = ?, lease_until_ns = ? WHERE id = ? AND state = 'running'",
        (min(max(progress, 0.0), 1.0), message, lease_until_ns, run_id),
    )
    run = find(c, run_id)
    return run.state is JobState.RUNNING and not run.cancel_requested


def finish(
    c: Connection,
    run_id: int,
    state: JobState,
    result: Mapping[str, Any] | None,
    error_code: str | None,
    message: str,
    now_ns: int,
) -> JobRun:
    """Record how a running run ended. Raises StateConflict when it is not running (any more), UnknownJob."""
    if not JobState(state).final:
        raise StateConflict(f"{state} is not an end")
    c.execute(
        """UPDATE job SET state = ?, result = ?, error_code = ?, message = ?, finished_ns = ?, lease_until_ns = NULL,
           progress = CASE WHEN ?1 = 'succeeded' THEN 1.0 ELSE progress END WHERE id = ? AND state = 'running'""",
        (
            JobState(state).value,
            None if result is None else json.dumps(dict(result), allow_nan=False),
            error_code,
            message,
            now_ns,
            run_id,
        ),
    )
    return _changed(c, run_id, "is not running")


def cancel(c: Connection, run_id: int, now_ns: int) -> JobRun:
    """Cancel a queued run at once; ask a running one to stop. Raises StateConflict when it has ended, UnknownJob."""
    c.execute(
        """UPDATE job SET cancel_requested = 1, finished_ns = CASE state WHEN 'queued' THEN ? END,
           state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END WHERE id = ? AND state IN ('queued', 'running')""",
        (now_ns, run_id),
    )
    return _changed(c, run_id, "has ended")


def _changed(c: Connection, run_id: int, otherwise: str) -> JobRun:
    """The run that the last UPDATE changed. Raises StateConflict when it changed none."""
    changed, run = c.changes(), find(c, run_id)
    if not changed:
        raise StateConflict(f"job {run_id} {otherwise}: it is {run.state.value}")
    return run


def find(c: Connection, run_id: int) -> JobRun:
    """The run of that id. Raises UnknownJob."""
    found = _runs(c, f"SELECT {_FIELDS} FROM job WHERE id = ?", (run_id,))  # noqa: S608
    if not found:
        raise UnknownJob(f"there is no job {run_id}")
    return found[0]


def page(c: Connection, after: int | None, limit: int, name: str | None = None, state: str | None = None) -> list[JobRun]:
    """Up to `limit` runs older than the id `after`, newest first, optionally of one name and one state."""
    return _runs(
        c,
        f"""SELECT {_FIELDS} FROM job WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR state = ?3)
            ORDER BY id DESC LIMIT ?4""",  # noqa: S608
        (after, name, state, limit),
    )


def depth(c: Connection) -> int:
    """Runs that are queued."""
    return int(query.value(c, "SELECT count(*) FROM job WHERE state = 'queued'"))


def interrupt_orphans(c: Connection, now_ns: int) -> int:
    """At start: mark every running run as interrupted, for its process has died; returns how many."""
    c.execute(
        """UPDATE job SET state = 'interrupted', finished_ns = ?, lease_until_ns = NULL, error_code = 'unavailable',
           message = 'the process ended while the job ran' WHERE state = 'running'""",
        (now_ns,),
    )
    return c.changes()


def prune(c: Connection, before_ns: int, keep: int = 100) -> int:
    """Forget runs that ended before before_ns, save the newest `keep` of each name; returns how many."""
    c.execute(
        """DELETE FROM job WHERE finished_ns < ? AND id NOT IN
           (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY name ORDER BY id DESC) AS place FROM job) WHERE place <= ?)""",
        (before_ns, keep),
    )
    return c.changes()


def schedule_get(c: Connection, name: str) -> Schedule | None:
    """The stored schedule of the job, or None before its first."""
    rows = query.rows(c, "SELECT name, next_ns, last_ns, failures FROM schedule WHERE name = ?", (name,))
    return Schedule(*rows[0]) if rows else None


def schedule_set(c: Connection, name: str, next_ns: int, *, last_ns: int | None = None, failures: int = 0) -> None:
    """Store when the job is due next; last_ns None keeps the stored one."""
    c.execute(
        """INSERT INTO schedule (name, next_ns, last_ns, failures) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
           SET next_ns = excluded.next_ns, last_ns = coalesce(excluded.last_ns, last_ns), failures = excluded.failures""",
        (name, next_ns, last_ns, failures),
    )


def schedules(c: Connection) -> list[Schedule]:
    """All stored schedules, the next due first."""
    return [Schedule(*row) for row in query.rows(c, "SELECT name, next_ns, last_ns, failures FROM schedule ORDER BY next_ns")]
