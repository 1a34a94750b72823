"""How many calls a key or a peer has left: the generic cell rate algorithm, in memory and bounded."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from rpsd.config.kinds import Rate
from rpsd.config.settings import Limits
from rpsd.core.errors import RateLimited
from rpsd.core.market import SECOND_NS
from rpsd.services.access.principal import ANONYMOUS

if TYPE_CHECKING:
    from rpsd.services.access.principal import Principal
    from rpsd.telemetry import Metrics

KINDS: Final = ("read", "predict", "ingest", "train", "public")
"""What a call counts as; `admin` counts as read, a call without a key as public."""

_OWN: Final = "own"
"""The table of keys with a limit of their own, which counts their calls of every kind together."""
_ROOM: Final = {"public": 32_768, "read": 7_168, "predict": 7_168, "ingest": 7_168, _OWN: 7_168, "train": 4_096}
"""65,536 callers in all; by kind, so that strangers never push out keys."""


class Standing(NamedTuple):
    """What is left after a call: of `limit` calls in `window_seconds`, `remaining` at once, all of them after `reset_seconds`.

    A call that was refused says in `wait_seconds` when it would pass (above 0), and so does its reset.
    """

    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: float
    wait_seconds: float = 0.0

    def require(self) -> None:
        """Raise RateLimited when the call was refused."""
        if self.wait_seconds > 0.0:
            raise RateLimited(f"more than {self.limit} calls in {self.window_seconds:g} seconds", retry_after=self.reset_seconds)


class Table:
    """Callers and when each will have all of its calls again, in ns; at most `room` of them, those that called last.

    A caller that is not in it has all of its calls. Time never goes back in here: when the clock does, it stands still for a moment.
    For one thread. Source: ITU-T I.371 (2004), annex A, virtual scheduling.
    """

    __slots__ = ("_behind_ns", "_callers", "_clock", "_last_ns", "_room")

    def __init__(self, room: int, clock: Callable[[], int]) -> None:
        self._room, self._clock = room, clock
        self._callers: OrderedDict[str, int] = OrderedDict()
        self._last_ns, self._behind_ns = clock(), 0

    def __len__(self) -> int:
        return len(self._callers)

    def ask(self, who: str, rate: Rate, cost: int) -> Standing:
        """Take `cost` calls if they are there; O(1). A cost above the limit is taken as the limit, else it could never pass."""
        count, window = rate.count, rate.per_seconds
        step_ns = int(window * SECOND_NS) // count or 1
        most_ns, cost_ns = count * step_ns, (cost if cost < count else count) * step_ns
        now_ns, callers = self._now(), self._callers
        full_ns = max(callers.get(who, 0), now_ns)
        after_ns = full_ns + cost_ns - now_ns
        if after_ns > most_ns:
            callers.move_to_end(who)
            wait = (after_ns - most_ns) / SECOND_NS
            return Standing(count, max(0, (most_ns - full_ns + now_ns) // step_ns), math.ceil(wait), window, wait)
        callers[who] = now_ns + after_ns
        callers.move_to_end(who)
        if len(callers) > self._room:
            callers.popitem(last=False)
        return Standing(count, (most_ns - after_ns) // step_ns, -(-after_ns // SECOND_NS), window)

    def _now(self) -> int:
        now_ns = self._clock() + self._behind_ns
        if now_ns < self._last_ns:
            self._behind_ns += self._last_ns - now_ns
            return self._last_ns
        self._last_ns = now_ns
        return now_ns


class Limiter:
    """The limits of every key and peer. A restart forgets them: it gives each caller one burst more, which is its limit at most.

    Call it from the event loop's thread. Only the kind `train` may be asked from any: its lock is no part of the other kinds' way.
    """

    def __init__(self, limits: Limits, metrics: "Metrics", clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._tables = {kind: Table(room, clock) for kind, room in _ROOM.items()}
        self._rates = {kind: getattr(limits, kind) for kind in KINDS}
        self._fits = threading.Lock()
        self._refused = {kind: metrics.rate_limited_total.labels(kind) for kind in KINDS}

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def admit(self, who: str, kind: str, rate: Rate, cost: int = 1) -> Standing:
        """Count a call of `who` against a rate. Raises RateLimited."""
        standing = self._ask(who, kind, kind, rate, cost)
        standing.require()
        return standing

    def ask(self, principal: "Principal", kind: str, peer: str, cost: int = 1) -> Standing:
        """Count a call of a principal, admitted or refused; the nameless one of an open appliance is told apart by its peer.

        A key's own limit takes the place of those for read, predict and ingest, and counts them together; of fits it may have the lower
        of both.
        """
        who = crowd(peer) if principal.id == ANONYMOUS else principal.id
        rate = self._rates[kind]
        if principal.limit is None:
            return self._ask(who, kind, kind, rate, cost)
        own = _a_minute(principal.limit)
        if kind != "train":
            return self._ask(who, _OWN, kind, own, cost)
        return self._ask(who, kind, kind, min(rate, own, key=_a_second), cost)

    def ask_peer(self, peer: str) -> Standing:
        """Count a call that carries no valid key, admitted or refused: by IPv4 address, or by the /64 network of an IPv6 one."""
        return self._ask(crowd(peer), "public", "public", self._rates["public"], 1)

    def _ask(self, who: str, table: str, kind: str, rate: Rate, cost: int) -> Standing:
        if table == "train":
            with self._fits:
                standing = self._tables[table].ask(who, rate, cost)
        else:
            standing = self._tables[table].ask(who, rate, cost)
        if standing.wait_seconds > 0.0:
            self._refused[kind].inc()
        return standing


@lru_cache(1024)
def _a_minute(count: int) -> Rate:
    return Rate(count, 60.0)


def _a_second(rate: Rate) -> float:
    return rate.count / rate.per_seconds


@lru_cache(4096)
def crowd(peer: str) -> str:
    """Who stands behind an address: itself, or for IPv6 its /64 network, all of which one machine can have."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer)
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
