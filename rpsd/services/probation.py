"""Probation: after an upgrade that changed the layout of the data, writes wait until the new release is known to serve.

Whoever switches releases leaves a file in the data directory before the start. While it lies there no write is acknowledged, so that the
snapshot taken before can be put back without losing one.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LONGEST_SECONDS: Final = 120.0
"""After so long without a word the release accepts itself: whoever switched must have died, and writes cannot wait for ever."""
WAIT_SECONDS: Final = 20.0
"""So long a write waits before it is refused."""


def probation_file(data_dir: Path) -> Path:
    """The file that puts the next server on probation."""
    return data_dir / "probation"


class Probation:
    """Whether writes are held; `ending` once nobody is to wait any longer, for the process stops. `clock` is in seconds."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._clock, self._began = probation_file(data_dir), clock, clock()
        self._over = threading.Event()
        self.ending = False
        if not self._file.exists():
            self._over.set()

    @property
    def holds(self) -> bool:
        """Whether writes have to wait; costs nothing once it is over."""
        if not self._over.is_set() and self._clock() - self._began > LONGEST_SECONDS:
            self.accept()
        return not self._over.is_set()

    def accept(self) -> bool:
        """Let writes go on, now and after a restart; False when nothing held them."""
        held = not self._over.is_set()
        self._file.unlink(missing_ok=True)
        self._over.set()
        return held
