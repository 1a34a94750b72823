"""systemd hears what it should, over a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpsd.web.process.notify import Watchdog, notify, reloading, watchdog_seconds


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        yield listener


def test_messages_arrive(systemd: socket.socket) -> None:
    assert notify("READY=1", "STATUS=serving")
    assert systemd.recv(100) == b"READY=1\nSTATUS=serving"
    reloading()
    assert systemd.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_silence_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


def test_the_watchdog_is_for_our_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_seconds() == 30.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_seconds() is None


def test_a_heart_that_stands_still_is_not_fed(systemd: socket.socket) -> None:
    beats = iter([1, 2, 2, 2])
    watchdog = Watchdog(lambda: next(beats), patience_seconds=-1.0)  # any stillness is too long
    assert not Watchdog(lambda: 1, patience_seconds=-1.0).feed()
    watchdog = Watchdog(lambda: 1, patience_seconds=60.0)
    assert watchdog.feed()
    assert systemd.recv(100) == b"WATCHDOG=1"
