"""The edge while the application is still being built: probes are answered, everything else waits."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.config import read
from rpsd.services.wiring import Services, open_services
from rpsd.web.app import build_inner
from rpsd.web.edge import Edge


def opened(directory: Path, **environ: str) -> Services:
    settings = read(environ={"RPSD_DATA_DIR": str(directory), "RPSD_STORAGE__MIN_FREE_BYTES": "0", **environ})
    return open_services(settings, worker=False)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with opened(tmp_path) as services:
        yield services


async def ask(edge: Edge, path: str, kind: str = "http", headers: tuple[tuple[bytes, bytes], ...] = ()) -> list[dict[str, Any]]:
    """What the edge sends for one GET without a body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False} if kind == "http" else {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": kind, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"localhost"), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "http_version": "1.1",
    }  # fmt: skip
    await edge(scope, receive, send)
    return sent


def test_probes_answer_before_the_application_is_built_and_the_rest_waits(services: Services) -> None:
    async def run() -> None:
        building: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        edge = Edge(building, services)
        assert [(await ask(edge, path))[0]["status"] for path in ("/health", "/health/live", "/api/v1/health/live")] == [200] * 3
        waiting = [asyncio.ensure_future(ask(edge, path)) for path in ("/", "/nope")]
        await asyncio.sleep(0.02)
        assert not any(task.done() for task in waiting)
        building.set_result(build_inner(services))
        assert [(await task)[0]["status"] for task in waiting] == [200, 404]

    asyncio.run(run())


def test_an_application_that_cannot_be_built_is_an_answer_and_not_a_hang(services: Services) -> None:
    async def run() -> None:
        building: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        edge = Edge(building, services)
        waiting = asyncio.ensure_future(ask(edge, "/"))
        await asyncio.sleep(0)
        building.set_exception(TypeError("a route declares no scope"))
        assert (await waiting)[0]["status"] == 500
        assert (await ask(edge, "/health"))[0]["status"] == 200

    asyncio.run(run())


def test_a_websocket_needs_no_framework_and_is_refused_where_there_are_no_streams(services: Services) -> None:
    async def run() -> None:
        edge = Edge(asyncio.get_running_loop().create_future(), services)
        start, body = await ask(edge, "/api/v1/ws", "websocket")
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
        assert b"unknown_route" in body["body"]

    asyncio.run(run())


def test_probes_carry_the_headers_that_allowed_origins_ask_for(tmp_path: Path) -> None:
    async def run(services: Services) -> None:
        origin = (b"origin", b"https://desk.example")
        for path in ("/health", "/health/live"):
            start = (await ask(Edge(build_inner(services), services), path, headers=(origin,)))[0]
            assert dict(start["headers"])[b"access-control-allow-origin"] == b"https://desk.example", path

    with opened(tmp_path, RPSD_SERVER__CORS_ORIGINS="https://desk.example") as services:
        asyncio.run(run(services))
