"""The quarantine in the user's words: what no longer matches its digest, and files that were refused. Nothing in it is ever loaded."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rpsd.core import instant
from rpsd.core.errors import CorruptData, RpsdError, UnknownFile
from rpsd.core.regime import SEVERITIES
from rpsd.services.alert import AlertService
from rpsd.store import audit
from rpsd.store import quarantine as rows
from rpsd.store.alert import Alert
from rpsd.store.db import Connection, Database
from rpsd.store.quarantine import SetAside
from rpsd.telemetry import logger


class Quarantine:
    """What was set aside, bounded: the newest 200 things, and 64 MiB of files."""

    def __init__(self, database: Database, clock: Callable[[], int], alert: AlertService) -> None:
        self._database, self._clock, self._alert = database, clock, alert
        self._met: set[tuple[str, int]] = set()

    def note_file(self, data: bytes, name: str | None, reason: str, by: str) -> SetAside:
        """Set a refused file aside; audited."""
        digest, now_ns = hashlib.sha256(data).hexdigest(), self._clock()

        def write(c: Connection) -> SetAside:
            audit.append(c, by, "model.refuse_file", name or "unnamed", {"digest": digest, "reason": reason, "bytes": len(data)}, now_ns)
            return rows.put_file(c, data, digest, name, reason, by, now_ns)

        return self._database.write(write).result()

    def note_damaged(self, name: str, version: int, error: CorruptData) -> None:
        """Note, once, that a stored version does not match its digest, and raise an alert.

        The note is only queued: whoever meets the damage inside of a write cannot wait for another one.
        """
        if (name, version) in self._met:
            return
        self._met.add((name, version))
        logger(operation="model", model=name, model_version=version).error(
            "a stored model is damaged", outcome="error", error_code=error.code
        )

        def write(c: Connection) -> tuple[Alert, bool]:
            rows.put_stored(c, name, version, error.detail, self._clock())
            return self._alert.raise_in(c, "model_damaged", name, SEVERITIES[-1], f"{error.detail}. {error.advice}")

        try:
            self._database.write(write).add_done_callback(self._tell)
        except RpsdError:
            self._met.discard((name, version))  # the store takes no writes now: noted when it is met again

    def healed(self, name: str) -> None:
        """A whole version of the model serves: the alert has no more to tell of."""
        self._alert.resolve("model_damaged", name)

    def _tell(self, noted: Future[tuple[Alert, bool]]) -> None:
        """Tell of the alert after the commit, if there was one."""
        if not noted.cancelled() and noted.exception() is None:
            alert, is_news = noted.result()
            self._alert.tell(alert, is_news=is_news)

    def page(self, after: int | None = None, limit: int = 100) -> tuple[list[dict[str, Any]], int | None]:
        """Up to `limit` things, the newest first, and the cursor of the next page."""
        found = self._database.read(lambda c: rows.page(c, after, limit + 1))
        return [_told(one) for one in found[:limit]], found[limit - 1].id if len(found) > limit else None

    def drop(self, row_id: int, by: str) -> dict[str, Any]:
        """Forget what was set aside, and its bytes; audited. Raises UnknownFile."""

        def write(c: Connection) -> SetAside:
            if (gone := rows.drop(c, row_id)) is None:
                raise UnknownFile(f"nothing in the quarantine has the id {row_id}")
            audit.append(c, by, "quarantine.drop", gone.name or "unnamed", {"id": row_id, "digest": gone.digest}, self._clock())
            return gone

        gone = self._database.write(write).result()
        if gone.name is not None and gone.version is not None:
            self._met.discard((gone.name, gone.version))
        return _told(gone)


def _told(one: SetAside) -> dict[str, Any]:
    return {
        "id": one.id,
        "noted": instant.text(one.noted_ns),
        "origin": one.origin,
        "name": one.name,
        "version": one.version,
        "digest": one.digest,
        "bytes": one.bytes,
        "reason": one.reason,
        "noted_by": one.noted_by,
        "kept": one.kept,
    }
