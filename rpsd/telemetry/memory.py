"""Memory that the process has freed and the C library keeps: less of it, and given back now and then, so that no burst stays for good."""

import ctypes
import os
from pathlib import Path
from typing import Final

_M_ARENA_MAX: Final = -8  # malloc.h
_ARENAS: Final = 2
_GROWN: Final = 2 << 20
_STATM: Final = Path("/proc/self/statm")


def spare_memory() -> bool:
    """Let all threads of the process share two of glibc's arenas; whether it is glibc and agreed. Call it before there are threads.

    By default there are up to 8 for each core, taken by the threads in turn, and each keeps what was freed in it. The interpreter's lock
    lets one thread allocate at a time, so that two are enough. Source: mallopt(3).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_ARENA_MAX, _ARENAS) == 1)


class SpareMemory:
    """Gives back what was freed, once the process has grown since the last time. The bounds of glibc stay as they are: it keeps up to
    64 MiB at the end of a heap, which makes arrays that come and go cheap, but would keep it for ever."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        self._least = 0

    def give_back(self) -> bool:
        """Whether anything was tried. Some milliseconds when it is, in which threads that allocate wait; else 20 µs. Source:
        malloc_trim(3)."""
        if self._trim is None or not _STATM.exists():
            return False
        if (now := _resident()) - self._least < _GROWN:
            self._least = min(self._least, now)
            return False
        self._trim(ctypes.c_size_t(0))
        self._least = _resident()
        return True


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
