"""The carrier: asks the serving process for what is to go out, carries it out, and tells how that went."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from rpsd.client import Client
from rpsd.config import Settings
from rpsd.core.errors import Cancelled, InternalError, RpsdError, Unavailable
from rpsd.core.source import Message
from rpsd.outbound.series import DistantSeries
from rpsd.services.outside.breaker import Breakers
from rpsd.services.outside.copying import copy_away
from rpsd.services.outside.delivery import Delivery
from rpsd.services.outside.errand import FETCH, OFFSITE, TEST
from rpsd.services.outside.source import SourceService
from rpsd.telemetry import Metrics, logger

_POLL: Final = "/api/v1/outbound/poll"
_WAIT_SECONDS: Final = 5.0
"""How long a call waits for news; reports are no older than that."""
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_ASK_SECONDS: Final = 1.0
"""Between two questions whether an errand is still wanted."""

Errand = Callable[[dict[str, Any], Callable[[float, str], None], Callable[[], bool]], Any]
"""Does it: args, progress(share, message), cancelled()."""


class Carrier:
    """run() until stop(). What it has in hand when it is killed is handed out again to the next one, under the same names."""

    def __init__(self, settings: Settings, client: Client, clock: Callable[[], int] = time.time_ns) -> None:
        self._settings, self._client, self._stopping = settings, client, threading.Event()
        self.breakers = Breakers(clock, Metrics())
        self._series = DistantSeries(client)
        self._sources = SourceService(settings, self._series, self.breakers, Metrics(), clock)
        self._delivery = Delivery(settings.alerts.webhooks, self.breakers, clock, settings.storage.secrets_dir, self._finished)
        self._errands: dict[str, Errand] = {FETCH: self._fetch, TEST: lambda *_: self._delivery.test(), OFFSITE: self._copy}
        self._epoch, self._messages_after, self._errands_after = "", 0, 0
        self.beats = 0

    def run(self) -> None:
        """Ask, carry, tell, until stop(); a server that does not answer is asked again with growing pauses."""
        pause, trouble = _FIRST_PAUSE, ""
        while not self._stopping.is_set():
            self.beats += 1
            try:
                self._take(self._poll(_WAIT_SECONDS))
                pause, trouble = _FIRST_PAUSE, ""
            except RpsdError as error:
                if error.code != trouble:
                    logger().warning(f"no work from the server: {error.detail}", operation="outbound", error_code=error.code)
                trouble = error.code
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def stop(self, grace_seconds: float = 2.0) -> None:
        """End the errands, and give the messages in hand a moment to go out."""
        self._stopping.set()
        self._delivery.close(grace_seconds)

    def _poll(self, wait: float) -> dict[str, Any]:
        """One question for work, with a report."""
        report = {
            "breakers": self.breakers.snapshot(),
            "proven": self.breakers.proven(),
            "failing": self._sources.failing(),
            "closed_ns": self._sources.closed_ns(),
        }
        asked = {"epoch": self._epoch, "messages_after": self._messages_after, "errands_after": self._errands_after, "wait": wait}
        found: dict[str, Any] = self._client.ask("POST", _POLL, json=asked | {"report": report})
        return found

    def _take(self, work: dict[str, Any]) -> None:
        """Begin what is new. Another epoch is another serving process: its numbers begin anew, its errands are its own."""
        if work["epoch"] != self._epoch:
            self._epoch, self._messages_after, self._errands_after = work["epoch"], 0, 0
        messages = [Message(one["id"], one["receiver"], one["delivery"], one["queued_ns"], one["told"]) for one in work["messages"]]
        self._delivery.accept(messages)
        self._messages_after = max([self._messages_after, *(one.id for one in messages)])
        for errand in work["errands"]:
            threading.Thread(target=self._do, args=(errand,), name=f"errand-{errand['kind']}", daemon=True).start()
            self._errands_after = max(self._errands_after, errand["id"])

    def _do(self, errand: dict[str, Any]) -> None:
        """One errand to its end, whatever that is; and what it has changed is told before its end is."""
        wish = _Wish(self._client, errand["id"], self._stopping)
        told: dict[str, Any]
        try:
            told = {"result": self._errands[errand["kind"]](errand["args"], wish.progress, wish.cancelled)}
        except Cancelled:
            if self._stopping.is_set():
                return  # the next carrier does it
            told = {"error": {"code": Cancelled.code, "detail": "it was not wanted any longer"}}
        except RpsdError as error:
            told = {"error": _worded(error)}
        except Exception:  # noqa: BLE001 - whatever it was, somebody waits for an answer
            logger().exception("the errand raised", operation=f"outbound.{errand['kind']}", error_code=InternalError.code)
            told = {"error": {"code": InternalError.code, "detail": "an unexpected error; the log of rpsd-outbound has it"}}
        try:
            self._poll(0.0)
            self._client.ask("POST", f"/api/v1/outbound/errands/{errand['id']}/finish", json=told)
        except RpsdError as error:  # the server has ended, and with it who waited
            logger().warning(f"nobody heard what came of it: {error.detail}", operation="outbound", error_code=error.code)

    def _fetch(self, args: dict[str, Any], progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> dict[str, Any]:
        self._series.renew()
        return self._sources.fetch(args["source"], args["symbol"], eager=args["eager"], progress=progress, cancelled=cancelled)

    def _copy(self, args: dict[str, Any], progress: Callable[[float, str], None], cancelled: Callable[[], bool]) -> dict[str, Any]:
        return copy_away(self._settings, str(args["name"]), progress=progress, cancelled=cancelled)

    def _finished(self, row: int, delivered: bool) -> None:
        """Have the message taken out of the box, however long that takes: till then it would be handed out again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._client.ask("POST", f"/api/v1/outbound/messages/{row}/finish", json={"delivered": delivered})
            except Unavailable:
                if self._stopping.wait(pause):
                    raise
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return


class _Wish:
    """Whether an errand is still wanted, asked now and then, and how far it is, told with the question."""

    def __init__(self, client: Client, errand: int, stopping: threading.Event) -> None:
        self._client, self._errand, self._stopping = client, errand, stopping
        self._wanted, self._share, self._message = True, 0.0, ""
        self._asked = time.monotonic()

    def progress(self, share: float, message: str) -> None:
        """Tell how far it is, with the next question."""
        self._share, self._message = share, message
        self.cancelled()

    def cancelled(self) -> bool:
        """Whether to stop: nobody waits any longer, or the carrier ends. A server that is away for a moment changes nothing."""
        now = time.monotonic()
        if self._wanted and now - self._asked >= _ASK_SECONDS and not self._stopping.is_set():
            self._asked = now
            try:
                answer = self._client.ask(
                    "POST", f"/api/v1/outbound/errands/{self._errand}/progress", json={"share": self._share, "message": self._message[:500]}
                )
                self._wanted = bool(answer["wanted"])
            except RpsdError as error:
                logger().info(f"progress was not heard: {error.detail}", operation="outbound", error_code=error.code)
        return self._stopping.is_set() or not self._wanted


def _worded(error: RpsdError) -> dict[str, Any]:
    """An error for the way over the socket."""
    errors = [{"pointer": fault.pointer, "reason": fault.reason} for fault in error.errors]
    return {"code": error.code, "detail": error.detail[:2000], "hint": error.advice, "errors": errors, "retry_after": error.retry_after}
