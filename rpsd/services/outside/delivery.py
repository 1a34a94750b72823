"""Alerts to their receivers: in order, once each as far as the receiver says so, and never in the way of what raised them."""

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd import __version__
from rpsd.config.secret import read_secrets
from rpsd.core import instant
from rpsd.core.errors import BadConfig, Cancelled, SourceFailed
from rpsd.core.market import SECOND_NS
from rpsd.core.source import Receiver
from rpsd.services.outside.breaker import Breaker, Breakers
from rpsd.telemetry import Metrics, logger

if TYPE_CHECKING:
    from rpsd.source.fetch import Fetcher

_WAITING: Final = 256
"""Messages that wait for one receiver; beyond them the oldest is given up."""
_OLDEST_NS: Final = 24 * 3600 * SECOND_NS
"""A message that could not be delivered for a day is given up: by then it is history, and the list of alerts has it."""
_TEST_SECONDS: Final = 10.0
"""Longest that a test waits for an answer: somebody is waiting for what came of it."""
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0


@dataclass(slots=True)
class _Line:
    """The messages that wait for one receiver, and the thread that delivers them once there is one."""

    receiver: Receiver
    breaker: Breaker
    waiting: deque[tuple[int, str, dict[str, Any]]] = field(default_factory=deque)
    thread: threading.Thread | None = None


