"""Alerts as rows: one active row for each name and subject, and the resolved ones behind it."""

from dataclasses import dataclass
from typing import Any, Final

from rpsd.core import instant
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = "id, name, subject, severity, detail, raised_ns, last_ns, count, resolved_ns, resolved_by"
_DETAIL: Final = 1000


@dataclass(frozen=True, slots=True)
class Alert:
    """What an operator should know of. `count` is how often it was raised since raised_ns; active while resolved_ns is None."""

    id: int
    name: str
    subject: str
    severity: str
    detail: str
    raised_ns: int
    last_ns: int
    count: int
    resolved_ns: int | None
    resolved_by: str | None

    def as_dict(self) -> dict[str, Any]:
        """JSON, times as ISO 8601."""
        return {
            "id": self.id,
            "name": self.name,
            "subject": self.subject,
            "severity": self.severity,
            "detail": self.detail,
            "state": "active" if self.resolved_ns is None else "resolved",
            "raised": instant.text(self.raised_ns),
            "last": instant.text(self.last_ns),
            "count": self.count,
            "resolved": None if self.resolved_ns is None else instant.text(self.resolved_ns),
            "resolved_by": self.resolved_by,
        }


def _alerts(c: Connection, where: str, values: tuple[Any, ...]) -> list[Alert]:
    return [Alert(*row) for row in query.rows(c, f"SELECT {_FIELDS} FROM alert {where}", values)]  # noqa: S608  (words of this file)


def raise_(c: Connection, name: str, subject: str, severity: str, detail: str, now_ns: int) -> tuple[Alert, bool]:
    """The active alert of that name and subject, and whether it is news: it was not active, or was of another severity."""
    before = active(c, name, subject)
    c.execute(
        """INSERT INTO alert (name, subject, severity, detail, raised_ns, last_ns, count) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1)
           ON CONFLICT (name, subject) WHERE resolved_ns IS NULL DO UPDATE
           SET severity = excluded.severity, detail = excluded.detail, last_ns = excluded.last_ns, count = count + 1""",
        (name, subject, severity, detail[:_DETAIL], now_ns),
    )
    [raised] = _alerts(c, "WHERE name = ? AND subject = ? AND resolved_ns IS NULL", (name, subject))
    return raised, before is None or before.severity != severity


def active(c: Connection, name: str, subject: str) -> Alert | None:
    """The active alert of that name and subject, or None."""
    found = _alerts(c, "WHERE name = ? AND subject = ? AND resolved_ns IS NULL", (name, subject))
    return found[0] if found else None


def find(c: Connection, alert_id: int) -> Alert | None:
    """The alert of that id, or None."""
    found = _alerts(c, "WHERE id = ?", (alert_id,))
    return found[0] if found else None


def resolve(c: Connection, alert_id: int, by: str, now_ns: int) -> Alert | None:
    """Mark the alert as resolved; None when it is not active."""
    c.execute("UPDATE alert SET resolved_ns = ?, resolved_by = ? WHERE id = ? AND resolved_ns IS NULL", (now_ns, by, alert_id))
    return find(c, alert_id) if c.changes() else None


def page(c: Connection, after: int | None, limit: int, name: str | None = None, is_active: bool | None = None) -> list[Alert]:
    """Up to `limit` alerts older than the id `after`, newest first, optionally of one name, and only active or only resolved ones."""
    where = """WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR (resolved_ns IS NULL) = ?3)
               ORDER BY id DESC LIMIT ?4"""
    return _alerts(c, where, (after, name, None if is_active is None else int(is_active), limit))


def count_active(c: Connection) -> dict[str, int]:
    """How many are active, by name."""
    return dict(query.rows(c, "SELECT name, count(*) FROM alert WHERE resolved_ns IS NULL GROUP BY name"))


def subjects(c: Connection, name: str) -> list[str]:
    """What the active alerts of that name are about."""
    return [subject for (subject,) in query.rows(c, "SELECT subject FROM alert WHERE name = ? AND resolved_ns IS NULL", (name,))]


def prune(c: Connection, before_ns: int) -> int:
    """Forget what was resolved before before_ns; returns how many."""
    c.execute("DELETE FROM alert WHERE resolved_ns < ?", (before_ns,))
    return c.changes()
