"""Clients that do not stop while the server is restarted: an open loop, half over fresh connections, half over kept ones.

`python -m tests.system.load PORT RATE` with the key in the first line of its input asks until its input ends, then prints the outcome as
JSON. It runs in the machine's network, outside of its sandbox. A kept connection is given up when an answer says so, or when the server has
closed it; a request that went out and was not answered counts as failed, however little the client would have lost by asking again.
"""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SYMBOL: Final = "LOAD"
_HOST: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 30.0
_START: Final = 1_767_225_600
_DENOISE: Final = json.dumps({"values": [float(k % 7) for k in range(64)], "method": "wavelet"}).encode()


@dataclass
class Outcome:
    """What came of all requests: when each was due (monotonic seconds), how long it took, rows acknowledged, and how many failed why."""

    due: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)


class Client:
    """One end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed it, as far as this side knows."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def ask(self, message: bytes) -> tuple[int, bool]:
        """Status of the answer, and whether the connection may be used again. Raises OSError, EOFError when it ends before the answer."""
        self._writer.write(message)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        if "content-length" in fields:
            await self._reader.readexactly(int(fields["content-length"]))
        else:
            await self._chunks()
        return int(head.split(" ", 2)[1]), "close" not in fields.get("connection", "")

    async def _chunks(self) -> None:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            await self._reader.readexactly(size + 2)
        await self._reader.readuntil(b"\r\n")

    def close(self) -> None:
        """Let go of it."""
        self._writer.close()


async def connect(port: int) -> Client:
    """A new connection. Raises OSError when it is refused."""
    return Client(*await asyncio.open_connection(_HOST, port))


class Crowd:
    """Asks at a rate until told to end."""

    def __init__(self, port: int, rate: float, key: str) -> None:
        self._port, self._rate, self._key = port, rate, key
        self._idle: list[Client] = []
        self._kept = asyncio.Semaphore(64)
        self.outcome = Outcome()

    async def ask_until(self, ended: asyncio.Event) -> None:
        """Start a request each 1/rate seconds whatever became of those before, and wait for the last."""
        begin, running = time.monotonic(), set[asyncio.Task[None]]()
        k = 0
        while not ended.is_set():
            due = begin + k / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.get_running_loop().create_task(self._one(k, due))
            running.add(task)
            task.add_done_callback(running.discard)
            k += 1
        await asyncio.gather(*running)
        for client in self._idle:
            client.close()

    async def _one(self, k: int, due: float) -> None:
        name, row = ("read", "denoise", "write")[k // 2 % 3], k
        message = self._message(name, row)
        kind = "kept" if k % 2 else "fresh"
        self.outcome.kinds[f"{kind} {name}"] += 1
        try:
            status = await asyncio.wait_for(self._over_kept(message) if k % 2 else self._over_fresh(message), _PATIENCE_SECONDS)
        except (OSError, EOFError, TimeoutError) as error:
            self.outcome.failed[f"{kind} {name}: {type(error).__name__} {error}"[:120]] += 1
            return
        if status >= 300:
            self.outcome.failed[f"{kind} {name}: status {status}"] += 1
            return
        if name == "write":
            self.outcome.rows.append(row)
        self.outcome.due.append(due)
        self.outcome.waits.append(time.monotonic() - due)

    async def _over_fresh(self, message: bytes) -> int:
        client = await connect(self._port)
        try:
            return (await client.ask(message))[0]
        finally:
            client.close()

    async def _over_kept(self, message: bytes) -> int:
        async with self._kept:
            while self._idle and not self._idle[-1].is_open:
                self._idle.pop().close()
            client = self._idle.pop() if self._idle else await connect(self._port)
            try:
                status, again = await client.ask(message)
            except BaseException:
                client.close()
                raise
            if again:
                self._idle.append(client)
            else:
                client.close()
            return status

    def _message(self, name: str, row: int) -> bytes:
        if name == "read":
            return self._request("GET", "/health", b"")
        if name == "denoise":
            return self._request("POST", "/api/v1/denoise", _DENOISE)
        t = (_START + 60 * row) * 10**9
        return self._request("POST", f"/api/v1/series/{SYMBOL}/1m/samples", json.dumps({"t": [t], "close": [float(row)]}).encode())

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"host: {_HOST}", f"x-api-key: {self._key}"]
        lines += ["content-type: application/json", f"content-length: {len(body)}"] if body else []
        return "\r\n".join([*lines, "", ""]).encode() + body


async def _main(port: int, rate: float) -> Outcome:
    key = sys.stdin.readline().strip()
    crowd, ended = Crowd(port, rate, key), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: ended.set() if not sys.stdin.read(1) else None)
    print("asking", flush=True)
    await crowd.ask_until(ended)
    return crowd.outcome


if __name__ == "__main__":
    gc.disable()  # a collection of the client's would count as a wait for the server
    outcome = asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
    print(json.dumps(vars(outcome)))
