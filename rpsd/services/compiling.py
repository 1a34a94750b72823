"""Kernels that nobody has compiled on this machine yet: compiled by a process of its own, whose memory goes with it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

COMMAND: Final = (sys.executable, "-c", "import os; os.nice(5); from rpsd.kernels import jit; jit.warm(skip=jit.FITS)")
_POLL_SECONDS: Final = 0.05


def compile_apart(unwanted: Callable[[], bool], command: Sequence[str] = COMMAND) -> bool:
    """Have the kernels of a server compiled into the cache, unless they are there; most of a minute. Whether the child did its work.

    LLVM keeps 300 MiB of what it has compiled until its process ends. Does nothing without NUMBA_CACHE_DIR. What a child that fails has
    left undone, the caller compiles itself. Ends the child once `unwanted`.
    """
    if not os.environ.get("NUMBA_CACHE_DIR"):
        return False
    from rpsd.kernels import jit

    if jit.is_cached():
        return False
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:  # noqa: S603
        while child.poll() is None:
            if unwanted():
                child.kill()
                break
            time.sleep(_POLL_SECONDS)
    return child.returncode == 0
