"""How a TCP connection has been used, in the kernel's words, and how long it may be of no use."""

import socket
import struct
from dataclasses import dataclass
from typing import Final

_INFO: Final = 160  # bytes of struct tcp_info up to data_segs_out; linux/tcp.h
_ESTABLISHED: Final = 1
_PACE: Final = 1 << 16  # bytes that a reader takes within its time while an answer waits for it: some 4 KiB/s by the defaults
_COOKIE: Final = getattr(socket, "SO_COOKIE", 57)  # asm-generic/socket.h; a name in Python from 3.15 on


@dataclass(frozen=True, slots=True)
class Silence:
    """Bytes received, whether data was sent, seconds since the last of each, bytes the peer has acknowledged and bytes it makes wait."""

    established: bool
    received: int
    answered: bool
    since_received: float
    since_sent: float
    taken: int = 0
    waiting: int = 0

    @property
    def owed(self) -> bool:
        """Whether the peer has sent something that nothing was sent after: a request, or a piece of one."""
        return self.received > 0 and (not self.answered or self.since_sent > self.since_received)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a connection may be of no use: before its first byte, within its headers, between two requests, and while it is read.

    `ahead` seconds before a limit a connection counts as over it: a walk must not come too late because the next one would.
    """

    first_byte: float
    header: float
    keepalive: float
    reading: float = 15.0
    ahead: float = 0.0

    def is_over(self, seen: Silence, unanswered_for: float = 0.0) -> bool:
        """Whether a connection without a request in flight is silent for too long, or has sent its headers for `unanswered_for`."""
        if not seen.established:
            return False
        if seen.received == 0:
            return seen.since_received + self.ahead > self.first_byte
        if not seen.answered:
            return max(seen.since_received, unanswered_for) + self.ahead > self.header
        return unanswered_for + self.ahead > self.header or min(seen.since_received, seen.since_sent) + self.ahead > self.keepalive

    def is_stuck(self, seen: Silence, was: Silence, seconds: float) -> bool:
        """Whether a reader that made data wait for so many seconds has hardly taken any of it since it `was` seen first."""
        return seen.established and seen.waiting > 0 and seconds + self.ahead > self.reading and not self.is_moving(seen, was)

    def is_moving(self, seen: Silence, was: Silence) -> bool:
        """Whether the reader has taken enough since then to begin a new time."""
        return seen.waiting == 0 or seen.taken - was.taken >= _PACE


def silence(connection: socket.SocketType) -> Silence:
    """TCP_INFO of a connection. Raises OSError when it is not TCP. Source: struct tcp_info, include/uapi/linux/tcp.h."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
    last_sent, _, last_received = struct.unpack_from("=III", info, 44)  # milliseconds
    taken, received = struct.unpack_from("=QQ", info, 120)
    (waiting,) = struct.unpack_from("=I", info, 144)
    (segments,) = struct.unpack_from("=I", info, 156)
    return Silence(info[0] == _ESTABLISHED, received, segments > 0, last_received / 1e3, last_sent / 1e3, taken, waiting)


def cookie(connection: socket.SocketType) -> bytes:
    """The kernel's name of a socket, never given twice: a descriptor's number is. Raises OSError for what is no socket."""
    return connection.getsockopt(socket.SOL_SOCKET, _COOKIE, 8)
