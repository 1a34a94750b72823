"""The one decorator of all kernels, and the list of what is compiled before the server says it is ready."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numba


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled on its first call: without the GIL, cached on disk, IEEE division instead of ZeroDivisionError.

    Kernels take writable C-contiguous arrays, so that one compilation serves every caller.
    """
    compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


def _warm(name: str) -> None:
    """Compile or load one file of kernels: its own `warm()` calls each kernel once on a tiny input."""
    importlib.import_module(f"rpsd.kernels.{name}").warm()


WARMERS: Final[tuple[Callable[[], None], ...]] = (
    partial(_warm, "wavelet"),
    partial(_warm, "filters"),
    partial(_warm, "residual"),
    partial(_warm, "csv"),
    partial(_warm, "hmm"),
    partial(_warm, "hmm_em"),
)
"""One line for each file of kernels; the files are imported when called. A contract test compares the lines with the folder."""


def warm() -> None:
    """Make every kernel ready: about three seconds when nothing is cached, milliseconds afterwards. Run it off the event loop."""
    for warmer in WARMERS:
        warmer()
