"""The model registry: versions with their packets, exactly one of a name in production."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from rpsd.core.errors import CorruptData, StateConflict, UnknownModel
from rpsd.core.model import ModelVersion, Packet, Stage
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = """name, version, stage, created_ns, trained_from_ns, trained_until_ns, data_fingerprint, digest, card, reason,
  promoted_by, promoted_ns, predecessor"""


def _version(row: tuple[Any, ...]) -> ModelVersion:
    name, version, stage, created, begins, until, fingerprint, digest, card, *rest = row
    return ModelVersion(name, version, Stage(stage), created, begins, until, fingerprint, digest, json.loads(card), *rest)


def _select(c: Connection, where: str, values: tuple[Any, ...]) -> list[ModelVersion]:
    return [_version(row) for row in query.rows(c, f"SELECT {_FIELDS} FROM model {where}", values)]  # noqa: S608  (words of this file)


def add(
    c: Connection,
    name: str,
    packet: bytes,
    *,
    trained_from_ns: int,
    trained_until_ns: int,
    data_fingerprint: str,
    card: Mapping[str, Any],
    now_ns: int,
    reason: str = "",
    stage: Stage = Stage.CANDIDATE,
) -> ModelVersion:
    """Register packed model state as the next version of the name. Raises CorruptData when the packet does not unpack.

    A version reaches production only through promote(): StateConflict otherwise.
    """
    Packet.unpack(packet)
    if stage is Stage.PRODUCTION:
        raise StateConflict("a version reaches production only by promotion")
    version = query.value(c, "SELECT coalesce(max(version), 0) + 1 FROM model WHERE name = ?", (name,))
    row = (name, version, stage.value, now_ns, trained_from_ns, trained_until_ns, data_fingerprint, hashlib.sha256(packet).hexdigest())
    c.execute(
        """INSERT INTO model (name, version, stage, created_ns, trained_from_ns, trained_until_ns, data_fingerprint, digest,
           card, reason, packet) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (*row, json.dumps(dict(card), allow_nan=False), reason, packet),
    )
    return find(c, name, version)


def find(c: Connection, name: str, version: int) -> ModelVersion:
    """That version of the name. Raises UnknownModel."""
    found = _select(c, "WHERE name = ? AND version = ?", (name, version))
    if not found:
        raise UnknownModel(f"there is no version {version} of model {name[:80]!r}")
    return found[0]


def production(c: Connection, name: str) -> ModelVersion | None:
    """The version in production, or None."""
    found = _select(c, "WHERE name = ? AND stage = 'production'", (name,))
    return found[0] if found else None


def serving(c: Connection) -> dict[str, int]:
    """When the version in production was registered (ns UTC), by name."""
    return dict(query.rows(c, "SELECT name, created_ns FROM model WHERE stage = 'production' ORDER BY name"))


def versions(c: Connection, name: str) -> list[ModelVersion]:
    """All versions of the name, newest first. Raises UnknownModel when there is none."""
    if not (found := _select(c, "WHERE name = ? ORDER BY version DESC", (name,))):
        raise UnknownModel(f"there is no model {name[:80]!r}")
    return found


def newest(c: Connection, name: str) -> ModelVersion:
    """The newest version of the name. Raises UnknownModel when there is none."""
    if not (found := _select(c, "WHERE name = ? ORDER BY version DESC LIMIT 1", (name,))):
        raise UnknownModel(f"there is no model {name[:80]!r}")
    return found[0]


def page(c: Connection, after: str | None, limit: int) -> list[ModelVersion]:
    """The newest version of up to `limit` names after the given one, by name."""
    newest = "WHERE name > ? AND version = (SELECT max(m.version) FROM model m WHERE m.name = model.name) ORDER BY name LIMIT ?"
    return _select(c, newest, (after or "", limit))


def promote(c: Connection, name: str, version: int, reason: str, by: str, now_ns: int) -> ModelVersion:
    """Put the version into production and its predecessor into the archive, together or not at all.

    Raises UnknownModel; StateConflict when it is in production already.
    """
    chosen, before = find(c, name, version), production(c, name)
    if chosen.stage is Stage.PRODUCTION:
        raise StateConflict(f"version {version} of {name} is in production already")
    c.execute("UPDATE model SET stage = 'archived' WHERE name = ? AND stage = 'production'", (name,))
    c.execute(
        """UPDATE model SET stage = 'production', reason = ?, promoted_by = ?, promoted_ns = ?, predecessor = ?
           WHERE name = ? AND version = ?""",
        (reason, by, now_ns, None if before is None else before.version, name, version),
    )
    return find(c, name, version)


def move(c: Connection, name: str, version: int, stage: Stage, reason: str) -> ModelVersion:
    """Put a version that does not serve into another stage but production. Raises UnknownModel, StateConflict."""
    chosen = find(c, name, version)
    if chosen.stage is Stage.PRODUCTION:
        raise StateConflict(f"version {version} of {name} is in production", hint="Promote another version, or roll back; it then leaves.")
    if stage is Stage.PRODUCTION:
        raise StateConflict("a version reaches production only by promotion", hint="POST /api/v1/models/{name}/promote.")
    if chosen.stage is stage:
        raise StateConflict(f"version {version} of {name} is in stage {stage.value} already")
    c.execute("UPDATE model SET stage = ?, reason = ? WHERE name = ? AND version = ?", (stage.value, reason, name, version))
    return find(c, name, version)


def packed(c: Connection, name: str, version: int) -> bytes:
    """The packed model state of that version. Raises UnknownModel, and CorruptData naming it when it does not match its digest.

    The hint of the latter names the version that served before, when that one is whole.
    """
    digest = find(c, name, version).digest
    data: bytes = query.value(c, "SELECT packet FROM model WHERE name = ? AND version = ?", (name, version))
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptData(f"model {name} version {version} does not match its digest", hint=_way_out(c, name, version))
    return data


def packet(c: Connection, name: str, version: int) -> Packet:
    """The model state of that version. Raises as packed()."""
    return Packet.unpack(packed(c, name, version))


def _way_out(c: Connection, name: str, damaged: int) -> str:
    """What to do about a damaged version: go back to the newest whole one that has served, if there is one, else retrain."""
    served = (
        "SELECT version, digest, packet FROM model WHERE name = ? AND version <> ? AND promoted_ns IS NOT NULL ORDER BY promoted_ns DESC"
    )
    for version, digest, data in query.rows(c, f"{served} LIMIT 5", (name, damaged)):
        if hashlib.sha256(data).hexdigest() == digest:
            return f"Version {version} is whole: POST /api/v1/models/{name}/rollback with it, or retrain the model."
    return f"Retrain it: POST /api/v1/models/{name}/retrain."


def count(c: Connection) -> dict[Stage, int]:
    """Versions per stage."""
    return {Stage(stage): n for stage, n in query.rows(c, "SELECT stage, count(*) FROM model GROUP BY stage")}
