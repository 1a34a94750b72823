"""How the C library keeps what the process has freed: as little of it as costs no time, so that a burst does not stay resident for good."""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1  # malloc.h
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_KEPT: Final = 2 << 20
_APART: Final = 16 << 20


def spare_memory() -> bool:
    """Make glibc give freed memory back sooner; whether it is glibc and agreed. Call it while the process has one thread.

    By default each of the 8 arenas a core, which threads take in turn, keeps its own share of what was freed, and the end of the heap is
    given back only above a bound that grows to 64 MiB. The interpreter's lock lets one thread allocate at a time, so two arenas are
    enough; what is larger than 16 MiB goes back at once, and so does all above 2 MiB at a heap's end. Source: mallopt(3).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = ((_M_ARENA_MAX, _ARENAS), (_M_MMAP_THRESHOLD, _APART), (_M_TRIM_THRESHOLD, _KEPT))
    taken = [mallopt(name, value) == 1 for name, value in wanted]  # each, whatever became of those before
    return all(taken)
