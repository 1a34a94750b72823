"""Stages and aliases of model versions, below production: who the challenger is, and names that people give."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.errors import Fault, InvalidRequest, UnknownModel
from rpsd.core.model import ModelVersion, Stage
from rpsd.services.model.service import brief
from rpsd.store import audit, model_alias
from rpsd.store import model as rows
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import run_once
from rpsd.store.model_alias import Alias

if TYPE_CHECKING:
    from rpsd.store.idempotency import Once

_WORD: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
BELOW_PRODUCTION: Final = (Stage.CANDIDATE, Stage.STAGING, Stage.ARCHIVED)
"""Stages that a version can be moved between; production is reached by promotion alone, and left when another is promoted."""


class ModelAliases:
    """Names for versions. `champion` is always the version in production.

    `challenger` is the version set by hand while it is a candidate or in staging, else the newest in staging, else the newest candidate
    after the champion that has passed the gate and was not promoted. Any other alias stays where it was set.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def listed(self, name: str) -> list[dict[str, Any]]:
        """The aliases of the model with their versions. Raises UnknownModel."""

        def run(c: Connection) -> list[Alias]:
            rows.newest(c, name)
            return model_alias.listed(c, name)

        return [told(one) for one in self._database.read(run)]

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version that the alias stands for, or None."""
        return self._database.read(lambda c: model_alias.find(c, name, alias))

    def challenger(self, name: str) -> ModelVersion | None:
        """The version that would replace the champion, or None."""
        return self._database.read(lambda c: model_alias.challenger(c, name))

    def resolve(self, name: str, version: str) -> ModelVersion:
        """The version of that number or alias. Raises UnknownModel."""
        if version.isascii() and version.isdigit() and len(version) <= 10:
            return self._database.read(lambda c: rows.find(c, name, int(version)))
        if (found := self.find(name, version)) is None:
            raise UnknownModel(f"model {name[:80]!r} has no version or alias {version[:40]!r}")
        return found

    def put(self, name: str, alias: str, version: int, by: str, once: "Once | None" = None) -> dict[str, Any]:
        """Let the alias stand for the version; audited. Raises UnknownModel, InvalidRequest, StateConflict, IdempotencyConflict."""
        _require_word(alias)

        def write(c: Connection) -> dict[str, Any]:
            made = model_alias.put(c, name, alias, version, by, self._clock())
            audit.append(c, by, "model.alias", name, {"alias": alias, "version": version}, self._clock())
            return {"name": name} | told(made)

        return self._database.write(lambda c: run_once(c, once, self._clock(), lambda: write(c))[0]).result()

    def drop(self, name: str, alias: str, by: str) -> dict[str, Any]:
        """Forget an alias that was set by hand; audited. Raises UnknownModel when there is none."""

        def write(c: Connection) -> dict[str, Any]:
            if not model_alias.drop(c, name, alias):
                raise UnknownModel(f"model {name[:80]!r} has no alias {alias[:40]!r} that was set by hand")
            audit.append(c, by, "model.unalias", name, {"alias": alias}, self._clock())
            return {"name": name, "alias": alias}

        return self._database.write(write).result()

    def move(self, name: str, version: int, stage: str, reason: str, by: str, once: "Once | None" = None) -> dict[str, Any]:
        """Put a version that does not serve into candidate, staging or archived; audited.

        Raises UnknownModel, InvalidRequest, StateConflict when it serves or stands there already, IdempotencyConflict.
        """
        if stage not in BELOW_PRODUCTION:
            known = ", ".join(one.value for one in BELOW_PRODUCTION)
            raise InvalidRequest(f"/stage: {stage[:40]!r} is none of {known}", errors=[Fault("/stage", f"expected {known}")])

        def write(c: Connection) -> dict[str, Any]:
            before = rows.find(c, name, version).stage
            moved = rows.move(c, name, version, Stage(stage), reason)
            facts = {"version": version, "from": before.value, "to": stage, "reason": reason}
            audit.append(c, by, "model.stage", name, facts, self._clock())
            return brief(moved)

        return self._database.write(lambda c: run_once(c, once, self._clock(), lambda: write(c))[0]).result()


def told(alias: Alias) -> dict[str, Any]:
    """The alias as an answer; `set_by` is null of one that follows the stages."""
    set_at = None if alias.set_ns is None else instant.text(alias.set_ns)
    return {"alias": alias.alias, "version": alias.version, "set_by": alias.set_by, "set": set_at}


def _require_word(alias: str) -> None:
    if not _WORD.fullmatch(alias):
        reason = "expected a letter and up to 31 of a-z, 0-9, _ and -"
        raise InvalidRequest(f"/alias: {reason}", errors=[Fault("/alias", reason)])
