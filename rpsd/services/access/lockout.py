"""Peers that fail to log in too often are locked out, longer each time; keys that have worked from there lately go on working."""

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rpsd.core.market import SECOND_NS
from rpsd.services.access.limiter import crowd
from rpsd.store import lockout as rows
from rpsd.store.db import Connection, Database
from rpsd.store.lockout import FORGOTTEN_NS, MOST_KNOWN, MOST_LOCKED, Locked

_LONGEST_MINUTES: Final = 60
_SEEN_NS: Final = 3600 * SECOND_NS
"""That a key works from a peer is written at most once in this time."""
_MOST_FAILING: Final = 16_384
"""Peers whose failures are counted; the ones that were silent longest go first."""

Write = Callable[[Callable[[Connection], object]], None]


@lru_cache(8192)
def network_of(peer: str) -> str:
    """What is locked: the IPv4 address, or the first 64 bits of the IPv6 one; empty for this machine, a UNIX socket and no address.

    >>> network_of("192.0.2.7"), network_of("::ffff:192.0.2.7"), network_of("2001:db8::1:2"), network_of("127.0.0.1"), network_of("unix")
    ('192.0.2.7', '192.0.2.7', '2001:db8::/64', '', '')
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    return "" if (getattr(address, "ipv4_mapped", None) or address).is_loopback else crowd(str(address))


class Lockout:
    """`failures` within `window_ns` lock a network for 1, 2, 4 … 60 minutes; a day without a lock begins anew.

    Lockouts and where keys have worked are kept in the database, written by `write` without being waited for; failures are in memory.
    """

    def __init__(self, database: Database, write: Write, *, failures: int, window_ns: int, now_ns: int) -> None:
        self._write, self._failures, self._window_ns = write, failures, window_ns
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, list[int]] = OrderedDict()
        held, known = database.read(lambda c: (rows.locked(c, now_ns), rows.known(c, now_ns)))
        self._locked: dict[str, Locked] = {row.peer: row for row in held}
        self._known: dict[tuple[str, str], int] = {(key_id, peer): seen_ns for key_id, peer, seen_ns in known}

    def seconds_left(self, network: str, now_ns: int) -> float:
        """How long the network is locked for yet; 0 when it is not."""
        row = self._locked.get(network)
        return 0.0 if row is None else max(0, row.until_ns - now_ns) / SECOND_NS

    def knows(self, network: str, key_id: str, now_ns: int) -> bool:
        """Whether the key has worked from there within a day."""
        return now_ns - self._known.get((key_id, network), -FORGOTTEN_NS) < FORGOTTEN_NS

    def worked(self, network: str, key_id: str, now_ns: int) -> None:
        """The key has worked from there."""
        pair = key_id, network
        if now_ns - self._known.get(pair, -_SEEN_NS) < _SEEN_NS:
            return
        with self._lock:
            self._known.pop(pair, None)  # to the end: the oldest stands first
            dropped = next(iter(self._known)) if len(self._known) >= MOST_KNOWN else None
            if dropped is not None:
                del self._known[dropped]
            self._known[pair] = now_ns
        self._write(lambda c: rows.know(c, key_id, network, now_ns, dropped))

    def succeed(self, key_id: str, successor: str, now_ns: int) -> None:
        """Where the key has worked, the one that replaces it is known too: else a stranger there could keep it out."""
        for known_id, network in list(self._known):
            if known_id == key_id and self.knows(network, key_id, now_ns):
                self.worked(network, successor, now_ns)

    def failed(self, network: str, now_ns: int) -> Locked | None:
        """A login from there has failed; the lockout that this begins, or None. O(failures)."""
        with self._lock:
            times = [then for then in self._failed.pop(network, ()) if now_ns - then < self._window_ns]
            times.append(now_ns)
            if len(times) < self._failures:
                self._failed[network] = times
                if len(self._failed) > _MOST_FAILING:
                    self._failed.popitem(last=False)
                return None
            before = self._locked.pop(network, None)
            dropped = next(iter(self._locked)) if len(self._locked) >= MOST_LOCKED else None
            if dropped is not None:
                del self._locked[dropped]
            locked = self._locked[network] = _next(network, before, now_ns)
        self._write(lambda c: rows.lock(c, locked, dropped))
        return locked

    def prune(self, c: Connection, now_ns: int) -> int:
        """Drop what no longer counts; returns how many rows."""
        with self._lock:
            for network in [row.peer for row in self._locked.values() if now_ns - row.until_ns >= FORGOTTEN_NS]:
                del self._locked[network]
            for pair in [pair for pair, seen_ns in self._known.items() if now_ns - seen_ns >= FORGOTTEN_NS]:
                del self._known[pair]
        return rows.prune(c, now_ns)


def _next(network: str, before: Locked | None, now_ns: int) -> Locked:
    rounds = 1 if before is None or now_ns - before.until_ns >= FORGOTTEN_NS else before.rounds + 1
    minutes = min(_LONGEST_MINUTES, 1 << min(rounds - 1, 6))
    return Locked(network, rounds, now_ns + minutes * 60 * SECOND_NS)
