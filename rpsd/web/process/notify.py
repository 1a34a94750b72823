"""sd_notify: what systemd learns from the process; silent when systemd did not start it."""

import os
import socket
import time
from collections.abc import Callable


def notify(*lines: str) -> bool:
    """Send the lines (READY=1, STATUS=…) to systemd's socket; whether there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall("\n".join(lines).encode())
    except OSError:  # systemd may be restarting; the next message will arrive
        return False
    return True


def extend_timeout(seconds: float) -> None:
    """Ask for more time while starting or stopping: a migration, a drain."""
    notify(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")


def reloading() -> None:
    """Say that a reload has begun; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life, None when it does not."""
    microseconds, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1e6


class Watchdog:
    """Feeds systemd as long as the writer's heart beats: `beat` gives a number that changes while the writer thread lives.

    A failed write (a full disk) is no reason for a restart; a writer thread that stands still is.
    """

    def __init__(self, beat: Callable[[], int], patience_seconds: float) -> None:
        self._beat, self._patience = beat, patience_seconds
        self._last = beat()
        self._changed = time.monotonic()

    def feed(self) -> bool:
        """Send WATCHDOG=1 unless the heart has stood still for longer than the patience; whether it was sent."""
        now, seen = time.monotonic(), self._beat()
        if seen != self._last:
            self._last, self._changed = seen, now
        if now - self._changed > self._patience:
            return False
        notify("WATCHDOG=1")
        return True
