"""A rate that is kept from this side: so many calls in a stretch of time, the rest wait or are left to another time."""

import threading
from collections.abc import Callable
from typing import Final

from rpsd.core.market import SECOND_NS

_PATIENCE_SECONDS: Final = 60.0
"""The longest wait for one call; a longer one is not worth a thread."""


class Pace:
    """`calls` in any `per_seconds`: a bucket of that many, refilled evenly; safe between threads. A new one is full."""

    def __init__(self, calls: int, per_seconds: float, clock: Callable[[], int]) -> None:
        """`clock` tells ns UTC."""
        self._clock, self._calls, self._gap_ns = clock, calls, per_seconds / calls * SECOND_NS
        self._lock = threading.Lock()
        self._room, self._at_ns = float(calls), clock()

    def take(self, sleep: Callable[[float], None]) -> bool:
        """Take a call, after a wait of at most a minute; False when that is not enough. O(1)."""
        with self._lock:
            now_ns = self._clock()
            self._room = min(float(self._calls), self._room + max(0, now_ns - self._at_ns) / self._gap_ns)
            self._at_ns = now_ns
            wait = max(0.0, (1.0 - self._room) * self._gap_ns / SECOND_NS)
            if wait > _PATIENCE_SECONDS:
                return False
            self._room -= 1.0  # below zero while somebody waits for it
        if wait:
            sleep(wait)
        return True
