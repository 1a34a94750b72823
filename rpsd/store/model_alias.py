"""Names for versions of a model: champion and challenger, which follow the stages, and any others that are set by hand."""

from dataclasses import dataclass
from typing import Final

from rpsd.core.errors import StateConflict
from rpsd.core.model import ModelVersion, Stage
from rpsd.store import model, query
from rpsd.store.practices import Connection

CHAMPION: Final = "champion"
"""Always the version in production."""
CHALLENGER: Final = "challenger"
"""The version that would replace it: see challenger()."""
MOST: Final = 32
"""Aliases of one name that are set by hand."""

_STAGED: Final = "SELECT max(version) FROM model WHERE name = ?1 AND stage = 'staging'"
_PASSED: Final = """SELECT max(version) FROM model WHERE name = ?1 AND stage = 'candidate' AND promoted_ns IS NULL
  AND version > coalesce((SELECT version FROM model WHERE name = ?1 AND stage = 'production'), 0)
  AND json_extract(card, '$.gate.promoted') = 1"""


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version. `set_by` and `set_ns` are None of one that follows the stages by itself."""

    alias: str
    version: int
    set_by: str | None = None
    set_ns: int | None = None


def put(c: Connection, name: str, alias: str, version: int, by: str, now_ns: int) -> Alias:
    """Let the alias stand for the version. Raises UnknownModel, StateConflict for champion or when the name has too many."""
    if alias == CHAMPION:
        raise StateConflict("the champion is the version in production", hint="Promote the version instead.")
    found = model.find(c, name, version)
    if alias == CHALLENGER and found.stage is Stage.PRODUCTION:
        raise StateConflict(f"version {version} of {name} is the champion itself", hint="Name another version.")
    taken = query.value(c, "SELECT count(*) FROM model_alias WHERE name = ? AND alias <> ?", (name, alias))
    if taken >= MOST:
        raise StateConflict(f"{name} has {MOST} aliases already", hint="Remove one first.")
    c.execute("INSERT OR REPLACE INTO model_alias VALUES (?, ?, ?, ?, ?)", (name, alias, version, by, now_ns))
    return Alias(alias, version, str(by), now_ns)


def drop(c: Connection, name: str, alias: str) -> bool:
    """Forget an alias that was set by hand; whether there was one."""
    c.execute("DELETE FROM model_alias WHERE name = ? AND alias = ?", (name, alias))
    return bool(c.changes())


def listed(c: Connection, name: str) -> list[Alias]:
    """The aliases of the name in alphabetical order, champion and challenger among them where there is one."""
    set_by_hand = [Alias(*row) for row in query.rows(c, "SELECT alias, version, set_by, set_ns FROM model_alias WHERE name = ?", (name,))]
    found = {one.alias: one for one in set_by_hand if one.alias != CHALLENGER}
    if (serving := model.production(c, name)) is not None:
        found[CHAMPION] = Alias(CHAMPION, serving.version)
    if (rival := _challenger(c, name)) is not None:
        found[CHALLENGER] = rival
    return [found[alias] for alias in sorted(found)]


def find(c: Connection, name: str, alias: str) -> ModelVersion | None:
    """The version that the alias stands for, or None."""
    if alias == CHAMPION:
        return model.production(c, name)
    if alias == CHALLENGER:
        return challenger(c, name)
    found = query.rows(c, "SELECT version FROM model_alias WHERE name = ? AND alias = ?", (name, alias))
    return model.find(c, name, found[0][0]) if found else None


def challenger(c: Connection, name: str) -> ModelVersion | None:
    """The version that would replace the champion, or None.

    The one set by hand as long as it is a candidate or in staging; else the newest in staging; else the newest candidate after the champion
    that has passed the gate and was not promoted.
    """
    rival = _challenger(c, name)
    return None if rival is None else model.find(c, name, rival.version)


def _challenger(c: Connection, name: str) -> Alias | None:
    by_hand = query.rows(
        c,
        """SELECT a.alias, a.version, a.set_by, a.set_ns FROM model_alias a JOIN model m ON m.name = a.name AND m.version = a.version
           WHERE a.name = ? AND a.alias = ? AND m.stage IN ('candidate', 'staging')""",
        (name, CHALLENGER),
    )
    if by_hand:
        return Alias(*by_hand[0])
    for asked in (_STAGED, _PASSED):
        if (version := query.value(c, asked, (name,))) is not None:
            return Alias(CHALLENGER, version)
    return None
