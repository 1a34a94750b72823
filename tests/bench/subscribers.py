"""Many WebSocket readers in one process, over raw sockets: healthy ones, some that stop reading, and some that vanish.

One that vanishes has a filter on its socket that throws away whatever the kernel receives for it: nothing is acknowledged and nothing
answered, as when a cable is cut. One that stops reading has a small receive buffer, which is full soon after.
"""

import ctypes
import json
import resource
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Final

from tests.bench.stream_server import CHANNELS

_ATTACH_FILTER: Final = 26  # asm-generic/socket.h
_DATA: Final = b'"type":"data"'
_SEQUENCE: Final = b'"sequence":'
_AT: Final = b'"at":'
_HELLO: Final = (
    "GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-API-Key: {key}\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@dataclass
class Reader:
    socket: socket.socket
    last: int = 0
    lost: int = 0
    seen: int = 0
    rest: bytes = b""
    waits: list[float] = field(default_factory=list)

    def read(self) -> None:
        """Take what has come; lateness of each event, and events that a jump of the sequence shows to be lost."""
        given = self.socket.recv(1 << 16)
        if not given:
            raise ConnectionResetError
        now = time.perf_counter()
        text, end = self.rest + given, 0
        while (place := text.find(_DATA, end)) >= 0 and (at := text.find(_AT, place)) >= 0 and (stop := text.find(b",", at)) >= 0:
            begin = text.index(_SEQUENCE, place) + len(_SEQUENCE)
            sequence = int(text[begin : text.index(b",", begin)])
            self.lost += max(0, sequence - self.last - 1) if self.last else 0
            self.last, end = sequence, stop
            self.seen += 1
            self.waits.append(now - float(text[at + len(_AT) : stop]))
        self.rest = text[end:][-512:]


def vanish(connection: socket.socket) -> None:
    """From now on the kernel receives nothing for this socket."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, 0: keep no byte
    program = struct.pack("HL", 1, ctypes.addressof(code))
    connection.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)


def opened(port: int, key: str, channel: str, *, small: bool) -> Reader:
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", port))
    connection.sendall(_HELLO.format(key=key).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101"), answer[:300]
    frame = json.dumps({"type": "subscribe", "channels": [channel]}).encode()
    connection.sendall(bytes((0x81, 0x80 | len(frame), 0, 0, 0, 0)) + frame)  # masked with zeros
    connection.setblocking(False)
    return Reader(connection)


def main(port: int, keys: list[str], healthy: int, stalled: int, gone: int, seconds: float) -> None:
    """Open all, read for a while, then let some stop and some vanish; one line of JSON at that moment and one at the end."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    poll, readers = select.epoll(), {}
    kinds = ["stalled"] * stalled + ["gone"] * gone + ["healthy"] * healthy
    by_kind: dict[str, list[Reader]] = {kind: [] for kind in kinds}
    for n, kind in enumerate(kinds):
        reader = opened(port, keys[n % len(keys)], CHANNELS[n % len(CHANNELS)], small=kind == "stalled")
        readers[reader.socket.fileno()] = reader
        by_kind[kind].append(reader)
        poll.register(reader.socket.fileno(), select.EPOLLIN)

    cut = 0

    def read_until(until: float) -> None:
        nonlocal cut
        while (left := until - time.perf_counter()) > 0:
            for descriptor, _ in poll.poll(min(left, 0.1)):
                try:
                    readers[descriptor].read()
                except BlockingIOError:
                    pass
                except OSError:
                    cut += 1
                    poll.unregister(descriptor)

    read_until(time.perf_counter() + 3.0)
    for reader in readers.values():
        reader.waits.clear()
        reader.seen = 0
    print(json.dumps({"begun": time.perf_counter()}), flush=True)
    for reader in by_kind.get("stalled", []) + by_kind.get("gone", []):
        poll.unregister(reader.socket.fileno())
    for reader in by_kind.get("gone", []):
        vanish(reader.socket)
    read_until(time.perf_counter() + seconds)
    waits = sorted(wait for reader in by_kind["healthy"] for wait in reader.waits)
    told = {
        "seen": len(waits),
        "lost": sum(reader.lost for reader in by_kind["healthy"]),
        "fewest": min(reader.seen for reader in by_kind["healthy"]),
        "cut": cut,
        "p50_ms": waits[len(waits) // 2] * 1e3,
        "p99_ms": waits[int(len(waits) * 0.99)] * 1e3,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2].split(","), *map(int, sys.argv[3:6]), float(sys.argv[6]))
