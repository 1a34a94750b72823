"""Alerts to their receivers: in order, once each as far as the receiver says so, and never in the way of what raised them."""

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.config.secret import read_secrets
from rpsd.core import instant
from rpsd.core.errors import BadConfig, Cancelled, RpsdError, SourceFailed
from rpsd.core.market import SECOND_NS
from rpsd.core.source import Message, Receiver
from rpsd.services.outside.breaker import Breaker, Breakers
from rpsd.services.outside.words import OLDEST_NS, named, worded
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.source.fetch import Fetcher

_TEST_SECONDS: Final = 10.0
"""Longest that a test waits for an answer: somebody is waiting for what came of it."""
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_REMEMBERED: Final = 1024
"""Deliveries of one receiver that are known again when the box offers them twice."""


@dataclass(slots=True)
class _Line:
    """The messages that wait for one receiver, and the thread that delivers them once there is one."""

    receiver: Receiver
    breaker: Breaker
    waiting: deque[Message] = field(default_factory=deque)
    known: dict[str, bool] = field(default_factory=dict)
    """Deliveries that were accepted, the oldest first; whether they are through."""
    thread: threading.Thread | None = None


class Delivery:
    """accept() takes messages from the box and returns at once; each receiver has a line and a thread of its own: none waits for another.

    A message is tried again with growing pauses until its receiver answers 2xx; each try carries the same `rpsd-delivery`. `finished(id,
    delivered)` then takes it out of the box. Until then the box keeps it: an end in between means that the receiver hears it twice.
    """

    def __init__(
        self,
        receivers: tuple[Receiver, ...],
        breakers: Breakers,
        clock: Callable[[], int],
        secrets_dir: Path,
        finished: Callable[[int, bool], None],
    ) -> None:
        """`secrets_dir` is where a secret lies that is given by its bare name; each try reads it anew, so that it can be renewed."""
        self._clock, self._secrets_dir, self._finished = clock, secrets_dir, finished
        self._lines = {named(number): _Line(one, breakers.add(named(number))) for number, one in enumerate(receivers, 1)}
        self._news = threading.Condition()
        self._stopping, self._closing = threading.Event(), False

    def accept(self, messages: Iterable[Message]) -> None:
        """Deliver these, each line in the order given; one that is in hand already is not taken twice, one that is through is finished."""
        through = []
        with self._news:
            if self._closing:
                return
            for message in messages:
                line = self._lines.get(message.receiver)
                if line is None:
                    continue
                if message.delivery in line.known:
                    through += [message.id] if line.known[message.delivery] else []
                    continue
                self._queue(line, message)
            self._news.notify_all()
        for row in through:
            self._finished(row, True)

    def _queue(self, line: _Line, message: Message) -> None:
        """Put it at the end of its line, and see that somebody works there."""
        line.waiting.append(message)
        line.known[message.delivery] = False
        if len(line.known) > _REMEMBERED:
            del line.known[next(iter(line.known))]
        if line.thread is None:
            line.thread = threading.Thread(target=self._work, args=(line,), name=line.breaker.name, daemon=True)
            line.thread.start()

    def test(self) -> list[dict[str, Any]]:
        """Send every receiver a message of its own now, past its line and its breaker, all at once; what came of it.

        [{"receiver", "format", "address", "delivered", "seconds", "detail"}]; the address is without path and query. Blocks for as long
        as the slowest receiver, which has its timeout but no more than 10 s for each message.
        """
        with ThreadPoolExecutor(max(1, len(self._lines)), thread_name_prefix="webhook-test") as pool:
            return list(pool.map(self._test, self._lines.values()))

    def close(self, grace_seconds: float = 2.0) -> None:
        """Take nothing more, give what waits a moment to go out, and end the threads."""
        with self._news:
            self._closing = True
            self._news.notify_all()
            self._news.wait_for(lambda: not any(line.waiting and self._may_go(line) for line in self._lines.values()), grace_seconds)
            self._stopping.set()
            self._news.notify_all()
        for line in self._lines.values():
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
                    self._post(line.receiver, fetcher, uuid.uuid4().hex, worded({"event": event, "alert": _trial(now_ns)}, now_ns))
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

    def _first(self, line: _Line) -> Message | None:
        """The oldest message that is still worth sending, waited for; None when it is time to end."""
        while not self._stopping.is_set():
            with self._news:
                old = line.waiting[0] if line.waiting and self._clock() - line.waiting[0].queued_ns > OLDEST_NS else None
                if old is None and line.waiting:
                    return line.waiting[0]
                if old is None and self._closing:
                    return None
                if old is None:
                    self._news.wait()
            if old is not None:
                self._leave(line, old, delivered=False)
        return None

    def _deliver(self, line: _Line, fetcher: "Fetcher", message: Message) -> None:
        """Send it, and take it from the line. Raises SourceFailed, Cancelled."""
        with line.breaker.guard():
            self._post(line.receiver, fetcher, message.delivery, message.told)
        self._leave(line, message, delivered=True)

    def _leave(self, line: _Line, message: Message, *, delivered: bool) -> None:
        """Take the message from the line and from the box; a box that cannot be written now offers it again after a restart."""
        with self._news:
            line.known[message.delivery] = True
        try:
            self._finished(message.id, delivered)
        except RpsdError as error:
            logger().warning(f"{line.breaker.name}: the box keeps a message: {error.detail}", operation="deliver", error_code=error.code)
        with self._news:
            line.waiting.popleft()
            self._news.notify_all()

    def _post(self, receiver: Receiver, fetcher: "Fetcher", identifier: str, told: Mapping[str, Any]) -> None:
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
