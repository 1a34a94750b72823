"""Reports of drift scans, the newest of each model first in mind."""

import json
import math
from dataclasses import astuple, dataclass
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.drift import DriftReport, FeatureDrift, worst
from rpsd.core.regime import SEVERITIES
from rpsd.store import query
from rpsd.store.practices import Connection

KINDS: Final = ("feature", "prediction", "quality")
"""What a row of a report is about."""
_FIELDS: Final = """id, model, version, at_ns, reference_from_ns, reference_until_ns, current_from_ns, current_until_ns, severity, view,
  counted_ns, before, found, skipped"""
_SHOWN: Final = 20
"""Features with drift that a line of a list names."""
_TOLD: Final = 3
_LARGEST: Final = 1e300


@dataclass(frozen=True, slots=True)
class Kept:
    """A report as it is stored. `view` is that of its features, name@version, or empty.

    Two windows are told apart by new values: this one counts from `counted_ns` (its end when it became another one), and `before` names
    what was significant in the one before it.
    """

    id: int
    report: DriftReport
    view: str
    counted_ns: int
    before: frozenset[str]

    @property
    def significant(self) -> frozenset[str]:
        """What is significant in this window."""
        return frozenset(row.feature for row in self.report.rows if row.significant)

    def brief(self) -> dict[str, Any]:
        """The report without its rows, times as ISO 8601; `drifted` names up to 20 features with a severity, the worst first."""
        report = self.report
        rows = sorted((row for row in report.rows if row.severity != SEVERITIES[0]), key=lambda row: -SEVERITIES.index(row.severity))
        return {
            "id": self.id,
            "model": report.model,
            "version": report.version,
            "at": instant.text(report.at_ns),
            "severity": report.severity,
            "kinds": {kind: worst([row.severity for row in report.rows if row.kind == kind]) for kind in KINDS},
            "reference": _span(report.reference),
            "current": _span(report.current),
            "view": self.view or None,
            "compared": len(report.rows),
            "significant": len(self.significant),
            "drifted": [row.feature for row in rows[:_SHOWN]],
            "skipped": dict(report.skipped),
        }

    def sentence(self) -> str:
        """What has drifted HIGH, in words."""
        grave = sorted((row for row in self.report.rows if row.severity == SEVERITIES[-1]), key=lambda row: -row.psi)
        names = ", ".join(row.feature for row in grave[:_TOLD]) + (f" and {len(grave) - _TOLD} more" if len(grave) > _TOLD else "")
        since = instant.text(self.report.current[0])
        return f"{names} of version {self.report.version} drifted from the training window since {since}: report {self.id}"

    def as_dict(self) -> dict[str, Any]:
        """brief() with the rows."""
        return self.brief() | {"rows": [row.as_dict() for row in self.report.rows]}


def _span(span: tuple[int, int]) -> dict[str, str]:
    return {"from": instant.text(span[0]), "until": instant.text(span[1])}


def _plain(value: Any) -> Any:
    """A cell with six digits, finite."""
    if not isinstance(value, float):
        return value
    return float(f"{min(max(value, -_LARGEST), _LARGEST):.6g}") if not math.isnan(value) else 0.0


def _kept(row: tuple[Any, ...]) -> Kept:
    number, model, version, at_ns, from_ns, until_ns, first_ns, last_ns, severity, view, counted_ns, before, found, skipped = row
    rows = tuple(FeatureDrift(*cells) for cells in json.loads(found))
    told = DriftReport(model, version, at_ns, (from_ns, until_ns), (first_ns, last_ns), SEVERITIES[severity], rows, json.loads(skipped))
    return Kept(number, told, view, counted_ns, frozenset(json.loads(before)))


def _select(c: Connection, where: str, values: tuple[Any, ...]) -> list[Kept]:
    return [_kept(row) for row in query.rows(c, f"SELECT {_FIELDS} FROM drift_report {where}", values)]  # noqa: S608  (words of this file)


