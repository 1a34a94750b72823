"""Events that a stranger can cause at will, audited in sums, so that a flood of them cannot fill the disk."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from rpsd.core.errors import Unavailable
from rpsd.core.market import SECOND_NS
from rpsd.store import audit
from rpsd.store.db import Connection, Database

QUIET_NS: Final = 60 * SECOND_NS
"""An action is audited at most once in this time."""


class Sums:
    """Counts by action, and writes that nobody waits for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[int, int]] = {}  # action: how many since the row written last, and when that was

    def note(self, actor: str, action: str, subject: str, detail: Mapping[str, Any], now_ns: int) -> None:
        """Audit the event with how many there were since the last such row; within QUIET_NS of that row, count it only."""
        with self._lock:
            count, last_ns = self._counted.get(action, (0, -QUIET_NS))
            if now_ns - last_ns < QUIET_NS:
                self._counted[action] = count + 1, last_ns
                return
            self._counted[action] = 0, now_ns
        told = {**detail, "since_last": count + 1}
        self.write(lambda c: audit.append(c, actor, action, subject, told, now_ns))

    def write(self, fn: Callable[[Connection], object]) -> None:
        """Queue a write that nobody waits for; when the store takes none, the request goes on without it."""
        with suppress(Unavailable):
            self._database.write(fn)
