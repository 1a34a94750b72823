"""A main thread that stands still while the rest of its process goes on, as an endless loop in C would make it."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from typing import Final

_ATTACH: Final = 16  # PTRACE_ATTACH; sys/ptrace.h
_ANY_THREAD: Final = 0x40000000  # __WALL of waitpid(2)
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def standing_still(thread: int) -> Iterator[None]:
    """Hold one thread by its number, as the host numbers it, until it is killed or the body ends. Raises OSError when it cannot be held."""
    child = os.fork()  # the kernel lets go of the thread when its tracer ends
    if child == 0:
        held = _libc.ptrace(_ATTACH, thread, None, None) == 0
        while held:
            with contextlib.suppress(ChildProcessError):
                _, status = os.waitpid(thread, _ANY_THREAD)  # the first time it stops; later when it is killed
                held = os.WIFSTOPPED(status)
        os._exit(0)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)
        os.waitpid(child, 0)
