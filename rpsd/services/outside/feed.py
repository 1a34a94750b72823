"""From the box to the deliverers, in a thread of its own: who raises an alert waits for neither."""

import threading

from rpsd.core.errors import RpsdError
from rpsd.services.outside.delivery import Delivery
from rpsd.services.outside.outbox import Outbox
from rpsd.telemetry import logger

_AGAIN_SECONDS = 60.0
"""How soon a box that could not be read is looked into again."""


class Feed:
    """news() says that the box holds something new; close() hands over what is left, and ends the deliveries."""

    def __init__(self, outbox: Outbox, delivery: Delivery) -> None:
        self._outbox, self.delivery = outbox, delivery
        self._news, self._lock = threading.Event(), threading.Lock()
        self._closing, self._after = False, 0
        self._thread: threading.Thread | None = None

    def news(self, *_: object) -> None:
        """Look into the box soon; from any thread, and at once."""
        self._news.set()
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
                self._thread.start()

    def close(self, grace_seconds: float = 2.0) -> None:
        """Hand over what is there, and give it a moment to go out; what has not is kept for the next start."""
        with self._lock:
            self._closing, thread = True, self._thread
        if thread is not None:
            self._news.set()
            thread.join(5.0)
        self.delivery.close(grace_seconds)

    def _work(self) -> None:
        """Until close(): whenever there is news, hand over what lies behind what was handed over before."""
        again: float | None = None
        while not self._closing or self._news.is_set():
            self._news.wait(again)
            self._news.clear()
            try:
                again = None
                while page := self._outbox.page(self._after):
                    self.delivery.accept(page)
                    self._after = page[-1].id
            except RpsdError as error:
                logger().warning(f"the box cannot be read: {error.detail}", operation="deliver", error_code=error.code)
                again = _AGAIN_SECONDS
