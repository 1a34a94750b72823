"""Metrics of runs: every point, and beside them the last, the least and the greatest of each metric."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rpsd.store import query
from rpsd.store.practices import Connection

Point = tuple[int, int, float]
"""Step, time (ns UTC), value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric has come to: its last point (greatest step, then latest time), and the extremes of all that was told."""

    name: str
    step: int
    t_ns: int
    value: float
    least: float
    greatest: float


_UPSERT: Final = """INSERT INTO run_metric (run, name, step, t_ns, value, least, greatest) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (run, name) DO UPDATE SET least = min(least, excluded.least), greatest = max(greatest, excluded.greatest),
    value = CASE WHEN (excluded.step, excluded.t_ns) >= (step, t_ns) THEN excluded.value ELSE value END,
    t_ns = CASE WHEN (excluded.step, excluded.t_ns) >= (step, t_ns) THEN excluded.t_ns ELSE t_ns END,
    step = max(step, excluded.step) RETURNING id"""


def log(c: Connection, seq: int, points: Mapping[str, Sequence[Point]]) -> int:
    """Add points (at least one a name) to the run's metrics; returns how many were told.

    The same step and time again is the same point: it takes the new value. Values are finite. O(points).
    """
    for name, series in points.items():
        last = max(series, key=lambda point: point[:2])
        values = [point[2] for point in series]
        row = (seq, name, *last, min(values), max(values))
        metric = query.value(c, _UPSERT, row)
        c.executemany("INSERT OR REPLACE INTO run_point (metric, step, t_ns, value) VALUES (?, ?, ?, ?)", _rows(metric, series))
    told = sum(len(series) for series in points.values())
    c.execute("UPDATE run SET points = points + ? WHERE seq = ?", (told, seq))
    return told


def _rows(metric: int, series: Sequence[Point]) -> Iterable[tuple[int, int, int, float]]:
    return [(metric, *point) for point in series]


def points(c: Connection, seq: int) -> int:
    """How many points the run was told."""
    return int(query.value(c, "SELECT points FROM run WHERE seq = ?", (seq,)))


def summaries(c: Connection, seq: int) -> list[Metric]:
    """What every metric of the run has come to, by name."""
    found = query.rows(c, "SELECT name, step, t_ns, value, least, greatest FROM run_metric WHERE run = ? ORDER BY name", (seq,))
    return [Metric(*row) for row in found]


def history(c: Connection, seq: int, name: str, after: tuple[int, int] | None, limit: int) -> list[Point]:
    """Up to `limit` points of the metric after (step, time), in that order; none for a metric that the run does not have."""
    step, t_ns = after if after is not None else (-(2**63), -(2**63))
    return [
        (found[0], found[1], found[2])
        for found in query.rows(
            c,
            """SELECT step, t_ns, value FROM run_point WHERE metric = (SELECT id FROM run_metric WHERE run = ? AND name = ?)
               AND (step, t_ns) > (?, ?) ORDER BY step, t_ns LIMIT ?""",
            (seq, name, step, t_ns, limit),
        )
    ]