class Delivery:
    """hear() is a listener of the alerts and returns at once; each receiver has a line and a thread of its own: none waits for another.

    A message is tried again with growing pauses until its receiver answers 2xx; each try carries the same `rpsd-delivery`. What waits is
    kept in memory: a restart forgets it, and the list of alerts keeps it.
    """

    def __init__(
        self, receivers: tuple[Receiver, ...], breakers: Breakers, metrics: Metrics, clock: Callable[[], int], secrets_dir: Path
    ) -> None:
        """`secrets_dir` is where a secret lies that is given by its bare name; each try reads it anew, so that it can be renewed."""
        self._metrics, self._clock, self._secrets_dir = metrics, clock, secrets_dir
        self._lines = [_Line(one, breakers.add(f"webhook:{number}")) for number, one in enumerate(receivers, 1)]
        self._news = threading.Condition()
        self._stopping, self._closing = threading.Event(), False

    def hear(self, told: Mapping[str, Any]) -> None:
        """Queue {"event": raised | resolved, "alert": …} for every receiver, but not for one whose own breaker it tells of."""
        now_ns = self._clock()
        message = self._message(told, now_ns)
        with self._news:
            if self._closing:
                return
            for line in self._lines:
                if told["alert"].get("subject") == line.breaker.name:
                    continue
                if len(line.waiting) >= _WAITING:
                    line.waiting.popleft()
                    self._metrics.alert_deliveries_total.labels("dropped").inc()
                line.waiting.append((now_ns, uuid.uuid4().hex, message))
                if line.thread is None:
                    line.thread = threading.Thread(target=self._work, args=(line,), name=line.breaker.name, daemon=True)
                    line.thread.start()
            self._news.notify_all()

    def standing(self) -> dict[str, int]:
        """For health: {"configured", "waiting"}: how many there are, and messages not yet delivered."""
        with self._news:
            return {"configured": len(self._lines), "waiting": sum(len(line.waiting) for line in self._lines)}

    def test(self) -> list[dict[str, Any]]:
        """Send every receiver a message of its own now, past its line and its breaker, all at once; what came of it.

        [{"receiver", "format", "address", "delivered", "seconds", "detail"}]; the address is without path and query. Blocks for as long
        as the slowest receiver, which has its timeout but no more than 10 s for each message.
        """
        with ThreadPoolExecutor(max(1, len(self._lines)), thread_name_prefix="webhook-test") as pool:
            return list(pool.map(self._test, self._lines))

    def close(self, grace_seconds: float = 2.0) -> None:
        """Take nothing more, give what waits a moment to go out, and end the threads."""
        with self._news:
            self._closing = True
            self._news.notify_all()
            self._news.wait_for(lambda: not any(line.waiting and self._may_go(line) for line in self._lines), grace_seconds)
            self._stopping.set()
            self._news.notify_all()
        for line in self._lines:
            if line.thread is not None:
                line.thread.join(5.0)

    def _test(self, line: _Line) -> dict[str, Any]:
        """One receiver's test; what opens an incident there closes it again."""
        from rpsd.source.destination import parse
        from rpsd.source.fetch import Fetcher

        now_ns, began, detail = self._clock(), time.monotonic(), ""
        events = ("test", "resolved") if line.receiver.form == "pagerduty" else ("test",)
        try:
            with Fetcher(**self._bounds(line.receiver, _TEST_SECONDS)) as fetcher:
                for event in events:
                    self._post(line.receiver, fetcher, uuid.uuid4().hex, self._message({"event": event, "alert": _trial(now_ns)}, now_ns))
        except (SourceFailed, Cancelled) as error:
            detail = error.detail
        return {
            "receiver": line.breaker.name,
            "format": line.receiver.form,
            "address": parse(line.receiver.url).shown,
            "delivered": not detail,
            "seconds": round(time.monotonic() - began, 3),
            "detail": detail or None,
        }

    def _message(self, told: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
        """What happened, and who says so when."""
        return {**told, "service": "rpsd", "version": __version__, "sent": instant.text(now_ns // 1_000_000 * 1_000_000)}

    def _bounds(self, receiver: Receiver, longest: float = math.inf) -> dict[str, Any]:
        """What a Fetcher needs to know of the receiver."""
        stopped = self._stopping.is_set
        return {"deadline_seconds": min(longest, receiver.timeout_seconds), "retries": 0, "private": receiver.private, "cancelled": stopped}

    @staticmethod
    def _may_go(line: _Line) -> bool:
        """Whether waiting for the line is of use: nothing comes of a receiver that is failing."""
        return not line.breaker.snapshot()["failures"]

    def _work(self, line: _Line) -> None:
        """Deliver what waits, one after the other, until close()."""
        from rpsd.source.fetch import Fetcher  # the HTTP client is loaded by the first alert

        pause = _FIRST_WAIT
        with Fetcher(**self._bounds(line.receiver)) as fetcher:
            while (first := self._first(line)) is not None:
                try:
                    self._deliver(line, fetcher, first)
                except Cancelled:
                    return
                except SourceFailed as error:
                    if pause == _FIRST_WAIT:
                        logger().warning(f"{line.breaker.name}: {error.detail}", operation="deliver", error_code=error.code)
                    self._stopping.wait(min(_LONGEST_WAIT, max(pause, error.retry_after or 0.0)))
                    pause = min(2 * pause, _LONGEST_WAIT)
                else:
                    pause = _FIRST_WAIT

    def _first(self, line: _Line) -> tuple[int, str, dict[str, Any]] | None:
        """The oldest message that is still worth sending, waited for; None when it is time to end."""
        with self._news:
            while not self._stopping.is_set():
                while line.waiting and self._clock() - line.waiting[0][0] > _OLDEST_NS:
                    line.waiting.popleft()
                    self._metrics.alert_deliveries_total.labels("dropped").inc()
                if line.waiting:
                    return line.waiting[0]
                if self._closing:
                    return None
                self._news.wait()
        return None

    def _deliver(self, line: _Line, fetcher: "Fetcher", message: tuple[int, str, dict[str, Any]]) -> None:
        """Send it, and take it from the line. Raises SourceFailed, Cancelled."""
        _, identifier, told = message
        with line.breaker.guard():
            self._post(line.receiver, fetcher, identifier, told)
        with self._news:
            if line.waiting and line.waiting[0] is message:  # it may have been pushed out meanwhile
                line.waiting.popleft()
            self._news.notify_all()
        self._metrics.alert_deliveries_total.labels("delivered").inc()

    def _post(self, receiver: Receiver, fetcher: "Fetcher", identifier: str, told: dict[str, Any]) -> None:
        """Sign it and send it. A secret that cannot be read is a failure like any other: it may be there at the next try."""
        from rpsd.source.webhook import post

        try:
            secrets = read_secrets(receiver.secret_file, self._secrets_dir) if receiver.secret_file else ()
        except BadConfig as error:
            raise SourceFailed(error.detail, hint=error.advice) from error
        post(fetcher, receiver, told, identifier, secrets, self._clock() // SECOND_NS)


def _trial(now_ns: int) -> dict[str, Any]:
    """An alert that is none."""
    when = instant.text(now_ns // SECOND_NS * SECOND_NS)
    return {
        "id": 0,
        "name": "test",
        "subject": "webhooks",
        "severity": "LOW",
        "detail": "An operator asked whether this receiver hears of alerts; nothing is wrong.",
        "state": "active",
        "raised": when,
        "last": when,
        "count": 1,
        "resolved": None,
        "resolved_by": None,
    }
