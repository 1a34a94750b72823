"""What waits to go out to the receivers of alerts: written with the alert itself, so that neither is lost without the other."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rpsd.core.source import Message, Receiver
from rpsd.services.outside.words import OLDEST_NS, named, worded
from rpsd.store import outbox as rows
from rpsd.store.db import Connection, Database
from rpsd.telemetry import Metrics

WAITING: Final = 256
"""Messages that wait for one receiver; beyond them the oldest is given up."""
_PAGE: Final = 64


class Outbox:
    """Messages by receiver, in order. They survive a restart: each is delivered at least once, under one name, or given up after a day."""

    def __init__(self, receivers: Sequence[Receiver], database: Database, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._database, self._metrics, self._clock = database, metrics, clock
        self._keys = _keys(receivers)
        self._numbers = {key: name for name, key in self._keys.items()}

    def add(self, c: Connection, told: Mapping[str, Any]) -> None:
        """Queue {"event": raised | resolved, "alert": …} within the transaction, but not for a receiver whose own breaker it tells of."""
        now_ns = self._clock()
        message = worded(told, now_ns)
        for name, key in self._keys.items():
            if told["alert"].get("subject") != name:
                given_up = rows.add(c, key, uuid.uuid4().hex, message, now_ns, WAITING)
                self._metrics.alert_deliveries_total.labels("dropped").inc(given_up)

    def page(self, after: int = 0) -> list[Message]:
        """Some of the messages behind the id `after`, in order; each with the name of its receiver, such as `webhook:1`."""
        found = self._database.read(lambda c: rows.page(c, after, _PAGE))
        return [replace(one, receiver=self._numbers[one.receiver]) for one in found if one.receiver in self._numbers]

    def finish(self, row: int, delivered: bool) -> None:
        """A message has arrived, or was given up: it goes out of the box. A second time nothing happens. One commit."""
        if self._database.write(lambda c: rows.remove(c, row)).result():
            self._metrics.alert_deliveries_total.labels("delivered" if delivered else "dropped").inc()

    def tidy(self) -> int:
        """Give up what waited for a day, and what was for receivers that the settings no longer have; returns how many. One commit."""
        given_up = self._database.write(lambda c: rows.keep_only(c, self._numbers, self._clock() - OLDEST_NS)).result()
        self._metrics.alert_deliveries_total.labels("dropped").inc(given_up)
        return given_up

    def waiting(self) -> int:
        """How many messages wait."""
        return self._database.read(rows.count)


def _keys(receivers: Sequence[Receiver]) -> dict[str, str]:
    """{name: what the receiver is known by in the table}: another place in the settings does not make it another receiver."""
    found, before = {}, Counter[tuple[str, str]]()
    for number, one in enumerate(receivers, 1):
        what = (one.form, one.url)
        before[what] += 1
        found[named(number)] = hashlib.blake2b(repr((*what, before[what])).encode(), digest_size=12).hexdigest()
    return found
