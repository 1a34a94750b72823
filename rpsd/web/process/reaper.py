"""Connections of no use are shut: granian waits for a first byte, and for a reader, as long as the kernel does.

The reaper shares the GIL with the loop, so it looks at some connections at a time and calls nothing on the way that lets go of the GIL:
each such call would wait for its turn again, up to a millisecond, once for every connection.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from socket import SocketType
from typing import Final

from rpsd.web.process.silence import Patience, Silence, cookie, silence

Peer = tuple[str, str]
"""(host, port) of a client, as text."""

_EVERY: Final = 1.0  # seconds between two walks, less when the patience is short
_AT_ONCE: Final = 20  # connections looked at without a pause: some 150 µs
_PAUSE: Final = 0.0005
_AT_END_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: what a stuck reader has not taken is thrown away


class Reaper:
    """Walks the process's TCP connections on its ports and shuts those that are silent or stuck for too long, or are condemned.

    `is_busy` tells whether a request of the peer is being answered: such a connection may be silent, but not stuck.
    """

    def __init__(self, ports: Collection[int], patience: Patience, is_busy: Callable[[Peer], bool]) -> None:
        shortest = min(patience.first_byte, patience.header, patience.keepalive, patience.reading)
        self._every = min(_EVERY, shortest / 8)
        self._patience = replace(patience, ahead=1.2 * self._every if patience.ahead == 0.0 else patience.ahead)
        self._ports, self._is_busy = frozenset(map(str, ports)), is_busy
        self._condemned: set[Peer] = set()
        self._unanswered: dict[bytes, float] = {}  # since when, by cookie
        self._waited_for: dict[bytes, tuple[float, Silence]] = {}
        self._names: dict[bytes, tuple[Peer, Peer]] = {}
        self._awake, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._walk_on, name="reaper", daemon=True)
        self.reaped = 0

    def start(self) -> None:
        """Walk in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the walks."""
        self._ended = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()

    def cut(self, peers: Iterable[Peer]) -> None:
        """Shut the connections of these peers at once, whatever they do; from any thread, without waiting for it."""
        self._condemned.update(peers)
        self._awake.set()

    def _walk_on(self) -> None:
        due = time.monotonic()
        while not self._ended:
            if self._condemned:
                self.reaped += self._cut_now()
            if time.monotonic() >= due:
                due = time.monotonic() + self._every
                self.reaped += self.walk()
            self._awake.wait(max(0.0, due - time.monotonic()))
            self._awake.clear()

    def walk(self) -> int:
        """One walk; how many were shut."""
        now, shut = time.monotonic(), 0
        unanswered, waited_for, names = self._unanswered, self._waited_for, self._names
        self._unanswered, self._waited_for, self._names = {}, {}, {}  # what is gone is forgotten
        for descriptor in _descriptors():
            if (looked := _look(descriptor)) is None:
                continue
            name, seen = looked
            over = self._is_over(name, seen, unanswered, now)
            stuck = seen.waiting > 0 and self._is_stuck(name, seen, waited_for, now)
            if over or stuck:
                with contextlib.suppress(OSError):  # closed meanwhile
                    shut += self._shut(descriptor, name, names, stuck=stuck)
        return shut

    def has_clients(self) -> bool:
        """Whether anybody is connected to our ports."""
        for descriptor in _descriptors():
            if _look(descriptor) is not None:
                with contextlib.suppress(OSError), socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection:
                    if _address(connection.getsockname())[1] in self._ports:
                        return True
        return False

    def end_idle(self, seconds: float) -> int:
        """Shut the connections that have been between two requests for so long; how many. Runs beside the walks, in any thread.

        One that is owed an answer is none of them, though no request of it is known as busy: it may lie unread while the loop is held up.
        Each is looked at again right before its end: a request that came in between would be met by a reset.
        """

        def idle(seen: Silence) -> bool:
            return seen.since_received > seconds and not seen.owed

        shut = 0
        for descriptor in _descriptors():
            if (looked := _look(descriptor)) is not None and idle(looked[1]):
                with contextlib.suppress(OSError):  # closed meanwhile
                    shut += self._shut(descriptor, looked[0], {}, stuck=False, still=idle)
        return shut

    def _is_over(self, name: bytes, seen: Silence, before: dict[bytes, float], now: float) -> bool:
        if not seen.owed:
            return self._patience.is_over(seen)
        since = self._unanswered[name] = before.get(name, now - self._every)  # it may have begun right after the last look
        return self._patience.is_over(seen, now - since)

    def _is_stuck(self, name: bytes, seen: Silence, before: dict[bytes, tuple[float, Silence]], now: float) -> bool:
        since, was = before.get(name, (now, seen))
        if self._patience.is_moving(seen, was):
            since, was = now, seen
        self._waited_for[name] = (since, was)
        return self._patience.is_stuck(seen, was, now - since)

    def _shut(
        self, descriptor: int, name: bytes, known: dict[bytes, tuple[Peer, Peer]], *, stuck: bool,
        still: Callable[[Silence], bool] = lambda _: True,
    ) -> int:  # fmt: skip
        """Shut the connection unless it is another's, or silent with good reason; 1 if so. Raises OSError when it is closed meanwhile."""
        if not stuck and name in known and self._is_busy(known[name][1]):
            self._spare(name, known[name])
            return 0
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection:
            if cookie(connection) != name:  # closed meanwhile, and the number given again
                return 0
            here, there = _address(connection.getsockname()), _address(connection.getpeername())
            if here[1] not in self._ports or (not stuck and self._is_busy(there)):
                self._spare(name, (here, there))
                return 0
            if not still(silence(connection)):
                return 0
            _end(connection, reset=stuck)
            return 1

    def _spare(self, name: bytes, addresses: tuple[Peer, Peer]) -> None:
        """Its request is being answered: the time of the next one's headers begins anew."""
        self._names[name] = addresses
        self._unanswered.pop(name, None)

    def _cut_now(self) -> int:
        condemned, shut = set[Peer](), 0
        while self._condemned:
            condemned.add(self._condemned.pop())
        for descriptor in _descriptors():
            if _look(descriptor) is None:
                continue
            with (
                contextlib.suppress(OSError),
                socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection,
            ):
                if _address(connection.getpeername()) in condemned and _address(connection.getsockname())[1] in self._ports:
                    _end(connection, reset=True)
                    shut += 1
        return shut


def _descriptors() -> Iterator[int]:
    """The numbers of the process's descriptors, with a pause after every few."""
    for count, name in enumerate(os.listdir("/proc/self/fd"), 1):  # noqa: PTH208 - names, thousands of them, are all that is wanted
        if count % _AT_ONCE == 0:
            time.sleep(_PAUSE)
        yield int(name)


def _look(descriptor: int) -> tuple[bytes, Silence] | None:
    """Cookie and use of an established TCP connection, None for anything else; the descriptor is borrowed, not duplicated: 3 µs."""
    try:
        connection = SocketType(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
        try:
            seen = silence(connection)
            return (cookie(connection), seen) if seen.established else None
        finally:
            connection.detach()  # its owner closes it
    except OSError:
        return None


def _end(connection: socket.socket, *, reset: bool) -> None:
    """Shut the connection down, so that the server sees the end and closes its own descriptor; with a reset when it does."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_END_RESET)
    connection.shutdown(socket.SHUT_RDWR)


def _address(name: object) -> Peer:
    """(host, port) of an IP socket's name."""
    return (str(name[0]), str(name[1])) if isinstance(name, tuple) else ("", "")
