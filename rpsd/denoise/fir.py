"""The zero-phase low pass of the classic pipeline: a Hann windowed sinc, run forth and back."""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels import filters

TAPS: Final = 101
_PAD: Final = 3 * TAPS  # the length by which filtfilt continues a series
_STRETCH: Final = 1 << 16  # stays in the cache, and needs no second copy of a long series


def taps(cutoff: float) -> Vector:
    """The filter (101,) of cut-off in cycles per sample, gain 1 at frequency 0.

    Source: Oppenheim and Schafer (2010), Discrete-Time Signal Processing, 7.5. Equal to
    scipy.signal.firwin(101, cutoff, window="hann", fs=1).
    """
    m = np.arange(TAPS) - (TAPS - 1) / 2
    h = 2.0 * cutoff * np.sinc(2.0 * cutoff * m) * np.hanning(TAPS)
    return np.asarray(h / h.sum(), dtype=np.float64)


def _forth_and_back(piece: Vector, h: Vector) -> Vector:
    """The piece filtered in both directions; writes into it."""
    out = np.empty(piece.size)
    filters.fir(piece, h, out)
    piece[:] = out[::-1]
    filters.fir(piece, h, out)
    return out[::-1]


def low_pass(y: Vector, cutoff: float, share: float = 1.0) -> Vector:
    """y + share (low-passed y - y) (n,), no delay. Not causal. O(n).

    The ends are turned about themselves by 303 samples, by n - 1 when there are fewer. Stretches of 65536 samples with such margins
    are filtered by themselves: the filter reaches 200 samples, so the result is that of the whole.
    Source: Gustafsson (1996), IEEE TSP 44, 988-992; equal to scipy.signal.filtfilt(taps, 1, y, padlen=min(303, n - 1)) to rounding.
    """
    if y.size < 2:
        return y.copy()
    pad, h, out = min(_PAD, y.size - 1), taps(cutoff), np.empty(y.size)
    head, tail = 2.0 * y[0] - y[pad:0:-1], 2.0 * y[-1] - y[-2 : -pad - 2 : -1]
    for begin in range(0, y.size, _STRETCH):
        here = y[begin : begin + _STRETCH]
        before = y[begin - pad : begin] if begin > 0 else head
        after = np.concatenate([y[begin + here.size :][:pad], tail])[:pad]
        smooth = _forth_and_back(np.concatenate([before, here, after]), h)[pad : pad + here.size]
        out[begin : begin + here.size] = here + share * (smooth - here)
    return out
