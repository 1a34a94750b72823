"""The one decorator of all kernels, and the list of what is compiled before the server says it is ready."""

import ctypes
import hashlib
import importlib
import mmap
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import numba
import numba.core.config
import numpy as np
from llvmlite.binding import get_host_cpu_name
from numba.core import caching
from numba.core.types.misc import unliteral

_KEPT_BYTES: Final = 4 << 20


def digest(folder: Path) -> str:
    """Sixteen hex digits of the sources in the folder."""
    total = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.glob("*.py")):
        total.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    return total.hexdigest()


def forget_others(place: Path, *, older_than_days: float = 30.0) -> None:
    """Remove the caches beside `place`, those of other sources, that nobody has written for so many days."""
    limit = time.time() - 86400.0 * older_than_days
    for other in place.parent.glob("*"):
        if other != place and re.fullmatch("[0-9a-f]{16}", other.name) and other.stat().st_mtime < limit:
            shutil.rmtree(other, ignore_errors=True)


def _keep_apart() -> None:
    """Give every state of the sources a cache of its own below NUMBA_CACHE_DIR.

    numba renews a kernel when its own file changes, but not when that of a kernel it calls does: the stale code would run on arrays of
    another layout. Within it the name of the folder counts and not its place: a release finds what the one before has compiled as long as
    their kernels are the same, and an upgrade starts warm.
    """
    given = numba.core.config.CACHE_DIR
    if given:
        numba.core.config.CACHE_DIR = str(Path(given) / digest(Path(__file__).parent))
        caching.UserProvidedCacheLocator.get_suitable_cache_subpath = staticmethod(lambda file: Path(file).parent.name)


_keep_apart()


def _keep_freed_memory() -> None:
    """Have the allocator of Linux keep what is freed: arrays up to 4 MiB, twice as much in all, do not go back to the system each time.

    glibc raises both bounds to the size of the first mapped piece that is freed. Without that an answer to 100,000 points spends half
    its time on page faults. The array is never written, so it costs no memory.
    """
    np.empty(_KEPT_BYTES, np.uint8)


def return_compiler() -> None:
    """Give the pages of LLVM's code back to the system: 50 MiB that nothing uses once the kernels are loaded.

    The code is not written to, so the next compilation, if there is one, finds it again in the file.
    """
    if sys.platform != "linux" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    advise = ctypes.CDLL(None, use_errno=True).madvise
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if "libllvmlite" in line and " r-xp " in line:
            begin, end = (int(place, 16) for place in line.split()[0].split("-"))
            advise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)  # refused, the pages stay


def _load_arrays() -> None:
    """Load numba's array functions without the BLAS of scipy that they look for: no kernel multiplies matrices, and it costs 12 MiB."""
    if "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # an import of it now fails, as if it were not installed
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules["scipy.linalg"]


_keep_freed_memory()
_load_arrays()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled on its first call: without the GIL, cached on disk, IEEE division instead of ZeroDivisionError.

    Kernels take writable C-contiguous arrays, so that one compilation serves every caller.
    """
    compiled = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    templates = compiled.get_call_template
    # numba would compile a kernel anew for each constant that another one calls it with
    compiled.get_call_template = lambda args, kws: templates(
        [unliteral(one) for one in args], {name: unliteral(one) for name, one in kws.items()}
    )
    return compiled  # type: ignore[no-any-return]


def _warm(name: str) -> None:
    """Compile or load one file of kernels: its own `warm()` calls each kernel once on a tiny input."""
    importlib.import_module(f"rpsd.kernels.{name}").warm()


WARMERS: Final[tuple[partial[None], ...]] = (
    partial(_warm, "wavelet"),
    partial(_warm, "filters"),
    partial(_warm, "variation"),
    partial(_warm, "threshold"),
    partial(_warm, "laplace"),
    partial(_warm, "kalman"),
    partial(_warm, "trend"),
    partial(_warm, "imm"),
    partial(_warm, "smoother"),
    partial(_warm, "haar"),
    partial(_warm, "stationary"),
    partial(_warm, "mixture"),
    partial(_warm, "blend"),
    partial(_warm, "residual"),
    partial(_warm, "steps"),
    partial(_warm, "csv"),
    partial(_warm, "hmm"),
    partial(_warm, "vector"),
    partial(_warm, "lanes"),
    partial(_warm, "climb"),
    partial(_warm, "garch"),
    partial(_warm, "groups"),
    partial(_warm, "sides"),
    partial(_warm, "shape"),
    partial(_warm, "depth"),
    partial(_warm, "forecast"),
    partial(_warm, "tick"),
    partial(_warm, "verdict"),
    partial(_warm, "ladder"),
    partial(_warm, "backtest"),
    partial(_warm, "moving"),
    partial(_warm, "smoothed"),
    partial(_warm, "drift"),
    partial(_warm, "movement"),
)
"""One line for each file of kernels; the files are imported when called. A contract test compares the lines with the folder."""


FITS: Final = ("vector", "lanes", "climb", "garch", "groups", "backtest", "drift", "movement")
"""Kernels that only fits of regimes, backtests and drift scans need: a process that does none of them saves their memory."""


def warm(skip: tuple[str, ...] = (), wanted: Callable[[], bool] = lambda: True) -> None:
    """Make every kernel ready, but for the files to skip: seconds when nothing is cached, a fraction of one afterwards.

    Run it off the event loop. It ends between two files once it is not `wanted` any more.
    """
    for warmer in WARMERS:
        if not wanted():
            return
        if warmer.args[0] not in skip:
            warmer()
    return_compiler()
    if numba.core.config.CACHE_DIR:
        forget_others(Path(numba.core.config.CACHE_DIR))
        if set(skip) <= set(FITS):
            with suppress(OSError):  # a cache that cannot be written is not warm next time either
                _mark().touch()


def is_cached() -> bool:
    """Whether a process on this kind of processor has compiled all that a server needs: to load it takes a fraction of a second."""
    return bool(numba.core.config.CACHE_DIR) and _mark().exists()


def _mark() -> Path:
    """The file that says so; numba's own index tells processors apart by the same name."""
    return Path(numba.core.config.CACHE_DIR) / f"complete-{get_host_cpu_name()}"
