"""Connections that say nothing are shut: granian waits for the first byte for ever, and 1,000 silent ones would stop the service."""

import contextlib
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

_EVERY: Final = 2.0  # seconds between two walks
_INFO: Final = 160  # bytes of struct tcp_info up to data_segs_out; linux/tcp.h
_ESTABLISHED: Final = 1


@dataclass(frozen=True, slots=True)
class Silence:
    """How a connection has been used, in the kernel's words: bytes received, segments of data sent, and seconds since the last of each."""

    established: bool
    received: int
    answered: bool
    since_received: float
    since_sent: float


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a connection may be silent: before its first byte, within its headers, between two requests."""

    first_byte: float
    header: float
    keepalive: float

    def is_over(self, seen: Silence) -> bool:
        """Whether a connection without a request in flight has been silent for too long."""
        if not seen.established:
            return False
        if seen.received == 0:
            return seen.since_received > self.first_byte
        if not seen.answered:
            return seen.since_received > self.header
        return min(seen.since_received, seen.since_sent) > self.keepalive


def silence(connection: socket.socket) -> Silence:
    """TCP_INFO of a connection. Raises OSError when it is not TCP. Source: struct tcp_info, include/uapi/linux/tcp.h."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
    last_sent, _, last_received = struct.unpack_from("=III", info, 44)  # milliseconds
    (received,) = struct.unpack_from("=Q", info, 128)
    (segments,) = struct.unpack_from("=I", info, 156)
    return Silence(info[0] == _ESTABLISHED, received, segments > 0, last_received / 1e3, last_sent / 1e3)


class Reaper:
    """Walks the process's TCP connections on its ports every two seconds and shuts those that are silent for too long."""

    def __init__(self, ports: Collection[int], patience: Patience, in_flight: Callable[[], Collection[tuple[str, str]]]) -> None:
        self._ports, self._patience, self._in_flight = frozenset(map(str, ports)), patience, in_flight
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._walk_on, name="reaper", daemon=True)
        self.reaped = 0

    def start(self) -> None:
        """Walk in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the walks."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _walk_on(self) -> None:
        while not self._ended.wait(_EVERY):
            self.reaped += self.walk()

    def walk(self) -> int:
        """One walk; how many were shut. A duplicate of the descriptor is shut down, so that the server sees the end and closes its own."""
        shut = 0
        busy = frozenset(self._in_flight())
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, thousands of them, are all that is wanted
            with contextlib.suppress(OSError):  # closed meanwhile, or no TCP
                if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    shut += self._inspect(int(name), busy)
        return shut

    def _inspect(self, descriptor: int, busy: frozenset[tuple[str, str]]) -> int:
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection:
            if not self._patience.is_over(silence(connection)):
                return 0
            here, there = _address(connection.getsockname()), _address(connection.getpeername())
            if here[1] not in self._ports or there in busy:
                return 0
            connection.shutdown(socket.SHUT_RDWR)
            return 1


def _address(name: object) -> tuple[str, str]:
    """(host, port) of an IP socket's name."""
    return (str(name[0]), str(name[1])) if isinstance(name, tuple) else ("", "")
