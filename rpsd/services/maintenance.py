"""Maintenance: an operator says that the appliance is not to be relied on for a while; readiness drops and jobs wait."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.errors import Fault, InvalidRequest, RpsdError
from rpsd.core.market import SECOND_NS
from rpsd.services.alert import BY
from rpsd.store import audit, setting
from rpsd.store.db import Connection, Database

MOST_SECONDS: Final = 30 * 86_400.0
"""Longest time that can be asked for; without a time it lasts until somebody ends it."""
MOST_WORDS: Final = 200
"""Longest reason, in characters."""
_NAME: Final = "maintenance"


@dataclass(frozen=True, slots=True)
class _Standing:
    """Since when, until when (None: until it is ended), why, and who said so. Times are ns UTC."""

    since_ns: int
    until_ns: int | None
    reason: str
    by: str

    def as_dict(self) -> dict[str, Any]:
        until = None if self.until_ns is None else instant.text(self.until_ns)
        return {"since": instant.text(self.since_ns), "until": until, "reason": self.reason, "by": self.by}


class Maintenance:
    """Survives a restart. It ends by hand, or by itself at its time; both are audited."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        held = database.read(lambda c: setting.find(c, _NAME))
        self._now: _Standing | None = None if held is None else _Standing(**held)

    def current(self) -> dict[str, Any] | None:
        """{"since", "until", "reason", "by"} while it is on, else None; costs nothing while nothing changes."""
        held = self._now
        if held is None:
            return None
        if held.until_ns is not None and self._clock() >= held.until_ns:
            self._expire(held)
            return None
        return held.as_dict()

    def status(self) -> dict[str, Any]:
        """Whether it is on, and since when, until when, why and by whom; null where it is off."""
        held = self.current()
        return {"on": held is not None, **(held or dict.fromkeys(("since", "until", "reason", "by")))}

    def begin(self, reason: str = "", for_seconds: float | None = None, *, by: str) -> dict[str, Any]:
        """Switch it on, or change reason and end while it is on; status(). One commit.

        Raises InvalidRequest for a time that is not within (0, MOST_SECONDS], or a reason beyond MOST_WORDS.
        """
        if for_seconds is not None and not 0 < for_seconds <= MOST_SECONDS:
            raise InvalidRequest("maintenance lasts up to 30 days", errors=[Fault("/for", "expected more than 0 and at most 30d")])
        if len(reason) > MOST_WORDS:
            raise InvalidRequest("the reason is too long", errors=[Fault("/reason", f"expected at most {MOST_WORDS} characters")])
        now_ns = self._clock()
        with self._lock:
            since_ns = now_ns if self._now is None else self._now.since_ns
            until_ns = None if for_seconds is None else now_ns + round(for_seconds * SECOND_NS)
            wanted = _Standing(since_ns, until_ns, reason, str(by))

            def write(c: Connection) -> None:
                kept = {"since_ns": since_ns, "until_ns": until_ns, "reason": reason, "by": str(by)}
                setting.put(c, _NAME, kept)
                told = {"reason": reason, "until": None if until_ns is None else instant.text(until_ns)}
                audit.append(c, by, "maintenance.on", "appliance", told, now_ns)

            self._database.write(write).result()
            self._now = wanted
        return self.status()

    def end(self, *, by: str) -> dict[str, Any]:
        """Switch it off; status(). Writes and audits nothing when it is off already."""
        with self._lock:
            if self._now is not None:
                self._database.write(lambda c: self._forget(c, by)).result()
                self._now = None
        return self.status()

    def _expire(self, held: _Standing) -> None:
        """Its time is over. Waits for nobody, because probes ask on the event loop; what is not written the next start finds."""
        if not self._lock.acquire(blocking=False):
            return  # somebody switches at this moment
        try:
            if self._now is held:
                self._now = None
                with suppress(RpsdError):
                    self._database.write(lambda c: self._forget(c, BY))
        finally:
            self._lock.release()

    def _forget(self, c: Connection, by: str) -> None:
        setting.put(c, _NAME, None)
        audit.append(c, by, "maintenance.off", "appliance", {}, self._clock())
