"""A real server on a free loopback port, over a real data directory, shared by the whole session; keys for each scope."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest

from rpsd.config import read
from rpsd.services.wiring import Services, open_services
from rpsd.web.process.server import Server

SCOPES = ("read", "ingest", "predict", "train", "admin")
NOWHERE: Final = {
    **{"symbol": "SCOPE.NONE", "interval": "1d", "picture": "none.png", "version": "1"},
    **dict.fromkeys(("job", "alert", "report", "experiment", "item", "message", "errand"), "0"),
    **dict.fromkeys(("name", "key", "run", "view", "alias", "chapter"), "none"),
}
"""A value for every place of a path, which names nothing there is."""


@dataclass
class Running:
    """A served appliance and its keys by scope; `client()` speaks with one of them."""

    services: Services
    server: Server
    keys: dict[str, str]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def client(self, scope: str | None = "admin", **more: Any) -> httpx.Client:
        headers = {"x-api-key": self.keys[scope]} if scope else {}
        return httpx.Client(base_url=self.base, headers=headers, timeout=60, **more)


def open_appliance(directory: Path, environ: dict[str, str], *, worker: bool = False) -> Services:
    settings = read(environ={"RPSD_DATA_DIR": str(directory), "RPSD_SERVER__PORT": "0", "RPSD_STORAGE__MIN_FREE_BYTES": "0", **environ})
    return open_services(settings, worker=worker)


def serve(services: Services) -> tuple[Server, threading.Thread]:
    server = Server(services)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            server.run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="test-server")
    thread.start()
    while not server.ready.wait(0.01):
        if not thread.is_alive():
            raise failures[0]
    services.warm()  # a compiler may take longer than a request waits for it
    return server, thread


Launch = Callable[..., Running]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """launch(NAME=value, …) starts a server with RPSD_NAME settings of its own; all end with the session."""
    begun: list[tuple[Services, Server, threading.Thread]] = []

    def start(**environ: str) -> Running:
        directory = tmp_path_factory.mktemp("d")
        services = open_appliance(directory, {f"RPSD_{name}": value for name, value in environ.items()})
        server, thread = serve(services)
        begun.append((services, server, thread))
        keys = {scope: services.access.create(scope, [scope], by="test")[1] for scope in SCOPES}
        return Running(services, server, keys)

    yield start
    for services, server, thread in begun:
        server.stop()
        thread.join(30)
        services.close()
        assert not thread.is_alive()
        assert server.exit_code == 0


@pytest.fixture(scope="session")
def running(launch: Launch) -> Running:
    """The server that most tests share; each test uses symbols of its own."""
    return launch()


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    """A client with the admin key."""
    with running.client() as client:
        yield client


@pytest.fixture(scope="session")
def prices() -> tuple[list[int], list[float]]:
    """700 weekdays until yesterday and a walk with two volatilities; times in ns."""
    rng = np.random.default_rng(11)
    today = time.time_ns() // 86_400_000_000_000
    days = np.arange(today - 980, today - 0)
    days = days[(days + 3) % 7 < 5][-700:]
    states = np.cumsum(rng.random(700) < 0.01) % 2
    steps = np.where(states == 0, rng.normal(0.08, 0.6, 700), rng.normal(-0.12, 2.0, 700))
    return (days * 86_400_000_000_000).tolist(), (100 * np.exp(np.cumsum(steps) / 100)).round(4).tolist()
