"""A load client without dependencies: saturation by pipelining, and an open loop that does not forgive a slow server."""

import asyncio
import gc
import itertools
import selectors
import socket
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def request(path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [] if body is None else [f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def saturate(port: int, message: bytes | Sequence[bytes], *, seconds: float, connections: int = 8, depth: int = 8) -> float:
    """Good answers per second when `connections` clients keep `depth` requests each in flight; several messages take turns."""
    turns = itertools.cycle([message] if isinstance(message, bytes) else message)
    selector = selectors.DefaultSelector()
    waiting: dict[socket.socket, int] = {}
    for _ in range(connections):
        peer = socket.create_connection(("127.0.0.1", port))
        selector.register(peer, selectors.EVENT_READ)
        waiting[peer] = depth
        peer.sendall(b"".join(itertools.islice(turns, depth)))
    good, begin = 0, time.perf_counter()
    while time.perf_counter() < begin + seconds:
        for key, _ in selector.select(1.0):
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            answers = peer.recv(1 << 16).count(b"HTTP/1.1 ")  # an answer that straddles two reads is a rounding error
            good += answers
            waiting[peer] -= answers
            if waiting[peer] <= 0:
                waiting[peer] = depth
                peer.sendall(b"".join(itertools.islice(turns, depth)))
    elapsed = time.perf_counter() - begin
    for peer in waiting:
        peer.close()
    return good / elapsed


class Connection(asyncio.Protocol):
    """One keep-alive connection: `ask` sends a request and gives the status of its answer."""

    def __init__(self) -> None:
        self.buffer = b""
        self.answered: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    async def ask(self, message: bytes) -> int:
        assert self.transport is not None
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return await self.answered

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or self.answered is None:
            return
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        done = len(body) >= int(lengths[0]) if lengths else body.endswith(b"0\r\n\r\n")
        if done and not self.answered.done():
            self.buffer = b""
            self.answered.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("closed before the answer"))


async def _open_loop(port: int, messages: Sequence[bytes], rate: float, seconds: float, connections: int) -> NDArray[np.float64]:
    loop = asyncio.get_running_loop()
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        idle.put_nowait((await loop.create_connection(Connection, "127.0.0.1", port))[1])
    latencies: list[float] = []

    async def one(due: float, message: bytes) -> None:
        connection = await idle.get()
        status = await connection.ask(message)
        latencies.append(loop.time() - due)  # from the moment it was due: a queue at the client counts as well
        idle.put_nowait(connection)
        if status >= 300:
            raise AssertionError(f"status {status}")

    begin = loop.time() + 0.1
    running = []
    for k in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, begin + k / rate - loop.time()))
        running.append(loop.create_task(one(begin + k / rate, messages[k % len(messages)])))
    await asyncio.gather(*running)
    while not idle.empty():
        transport = idle.get_nowait().transport
        assert transport is not None
        transport.close()
    return np.array(latencies)


def open_loop(port: int, message: bytes | Sequence[bytes], *, rate: float, seconds: float, connections: int = 32) -> NDArray[np.float64]:
    """Latencies in seconds of requests that leave on time, whatever the answers do; several messages take turns."""
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection of the client's would count as a tenth of a second of the server's
    try:
        return asyncio.run(_open_loop(port, [message] if isinstance(message, bytes) else message, rate, seconds, connections))
    finally:
        gc.enable()
        gc.unfreeze()


def p99_ms(latencies: NDArray[np.float64]) -> float:
    """99th percentile in milliseconds."""
    return float(np.percentile(latencies, 99)) * 1e3
