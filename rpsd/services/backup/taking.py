"""How a backup comes about: the database stands still, one thread proves what it holds while another copies it and reads the copy back."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rpsd
from rpsd.config import Settings, explain
from rpsd.core import instant
from rpsd.core.errors import Cancelled
from rpsd.core.market import SECOND_NS
from rpsd.services.backup import archive
from rpsd.services.backup.answers import answers
from rpsd.services.backup.program import be_nice
from rpsd.store.copying import at_rest
from rpsd.store.db import Connection, Database
from rpsd.store.inventory import inventory
from rpsd.store.verify import verified

Progress = Callable[[float, str], None]
"""Called with the progress in [0, 1] and a few words."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the whole progress: from `start`, `share` long. Raises Cancelled when the work is to stop."""

    tell: Progress
    start: float
    share: float
    words: str
    cancelled: Callable[[], bool] | None = None

    def __call__(self, part: float) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("the backup was cancelled")
        self.tell(self.start + self.share * min(1.0, part), self.words)


class _Proof(threading.Thread):
    """Proves what the open transaction sees, beside the copying. result() waits for it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="backup-proof", daemon=True)
        self._connection = connection
        self._facts: dict[str, Any] = {}
        self._failure: BaseException | None = None

    def run(self) -> None:
        be_nice()
        try:
            self._facts = verified(self._connection, "the database") | inventory(self._connection)
            self._facts["answers"] = answers(self._connection)
        except BaseException as error:  # noqa: BLE001 - raised by result()
            self._failure = error

    def stop(self) -> None:
        """End it early."""
        while self.is_alive():
            self._connection.interrupt()
            self.join(0.05)

    def result(self) -> dict[str, Any]:
        """schema, rows, tables, models, audit, answers. Raises what went wrong."""
        self.join()
        if self._failure is not None:
            raise self._failure
        return self._facts


def take(
    settings: Settings, database: Database, written: Path, now_ns: int, tell: Progress, cancelled: Callable[[], bool] | None
) -> tuple[dict[str, Any], str, int]:
    """Write a proved backup to a new file; its manifest, SHA-256 (hex) and size. Raises as BackupService.create()."""
    with _still(database, written.with_name(archive.DATABASE), Stage(tell, 0.0, 0.1, "copying", cancelled)) as (connection, source, size):
        draft, proof = archive.Draft(written, size), _Proof(connection)
        try:
            proof.start()
            whole = draft.copy(source, Stage(tell, 0.1, 0.8, "copying and reading back", cancelled))
            tell(0.9, "verifying")
            facts = proof.result()
            manifest = {
                "format": archive.FORMAT,
                "version": rpsd.__version__,
                "created": instant.text(now_ns // SECOND_NS * SECOND_NS),
                "database": {"bytes": size},
                **facts,
            }
            digest, total = draft.finish(whole, manifest, effective(settings))
        finally:
            proof.stop()
            draft.close()
    return manifest, digest, total


@contextmanager
def _still(database: Database, copy: Path, progress: Callable[[float], None]) -> Iterator[tuple[Connection, int, int]]:
    """A transaction, a descriptor of the file that holds what it sees, and its size; of a stepped copy where long reads do not let go."""
    for _ in range(_TRIES):
        with database.still() as found:
            if found is not None:
                yield *found, database.path.stat().st_size
                return
    database.snapshot(copy, progress=progress)
    with at_rest(copy) as (connection, source):
        yield connection, source, copy.stat().st_size


def effective(settings: Settings) -> str:
    """The effective settings as YAML (JSON values are YAML), without secrets."""
    lines = [f"{row.name}: {json.dumps(row.value, default=str)}  # {row.origin}\n" for row in explain(settings)]
    return "# The effective settings when the backup was taken; names are dotted.\n" + "".join(lines)
