"""Readers of live streams that stop reading or vanish: gone within ten seconds, while a healthy one loses nothing."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.services.wiring import Services
from rpsd.web.process import listen, server
from tests.bench.subscribers import Reader, opened, vanish
from tests.fault.conftest import Record
from tests.flow.web.conftest import open_appliance, serve

pytestmark = [pytest.mark.fault, pytest.mark.slow]
CHANNEL = "book:BENCH0"
BOUND = 10.5
"""Seconds: ten, and the wait for the next frame with which the server notices."""


@contextlib.contextmanager
def served(directory: Path) -> Iterator[tuple[Services, int, str]]:
    services = open_appliance(directory, {})
    running, thread = serve(services)
    try:
        yield services, running.port, services.access.create("readers", ["read"], by="test")[1]
    finally:
        running.stop()
        thread.join(40)
        services.close()


def gone_after(services: Services, port: int, key: str, spoil: Any, *, wait: float) -> tuple[float, Reader]:
    """Seconds until the spoilt reader's stream has ended, infinity when it has not after `wait`; and the healthy reader."""
    spoilt, healthy = opened(port, key, CHANNEL, small=True), opened(port, key, CHANNEL, small=False)
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.01):
            services.events.publish(CHANNEL, {"at": time.perf_counter(), "padding": "x" * 2000})

    publisher = threading.Thread(target=publish)
    publisher.start()
    gauge = services.metrics.ws_connections.labels("websocket")
    try:
        while healthy.seen < 20:  # both hear it by now
            read(healthy)
        spoil(spoilt.socket)
        begun = time.perf_counter()
        while gauge._value.get() > 1 and time.perf_counter() < begun + wait:
            read(healthy)
        after = time.perf_counter() - begun if gauge._value.get() == 1 else float("inf")
    finally:
        ended.set()
        publisher.join()
        spoilt.socket.close()
        healthy.socket.close()
    return after, healthy


def read(reader: Reader) -> None:
    with contextlib.suppress(BlockingIOError):
        reader.read()
    time.sleep(0.001)


def stall(_socket: object) -> None:
    """Nobody reads any more; the window closes with the next frames."""


@pytest.mark.parametrize("spoil", [stall, vanish], ids=["stalled", "vanished"])
def test_a_reader_of_no_use_is_gone_in_ten_seconds_and_others_lose_nothing(tmp_path: Path, record: Record, spoil: Any) -> None:
    with served(tmp_path) as (services, port, key):
        after, healthy = gone_after(services, port, key, spoil, wait=30.0)
    name = getattr(spoil, "__name__", "reader")
    record(f"stream_{name}", f"a reader that came to {name} was gone after {after:.1f} s; a healthy one read {healthy.seen} events, lost 0")
    assert after <= BOUND
    assert healthy.lost == 0
    assert healthy.seen > 100


def test_without_the_bounds_such_a_reader_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: no time limit of the kernel, of the stream, and of the reaper."""
    monkeypatch.setattr(listen, "_OF_CONNECTIONS", listen._OF_CONNECTIONS[:1])
    monkeypatch.setattr("rpsd.web.stream.reader.PATIENCE", 3600.0)
    monkeypatch.setattr(server.Reaper, "walk", lambda _self: 0)
    with served(tmp_path) as (services, port, key):
        after, _ = gone_after(services, port, key, vanish, wait=BOUND + 2.0)
    assert after > BOUND
