"""Work in turns: short pieces one after another, long ones as many as leave a core to everything else, with a line of bounded length."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from rpsd.core.errors import Unavailable

SHORT: Final = 1 << 12
"""Samples up to which a denoise hardly lets go of the GIL but for moments: two at once pass it to and fro and cost three times the CPU."""
LONG: Final = 1 << 15
"""Samples from which a denoise takes milliseconds that others would wait for."""
_IN_LINE: Final = 16  # each holds a thread of the server, which has twice as many, and its body


class Turns:
    """Lets a few in at a time. `free` is how many more long ones may come, to work or to wait."""

    def __init__(self, at_once: int | None = None, in_line: int = _IN_LINE) -> None:
        """`at_once` None: one fewer than there are cores, at least one."""
        at_once = at_once or max(1, (os.cpu_count() or 1) - 1)
        self._places, self._lock, self._alone = threading.BoundedSemaphore(at_once), threading.Lock(), threading.Lock()
        self.free = at_once + in_line

    @contextmanager
    def taken(self, samples: int) -> Iterator[None]:
        """A turn for a denoise of so many samples, waited for; at once for what is neither short nor long.

        Raises Unavailable when the line of long ones is full.
        """
        if samples < LONG:
            with self._alone if samples < SHORT else nullcontext():
                yield
            return
        with self._lock:
            if not self.free:
                raise Unavailable("too many long series wait already", hint="Send fewer at a time.", retry_after=1.0)
            self.free -= 1
        try:
            with self._places:
                yield
        finally:
            with self._lock:
                self.free += 1
