"""Writing a part of a file out to the disk and waiting for that part alone, where the system can; else for the whole file."""

import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_WAIT_WRITE_WAIT: Final = 7
"""SYNC_FILE_RANGE_WAIT_BEFORE | _WRITE | _WAIT_AFTER."""
_CANNOT: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ESPIPE, errno.EPERM})


def write_out(file: int, at: int, n: int) -> None:
    """Return once the n bytes from `at` have gone to the disk. Only an fsync afterwards makes them durable. Raises OSError.

    Unlike fdatasync() this neither commits the file system's journal nor empties the disk's own cache, for which every other fsync would
    have to wait. Source: sync_file_range(2).
    """
    call = _call()
    failed = errno.ENOSYS if call is None else call(file, at, n)
    if failed in _CANNOT:
        os.fdatasync(file)
    elif failed:
        raise OSError(failed, os.strerror(failed))


@cache
def _call() -> Callable[[int, int, int], int] | None:
    """sync_file_range() as a function that gives its errno; None where there is none."""
    import ctypes  # the start does not need it

    library: Any = ctypes.CDLL(None, use_errno=True)
    try:
        raw = library.sync_file_range
    except AttributeError:
        return None
    raw.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return lambda file, at, n: ctypes.get_errno() if raw(file, at, n, _WAIT_WRITE_WAIT) else 0