def add(c: Connection, report: DriftReport, view: str, counted_ns: int, before: frozenset[str]) -> Kept:
    """Store the report. One without any row takes the place of the model's newest when that has none either."""
    newest = newest_of(c, report.model)
    if newest is not None and not report.rows and not newest.report.rows and newest.report.version == report.version:
        c.execute("DELETE FROM drift_report WHERE id = ?", (newest.id,))
    grave = {kind: SEVERITIES.index(worst([row.severity for row in report.rows if row.kind == kind])) for kind in KINDS}
    found = json.dumps([[_plain(cell) for cell in astuple(row)] for row in report.rows], allow_nan=False, separators=(",", ":"))
    values = (report.model, report.version, report.at_ns, *report.reference, *report.current, *grave.values(), max(grave.values()))
    further = (view, counted_ns, json.dumps(sorted(before)), found, json.dumps(dict(report.skipped)))
    c.execute(
        """INSERT INTO drift_report (model, version, at_ns, reference_from_ns, reference_until_ns, current_from_ns, current_until_ns,
           feature, prediction, quality, severity, view, counted_ns, before, found, skipped)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        values + further,
    )
    return _select(c, "WHERE id = ?", (c.last_insert_rowid(),))[0]


def find(c: Connection, report_id: int) -> Kept | None:
    """The report of that id, or None."""
    found = _select(c, "WHERE id = ?", (report_id,))
    return found[0] if found else None


def newest_of(c: Connection, model: str) -> Kept | None:
    """The newest report of the model, of whichever version, or None."""
    found = _select(c, "WHERE model = ? ORDER BY id DESC LIMIT 1", (model,))
    return found[0] if found else None


def alarmed_until(c: Connection, model: str, version: int) -> int | None:
    """The end of the last window (ns UTC) in which an older version than this had drifted HIGH, or None."""
    found = query.rows(
        c,
        "SELECT current_until_ns FROM drift_report WHERE model = ? AND version < ? AND severity = ? ORDER BY id DESC LIMIT 1",
        (model, version, len(SEVERITIES) - 1),
    )
    return None if not found else int(found[0][0])


def page(c: Connection, after: int | None, limit: int, model: str | None = None, severity: str | None = None) -> list[Kept]:
    """Up to `limit` reports older than the id `after`, newest first, optionally of one model and one severity."""
    grave = None if severity is None else SEVERITIES.index(severity)
    where = "WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR severity = ?2) AND ({}) ORDER BY id DESC LIMIT ?4"
    return _select(c, where.format("?3 IS NULL" if model is None else "model = ?3"), (after, grave, model, limit))


def standing(c: Connection) -> dict[str, tuple[int, str]]:
    """Version and severity of the newest report of every model in production whose newest report is of that version, by name."""
    found = query.rows(c, f"SELECT m.name, m.version, r.severity {_STANDING}")
    return {name: (version, SEVERITIES[severity]) for name, version, severity in found}


def high(c: Connection) -> dict[str, tuple[int, str]]:
    """When (ns UTC) the newest report found its model in production drifted HIGH, and that in words, by name."""
    found = [newest_of(c, name) for name, (_, severity) in standing(c).items() if severity == SEVERITIES[-1]]
    return {one.report.model: (one.report.at_ns, one.sentence()) for one in found if one is not None}


def gravest(c: Connection) -> dict[str, int]:
    """The worst severity (0 NONE to 3 HIGH) of each kind over what standing() tells."""
    [found] = query.rows(c, f"SELECT max(r.feature), max(r.prediction), max(r.quality) {_STANDING}")
    return {kind: grave or 0 for kind, grave in zip(KINDS, found, strict=True)}


_STANDING: Final = """FROM model m JOIN drift_report r ON r.id = (SELECT max(id) FROM drift_report WHERE model = m.name)
  WHERE m.stage = 'production' AND r.version = m.version"""


def prune(c: Connection, before_ns: int, most: int) -> int:
    """Forget reports from before before_ns, and all but the newest `most` of each model; the newest always stays. Returns how many."""
    c.execute(
        """DELETE FROM drift_report WHERE id IN (
             SELECT id FROM (SELECT id, at_ns, row_number() OVER (PARTITION BY model ORDER BY id DESC) AS place FROM drift_report)
             WHERE place > 1 AND (at_ns < ?1 OR place > ?2))""",
        (before_ns, most),
    )
    return c.changes()
