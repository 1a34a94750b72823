"""Power spectra averaged over windows that never cross a session."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Times, Vector
from rpsd.core.result import Matrix

Spectra = npt.NDArray[np.complex128]
_LARGEST: Final = 256  # samples of a window
_QUIETEST: Final = 0.1  # share of the cells of time and frequency that hold noise alone
_FEWEST: Final = 24  # cells from which the quietest tenth tells anything
_MOST: Final = 96  # windows; a longer series is sampled evenly, and the bounds on its spectrum know how many there are


@dataclass(frozen=True, slots=True)
class Frames:
    """Windows of the input and their spectra, computed once for all attempts on it: first samples (m,), y and sigma (m, size).

    `spectra` are the complex spectra (m, size // 2 + 1) and `power` their mean square (size // 2,). `floor` is the noise that the quietest
    tenth of all times and frequencies shows, as a share of sigma: a tone or a sweep, however fast, leaves most of them to the noise.
    """

    begins: Times
    y: Matrix
    sigma: Matrix | float
    spectra: Spectra
    power: Vector
    floor: float


@dataclass(frozen=True, slots=True)
class Powers:
    """Spectra (size // 2,) of input, output and standardised residual over the same `frames` windows of `size` samples, and their floor."""

    y: Vector
    x: Vector
    z: Vector
    frames: int
    size: int
    floor: float


@lru_cache(maxsize=16)
def _hann(size: int) -> Vector:
    window = np.hanning(size + 1)[:-1]
    window.flags.writeable = False
    return window


def _taken(v: Vector, begins: Times, size: int) -> Matrix:
    """The windows (m, size) of v (n,)."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(v, size)[begins])


def frames(y: Vector, sigma: Vector, starts: Times, *, varies: bool = True) -> Frames:
    """The windows of y with sigma, both (n,), sessions of at least 16 samples; sigma is one number when it does not vary. O(n)."""
    begins, size = windows(starts)
    of_y = _taken(y, begins, size)
    spectra = transform(of_y)
    of_sigma = _taken(sigma, begins, size) if varies else float(sigma[0])
    return Frames(begins, of_y, of_sigma, spectra, _power(spectra, size), _floor(spectra, of_sigma, size))


def _floor(spectra: Spectra, sigma: Matrix | float, size: int) -> float:
    """The noise of the quietest tenth of the cells as a share of sigma; a cell of white noise has its power times an exponential."""
    weight = _hann(size) ** 2
    expected = sigma**2 * weight.sum() if isinstance(sigma, float) else (sigma**2 @ weight)[:, None]
    parts = spectra[:, 2:-1].view(np.float64)
    cells = ((parts[:, ::2] ** 2 + parts[:, 1::2] ** 2) / expected).ravel()
    if cells.size < _FEWEST:
        return 1.0
    place = int(_QUIETEST * cells.size)
    return float(np.sqrt(np.partition(cells, place)[place] / -np.log1p(-_QUIETEST)))


def powers(given: Frames, x: Vector) -> Powers:
    """Spectra of y, x̂ and (y - x̂) / sigma, x̂ (n,). O(n)."""
    size = given.y.shape[1]
    of_x = _taken(x, given.begins, size)
    shown = transform(of_x)
    steady = isinstance(given.sigma, float)  # a transform is linear: that of the residual is then known
    left = (given.spectra - shown) / given.sigma if steady else transform((given.y - of_x) / given.sigma)
    return Powers(given.power, _power(shown, size), _power(left, size), given.begins.size, size, given.floor)


def windows(starts: Times) -> tuple[Times, int]:
    """First samples (m,) of half-overlapping windows and their length, a power of two up to 256; the longest session decides."""
    lengths = np.diff(starts)
    size = min(_LARGEST, 1 << (int(lengths.max()).bit_length() - 1))
    firsts = [np.arange(a, a + n - size + 1, size // 2) for a, n in zip(starts[:-1], lengths, strict=True) if n >= size]
    begins = np.concatenate(firsts)
    if begins.size > _MOST:
        begins = begins[np.linspace(0, begins.size - 1, _MOST).astype(np.int64)]
    return begins, size


def transform(windowed: Matrix) -> Spectra:
    """Spectra (m, size // 2 + 1) of frames (m, size) at 0, 1/size .. 1/2 cycles per sample; Hann window, mean removed."""
    return np.asarray(np.fft.rfft((windowed - windowed.mean(axis=1, keepdims=True)) * _hann(windowed.shape[1]), axis=1))


def _power(spectra: Spectra, size: int) -> Vector:
    window, parts = _hann(size), spectra.view(np.float64)
    squares = np.einsum("ij,ij->j", parts, parts)[2:]  # without frequency 0
    return np.asarray((squares[::2] + squares[1::2]) / (spectra.shape[0] * float(np.dot(window, window))), dtype=np.float64)


def welch(windowed: Matrix) -> Vector:
    """Mean power (size // 2,) of frames (m, size); white noise has its variance everywhere.

    Source: Welch (1967), IEEE Trans. Audio Electroacoust. 15, 70-73.
    """
    return _power(transform(windowed), windowed.shape[1])
