"""Standstill: while releases are switched with the data at rest, a server that somebody's connection starts waits before it touches them.

The socket unit goes on listening while the service is stopped, so that nobody is refused, and so the first connection starts the service
again. The lock ends with the process that holds it, however that ends.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rpsd.core.errors import StateConflict

_FILE: Final = "switching"
_POLL_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 10.0


@contextmanager
def standstill(data_dir: Path) -> Iterator[None]:
    """Within it no server begins to work on the data. Raises StateConflict when another switch does not let go within ten seconds."""
    owner = data_dir.stat()
    descriptor = os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _locked(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise StateConflict(f"something else holds {data_dir / _FILE}")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def wait_for_end(data_dir: Path, waiting: Callable[[], object] = lambda: None) -> bool:
    """Wait until no switch holds the data at rest; whether there was one. `waiting` is called each second meanwhile."""
    try:
        descriptor = os.open(data_dir / _FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    held, told = False, 0.0
    try:
        while not _locked(descriptor, fcntl.LOCK_SH):
            held = True
            if (now := time.monotonic()) - told >= 1.0:
                told = now
                waiting()
            time.sleep(_POLL_SECONDS)
    finally:
        os.close(descriptor)
    return held


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
