"""Tickets: what a browser, which can send no header with a WebSocket, opens one with. Once, and soon."""

import hashlib
import secrets
import threading
from collections.abc import Callable
from typing import Final

from rpsd.core.market import SECOND_NS
from rpsd.services.access.principal import Principal

LIFE_NS: Final = 30 * SECOND_NS
"""How long a ticket can be used."""
MOST_EACH: Final = 16
"""Tickets of one principal; one more puts its oldest out of use."""
_MOST: Final = 16_384
_BYTES: Final = 24


class Tickets:
    """All of them in memory: a restart ends them, as it ends the sockets."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[bytes, tuple[Principal, int]] = {}  # in the order of their making

    def issue(self, principal: Principal) -> tuple[str, int]:
        """A new ticket and when it ends (ns UTC). O(open tickets)."""
        ticket, now_ns = secrets.token_urlsafe(_BYTES), self._clock()
        ends_ns = min(now_ns + LIFE_NS, principal.expires_ns or now_ns + LIFE_NS)
        with self._lock:
            for old in [digest for digest, (_, end_ns) in self._open.items() if end_ns <= now_ns]:
                del self._open[old]
            own = [digest for digest, (holder, _) in self._open.items() if holder.id == principal.id]
            for old in own[: max(0, len(own) - MOST_EACH + 1)]:
                del self._open[old]
            if len(self._open) >= _MOST:
                del self._open[next(iter(self._open))]
            self._open[_digest(ticket)] = principal, ends_ns
        return ticket, ends_ns

    def redeem(self, ticket: str) -> Principal | None:
        """Who the ticket was made for, if it is an open one; it is none afterwards."""
        with self._lock:
            principal, ends_ns = self._open.pop(_digest(ticket), (None, 0))
        return principal if ends_ns > self._clock() else None


def _digest(ticket: str) -> bytes:
    """What is held instead of the ticket, so that the time of a lookup says nothing of those that are open."""
    return hashlib.blake2b(ticket.encode("utf-8", "surrogatepass"), digest_size=16).digest()
