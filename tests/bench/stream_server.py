"""A server that publishes 100 events a second on ten channels: rpsd as it is, or a bare fan-out on the same engine."""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

CHANNELS: Final = tuple(f"book:BENCH{n}" for n in range(10))
A_SECOND: Final = 100
PADDING: Final = "x" * 120
"""With it a frame has the size of one that tells of a book."""


def publish_forever(publish: Callable[[str, dict[str, Any]], object]) -> None:
    """One event each ten milliseconds, the channels in turn; `at` is the machine's monotonic clock."""
    due = time.perf_counter()
    count = 0
    while True:
        due += 1 / A_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        publish(CHANNELS[count % len(CHANNELS)], {"at": time.perf_counter(), "padding": PADDING})
        count += 1


def rpsd() -> None:
    """The appliance of the environment's settings."""
    from rpsd.config import read
    from rpsd.services.wiring import open_services
    from rpsd.web.process.server import Server

    services = open_services(read(environ=os.environ), worker=False)
    services.health.scheduler_beat_ns = 1 << 62  # nobody schedules here, and the server is ready all the same
    threading.Thread(target=publish_forever, args=(services.events.publish,), daemon=True).start()
    Server(services).run()
    services.close()


def bare(port: int) -> None:
    """Nothing but a queue and a task for each socket, behind the same engine."""
    import uvloop
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    heard: dict[str, list[asyncio.Queue[str]]] = {channel: [] for channel in CHANNELS}
    sequence = dict.fromkeys(CHANNELS, 0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await receive()
        await send({"type": "websocket.accept"})
        channel = json.loads((await receive())["text"])["channels"][0]
        queue: asyncio.Queue[str] = asyncio.Queue()
        heard[channel].append(queue)

        async def send_on() -> None:
            while True:
                await send({"type": "websocket.send", "text": await queue.get()})

        sending = asyncio.create_task(send_on())
        while (await receive())["type"] != "websocket.disconnect":
            pass
        sending.cancel()
        heard[channel].remove(queue)

    def tell(channel: str, data: dict[str, Any]) -> None:
        sequence[channel] += 1
        text = json.dumps({"type": "data", "channel": channel, "sequence": sequence[channel], "data": data}, separators=(",", ":"))
        for queue in heard[channel]:
            queue.put_nowait(text)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        publish = lambda channel, data: loop.call_soon_threadsafe(tell, channel, data)  # noqa: E731
        threading.Thread(target=publish_forever, args=(publish,), daemon=True).start()
        server = Server(
            app, port=port, interface=Interfaces.ASGINL, http=HTTPModes.http1, log_enabled=False, backlog=4096, backpressure=12_000
        )
        await server.serve()

    uvloop.run(serve())


if __name__ == "__main__":
    rpsd() if len(sys.argv) == 1 else bare(int(sys.argv[2]))
