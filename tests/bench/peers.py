"""Peers of the HTTP benchmarks: small Litestar applications on the same embedded granian server.

`python -m tests.bench.peers bare PORT` serves the least a Litestar application can be, `routes PORT` one with as many routes
as rpsd. Benchmarks report rpsd's figures as ratios against them, measured in the same run.
"""

import asyncio
import sys
from typing import Any

import uvloop
from granian.server.embed import Server
from litestar import Litestar, get

ROUTES = 116  # as many as rpsd has


@get("/health", sync_to_thread=False)
def health() -> dict[str, str]:
    return {"status": "healthy"}


def route(number: int) -> Any:
    @get(f"/api/v1/r{number}/{{name:str}}", name=f"r{number}", sync_to_thread=False)
    def answer(name: str) -> dict[str, str]:
        return {"name": name}

    return answer


def application(kind: str) -> Litestar:
    handlers = [health] if kind == "bare" else [health, *(route(n) for n in range(ROUTES))]
    return Litestar(handlers, openapi_config=None)


async def serve(kind: str, port: int) -> None:
    await Server(application(kind), address="127.0.0.1", port=port, interface="asgi", log_enabled=False).serve()  # type: ignore[arg-type]


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
