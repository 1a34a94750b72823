"""Power spectra averaged over windows that never cross a session."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.result import Matrix

_LARGEST: Final = 256  # samples of a window
_MOST: Final = 512  # windows; a longer series is sampled evenly, which moves a share by less than 1 %


@dataclass(frozen=True, slots=True)
class Powers:
    """Spectra (size // 2,) of input, output and standardised residual over the same `frames` windows of `size` samples."""

    y: Vector
    x: Vector
    z: Vector
    frames: int
    size: int


@lru_cache(maxsize=16)
def _hann(size: int) -> Vector:
    window = np.hanning(size + 1)[:-1]
    window.flags.writeable = False
    return window


def powers(y: Vector, x: Vector, sigma: Vector, starts: Times) -> Powers:
    """Spectra of y, x̂ and (y - x̂) / sigma, all (n,), sessions of at least 16 samples. O(n)."""
    begins, size = windows(starts)
    at = begins[:, None] + np.arange(size)
    of_y, of_x, scale = y[at], x[at], sigma[at]
    return Powers(welch(of_y), welch(of_x), welch((of_y - of_x) / scale), begins.size, size)


def windows(starts: Times) -> tuple[Times, int]:
    """First samples (m,) of half-overlapping windows and their length, a power of two up to 256; the longest session decides."""
    lengths = np.diff(starts)
    size = min(_LARGEST, 1 << (int(lengths.max()).bit_length() - 1))
    firsts = [np.arange(a, a + n - size + 1, size // 2) for a, n in zip(starts[:-1], lengths, strict=True) if n >= size]
    begins = np.concatenate(firsts)
    if begins.size > _MOST:
        begins = begins[np.linspace(0, begins.size - 1, _MOST).astype(np.int64)]
    return begins, size


def welch(frames: Matrix) -> Vector:
    """Mean power (size // 2,) of frames (m, size) at 1/size, 2/size .. 1/2 cycles per sample; white noise has its variance everywhere.

    Source: Welch (1967), IEEE Trans. Audio Electroacoust. 15, 70-73; Hann window, mean removed.
    """
    window = _hann(frames.shape[1])
    spectrum = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * window, axis=1)[:, 1:]
    power = np.einsum("ij,ij->j", spectrum.real, spectrum.real) + np.einsum("ij,ij->j", spectrum.imag, spectrum.imag)
    return np.asarray(power / (frames.shape[0] * float(np.dot(window, window))), dtype=np.float64)
