"""The zero-phase low pass of the classic pipeline: a Hann windowed sinc, run forth and back."""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels import filters

TAPS: Final = 101
_PAD: Final = 3 * TAPS  # the length by which filtfilt continues a series


def taps(cutoff: float) -> Vector:
    """The filter (101,) of cut-off in cycles per sample, gain 1 at frequency 0.

    Source: Oppenheim and Schafer (2010), Discrete-Time Signal Processing, 7.5. Equal to
    scipy.signal.firwin(101, cutoff, window="hann", fs=1).
    """
    m = np.arange(TAPS) - (TAPS - 1) / 2
    h = 2.0 * cutoff * np.sinc(2.0 * cutoff * m) * np.hanning(TAPS)
    return np.asarray(h / h.sum(), dtype=np.float64)


def _continued(y: Vector, pad: int) -> Vector:
    """y turned about its end points by pad samples on each side."""
    return np.concatenate([2.0 * y[0] - y[pad:0:-1], y, 2.0 * y[-1] - y[-2 : -pad - 2 : -1]])


def correction(y: Vector, cutoff: float) -> Vector:
    """The low-passed series less y (n,): what the low pass takes off y, negative. No delay. Not causal. O(n), 2 n of memory.

    Series of at most 303 samples are continued by n - 1 samples. Source: Gustafsson (1996), IEEE TSP 44, 988-992; equal to
    scipy.signal.filtfilt(taps, 1, y, padlen=min(303, n - 1)) - y to rounding.
    """
    if y.size < 2:
        return np.zeros(y.size)
    pad = min(_PAD, y.size - 1)
    h = taps(cutoff)
    forth = _continued(y, pad)
    out = np.empty(forth.size)
    filters.fir(forth, h, out)
    forth[:] = out[::-1]
    filters.fir(forth, h, out)
    smooth = out[::-1][pad : pad + y.size]
    smooth -= y
    return smooth
