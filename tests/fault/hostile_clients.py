"""Clients of ill will, thousands in one process: `python -m tests.fault.hostile_clients PORT KIND COUNT SECONDS [PATH [KEY]]`.

- `silent` connects and says nothing;
- `slow_header` sends a header that never ends, a byte a second;
- `slow_body` announces a body and sends it a byte a second;
- `slow_read` asks for PATH and takes 4,000 bytes of the answer a second, every second client none, through a small buffer; it sends an
  empty line a second, which is no silence.

Raw sockets and one epoll, no parsing: the generator must not be what is slow. Each client that is cut comes back, so that their number
stays. They arrive over nine seconds: thousands within one measure how fast connections are made, not what it costs to hold them. At the
end one line of JSON: how many were opened, how many cut, and after how many seconds each (at most 20,000).
"""

import contextlib
import json
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

_TICK: Final = 0.01  # a crowd that moves ten times a second moves in waves, and no crowd does
_TURN: Final = 1.0  # seconds between two bytes of one client
_ARRIVAL_SECONDS: Final = 9.0  # in which all come, and at that pace they come back: faster than any kind of them is cut
_ROOM: Final = 1 << 14
_NO_PORT_YET: Final = 24  # IP_BIND_ADDRESS_NO_PORT, linux/in.h

BEGINNINGS: Final = {
    "silent": "",
    "slow_header": "GET {path} HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
    "slow_body": "POST {path} HTTP/1.1\r\nhost: localhost\r\n{key}content-type: application/json\r\ncontent-length: 100000\r\n\r\n[",
    "slow_read": "GET {path} HTTP/1.1\r\nhost: localhost\r\n{key}\r\n",
}


@dataclass
class Crowd:
    """So many clients of one kind."""

    port: int
    kind: str
    count: int
    beginning: bytes
    opened: int = 0
    refused: int = 0
    lasted: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.epoll = select.epoll()
        self.since: dict[int, tuple[socket.socket, float]] = {}
        self.due: dict[int, float] = {}

    def open(self) -> None:
        """One client more, from one of 200 addresses: a single one has not ports enough for those that come back."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)  # before connecting: it bounds the window
        client.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
        client.bind((f"127.{16 + sorted(BEGINNINGS).index(self.kind)}.0.{1 + self.opened % 200}", 0))
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect(("127.0.0.1", self.port))
        self.opened += 1
        self.since[client.fileno()] = (client, time.monotonic())
        watched = select.EPOLLRDHUP if self.kind == "slow_read" else select.EPOLLIN | select.EPOLLRDHUP
        self.epoll.register(client.fileno(), select.EPOLLOUT | select.EPOLLERR | watched | select.EPOLLET)

    def begin(self, number: int) -> None:
        """Connected: the first bytes, if any."""
        client, _ = self.since[number]
        now = time.monotonic()
        self.since[number] = (client, now)
        self.due[number] = now + _TURN
        with contextlib.suppress(OSError):
            client.send(self.beginning)

    def go_on(self, number: int) -> None:
        """What a slow client does once a second. An error tells that it was cut."""
        client, _ = self.since[number]
        try:
            if self.kind == "slow_read":
                client.send(b"\r\n")
                with contextlib.suppress(BlockingIOError):
                    if number % 2 and not client.recv(4000):
                        self.end(number)
            elif self.kind != "silent":
                client.send(b"1")
        except OSError:
            self.end(number)

    def end(self, number: int) -> None:
        """Cut."""
        client, since = self.since.pop(number)
        if self.due.pop(number, None) is None:
            self.refused += 1
        else:
            self.lasted.append(time.monotonic() - since)
        client.close()

    def live(self, seconds: float) -> None:
        """Keep so many clients for so long."""
        until, room = time.monotonic() + seconds, 0.0
        while time.monotonic() < until:
            tick = time.monotonic() + _TICK
            room += self.count / _ARRIVAL_SECONDS * _TICK
            coming = min(int(room), self.count - len(self.since))
            room = min(room - coming, 1.0)
            for _ in range(coming):
                self.open()
            while (left := tick - time.monotonic()) > 0:
                self._hear(left)
            now = time.monotonic()
            for number in list(takewhile(lambda number: self.due[number] <= now, self.due)):  # noqa: B023 - within the turn
                del self.due[number]
                self.due[number] = now + _TURN  # behind the others: in the order of their turns
                self.go_on(number)

    def _hear(self, seconds: float) -> None:
        for number, event in self.epoll.poll(seconds, 4096):
            if number not in self.since:
                continue
            if event & select.EPOLLOUT and number not in self.due and not event & (select.EPOLLERR | select.EPOLLHUP):
                self.begin(number)
            elif event & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                self.end(number)
            elif event & select.EPOLLIN:  # an answer, such as 408: the end follows
                with contextlib.suppress(OSError):
                    self.since[number][0].recv(4096)


def main(port: str, kind: str, count: str, seconds: str, path: str = "/health/live", key: str = "") -> None:
    """Live, then tell."""
    beginning = BEGINNINGS[kind].format(path=path, key=f"x-api-key: {key}\r\n" if key else "").encode()
    crowd = Crowd(int(port), kind, int(count), beginning)
    crowd.live(float(seconds))
    told = {"kind": kind, "opened": crowd.opened, "held": len(crowd.due), "refused": crowd.refused, "lasted": crowd.lasted[:20_000]}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
