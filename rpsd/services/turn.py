"""Long work in turns: as many at once as leave a core to everything else, and a line of bounded length behind them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rpsd.core.errors import Unavailable

_IN_LINE: Final = 16  # each holds a thread of the server, which has twice as many, and its body


class Turns:
    """Lets a few in at a time. `free` is how many more may come, to work or to wait."""

    def __init__(self, at_once: int | None = None, in_line: int = _IN_LINE) -> None:
        """`at_once` None: one fewer than there are cores, at least one."""
        at_once = at_once or max(1, (os.cpu_count() or 1) - 1)
        self._places, self._lock = threading.BoundedSemaphore(at_once), threading.Lock()
        self.free = at_once + in_line

    @contextmanager
    def taken(self, *, long: bool) -> Iterator[None]:
        """A turn, waited for; at once for what is not `long`. Raises Unavailable when the line is full."""
        if not long:
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
