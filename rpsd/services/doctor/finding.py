"""One thing that was looked at, how it is, and what to do about it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OK: Final = "ok"
NOTE: Final = "note"
WARNING: Final = "warning"
FAILED: Final = "failed"
STATUSES: Final = (OK, NOTE, WARNING, FAILED)
"""From good to bad. A note is worth knowing and nothing to mend: it does not count."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` mends it when called; None where a person has to, or where nothing is wrong."""

    name: str
    status: str
    detail: str
    hint: str = ""
    fix: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """As it travels: `fixable` in place of the fix."""
        told = {"name": self.name, "status": self.status, "detail": self.detail, "hint": self.hint}
        return {**told, "fixable": self.fix is not None}


def worst(rows: Iterable[Mapping[str, Any]]) -> str:
    """The worst status among findings as dictionaries; ok when there is none.

    >>> worst([{"status": "note"}, {"status": "warning"}, {"status": "ok"}])
    'warning'
    """
    return max((str(row["status"]) for row in rows), key=STATUSES.index, default=OK)
