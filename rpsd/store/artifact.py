"""Artifacts of runs: names beside their content, which is held once however many runs hold it."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import CorruptData, StateConflict, UnknownFile
from rpsd.store import query
from rpsd.store.practices import Connection

_FIELDS: Final = "name, sha256, size, media_type, created_ns"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a run: its name with slashes, the SHA-256 (hex) and the bytes of its content."""

    name: str
    sha256: str
    size: int
    media_type: str
    created_ns: int


def _artifact(row: tuple[Any, ...]) -> Artifact:
    name, digest, *rest = row
    return Artifact(name, digest.hex(), *rest)


def put(c: Connection, seq: int, name: str, data: bytes, media_type: str, now_ns: int, *, digest: bytes | None = None) -> Artifact:
    """Keep data under the name. Raises StateConflict when the name holds something else already.

    `digest` is the SHA-256 of data where the caller has it already: hashing here would hold up other writes.
    """
    digest = hashlib.sha256(data).digest() if digest is None else digest
    before = _rows(c, seq, name)
    if before:
        if before[0].sha256 != digest.hex():
            raise StateConflict(f"the run holds another artifact {name!r} already", hint="Choose another name: artifacts never change.")
        return before[0]
    c.execute("INSERT INTO artifact_content (sha256, data) VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, data))
    row = (seq, name, digest, len(data), media_type, now_ns)
    c.execute(f"INSERT INTO run_artifact (run, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    c.execute("UPDATE run SET bytes = bytes + ? WHERE seq = ?", (len(data), seq))
    return _artifact(row[1:])


def _rows(c: Connection, seq: int, name: str) -> list[Artifact]:
    return [_artifact(row) for row in query.rows(c, f"SELECT {_FIELDS} FROM run_artifact WHERE run = ? AND name = ?", (seq, name))]  # noqa: S608


def find(c: Connection, seq: int, name: str) -> Artifact:
    """The artifact of that name. Raises UnknownFile."""
    if not (found := _rows(c, seq, name)):
        raise UnknownFile(f"the run has no artifact {name[:80]!r}", hint="GET /api/v1/runs/{id}/artifacts lists them.")
    return found[0]


def page(c: Connection, seq: int, after: str, limit: int) -> list[Artifact]:
    """Up to `limit` artifacts of the run after that name, by name."""
    sql = f"SELECT {_FIELDS} FROM run_artifact WHERE run = ? AND name > ? ORDER BY name LIMIT ?"  # noqa: S608
    return [_artifact(row) for row in query.rows(c, sql, (seq, after, limit))]


def content(c: Connection, artifact: Artifact) -> bytes:
    """What the artifact holds. Raises CorruptData when it is not what its digest says."""
    found = query.rows(c, "SELECT data FROM artifact_content WHERE sha256 = ?", (bytes.fromhex(artifact.sha256),))
    if not found or hashlib.sha256(found[0][0]).hexdigest() != artifact.sha256:
        raise CorruptData(f"the artifact {artifact.name} does not match its digest")
    data: bytes = found[0][0]
    return data


def verify(c: Connection) -> None:
    """Raises CorruptData for a content that is not what its digest says. O(bytes)."""
    for digest, data in c.execute("SELECT sha256, data FROM artifact_content"):
        if hashlib.sha256(data).digest() != digest:
            raise CorruptData(f"the artifact content {digest.hex()} does not match its digest")


def held(c: Connection, seq: int) -> tuple[int, int]:
    """How many artifacts the run has, and their bytes."""
    found = query.rows(c, "SELECT (SELECT count(*) FROM run_artifact WHERE run = seq), bytes FROM run WHERE seq = ?", (seq,))
    return (int(found[0][0]), int(found[0][1]))


def sweep(c: Connection, limit: int = 100) -> int:
    """Drop contents that no run holds any more, at most `limit`; returns how many."""
    c.execute(
        """DELETE FROM artifact_content WHERE sha256 IN (SELECT sha256 FROM artifact_content AS kept WHERE NOT EXISTS
           (SELECT 1 FROM run_artifact WHERE run_artifact.sha256 = kept.sha256) LIMIT ?)""",
        (limit,),
    )
    return c.changes()
