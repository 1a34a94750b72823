"""What waits for `rpsd outbound`: messages of the box, and errands, which live as long as somebody waits for them."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import ERRORS, Cancelled, Fault, OutboundMissing, RpsdError, SourceFailed

if TYPE_CHECKING:
    from rpsd.services.outside.outbox import Outbox

PATIENCE_SECONDS: Final = 60.0
"""Silence after which nobody is there to carry anything out."""
_LOOK_SECONDS: Final = 0.2
_CLASSES: Final = {error.code: error for error in ERRORS}


@dataclass(slots=True)
class _Errand:
    """Something to be done outside; `error` or `result` once `done` is set."""

    id: int
    kind: str
    args: Mapping[str, Any]
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: Mapping[str, Any] | None = None
    share: float = 0.0
    message: str = ""
    unwanted: bool = False


class Relay:
    """poll() hands out what is new to the carrier, run() has an errand done. `epoch` names this process: its errands end with it.

    `told` is called with each report of the carrier: how its breakers, sources and deliveries stand.
    """

    def __init__(self, outbox: "Outbox | None", told: Callable[[Mapping[str, Any]], None] = lambda _: None) -> None:
        self._outbox, self._told = outbox, told
        self.epoch = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._errands: dict[int, _Errand] = {}
        self._next = 1
        self._handed = 0
        self._waiting: set[Callable[[], object]] = set()
        self._heard = self._began = time.monotonic()
        self.leaving = False

    def missing(self) -> bool:
        """Whether nobody has asked for work for a minute."""
        return time.monotonic() - self._heard > PATIENCE_SECONDS

    def poll(self, epoch: str, messages_after: int, errands_after: int, report: Mapping[str, Any] | None) -> dict[str, Any]:
        """What lies behind what the carrier knows; all of it when it knows another epoch. At once, be it nothing."""
        self._heard = time.monotonic()
        if report is not None:
            self._told(report)
        if epoch != self.epoch:
            messages_after = errands_after = 0
        messages = [] if self._outbox is None else self._outbox.page(messages_after)
        with self._lock:
            self._handed = max([self._handed, *(one.id for one in messages)])
            errands = [{"id": one.id, "kind": one.kind, "args": dict(one.args)} for one in self._errands.values() if one.id > errands_after]
        listed = [
            {"id": one.id, "receiver": one.receiver, "delivery": one.delivery, "queued_ns": one.queued_ns, "told": one.told}
            for one in messages
        ]
        return {"epoch": self.epoch, "messages": listed, "errands": errands}

    @contextmanager
    def hearing(self, call: Callable[[], object]) -> Iterator[None]:
        """Within it, `call` is called from any thread when there is news."""
        with self._lock:
            self._waiting.add(call)
        try:
            yield
        finally:
            self._heard = time.monotonic()
            with self._lock:
                self._waiting.discard(call)

    def news(self, *_: object) -> None:
        """Tell those that wait that there is something new."""
        with self._lock:
            waiting = tuple(self._waiting)
        for call in waiting:
            call()

    def delivered(self, row: int, *, delivered: bool) -> None:
        """A message has arrived, or was given up after a day. One commit.

        One that this process has handed to nobody stays: a carrier of before a restart is offered it anew, and tells again.
        """
        self._heard = time.monotonic()
        if self._outbox is not None and row <= self._handed:
            self._outbox.finish(row, delivered)

    def kind(self, errand_id: int) -> str:
        """Of what kind an errand is that somebody waits for, or nothing."""
        with self._lock:
            errand = self._errands.get(errand_id)
        return "" if errand is None else errand.kind

    def progress(self, errand_id: int, share: float, message: str) -> bool:
        """How far an errand is; whether it is still wanted."""
        self._heard = time.monotonic()
        with self._lock:
            errand = self._errands.get(errand_id)
        if errand is None or errand.unwanted:
            return False
        errand.share, errand.message = share, message
        return True

    def finish(self, errand_id: int, result: Any, error: Mapping[str, Any] | None) -> None:
        """An errand is done, or has failed with {"code", "detail", "hint"?, "errors"?}; one that nobody waits for is nothing."""
        self._heard = time.monotonic()
        with self._lock:
            errand = self._errands.get(errand_id)
        if errand is not None:
            errand.result, errand.error = result, error
            errand.done.set()

    def run(
        self,
        kind: str,
        args: Mapping[str, Any],
        *,
        progress: Callable[[float, str], None] = lambda *_: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Have the carrier do it, and wait. Raises what it raised there, Cancelled, OutboundMissing after a minute of silence."""
        with self._lock:
            errand = self._errands[self._next] = _Errand(self._next, kind, args)
            self._next += 1
        self.news()
        began, told = time.monotonic(), (0.0, "")
        try:
            while not errand.done.wait(_LOOK_SECONDS):
                if cancelled() or self.leaving:
                    raise Cancelled(f"the {kind} was stopped")
                if time.monotonic() - max(began, self._heard) > PATIENCE_SECONDS:
                    raise OutboundMissing(f"nobody has come for the {kind} for {PATIENCE_SECONDS:g} s")
                if (now := (errand.share, errand.message)) != told:
                    told = now
                    progress(*now)
        finally:
            errand.unwanted = True
            with self._lock:
                self._errands.pop(errand.id, None)
        if errand.error is not None:
            raise _rebuilt(errand.error)
        return errand.result

    def leave(self) -> None:
        """The process ends: nobody waits any longer."""
        self.leaving = True
        self.news()


def _rebuilt(told: Mapping[str, Any]) -> RpsdError:
    """The error that the carrier met."""
    faults = [Fault(str(one.get("pointer", "")), str(one.get("reason", ""))) for one in told.get("errors") or ()]
    known = _CLASSES.get(str(told.get("code")), SourceFailed)  # what goes wrong out there is no fault of this process
    return known(str(told.get("detail")), errors=faults, hint=told.get("hint"), retry_after=told.get("retry_after"))
