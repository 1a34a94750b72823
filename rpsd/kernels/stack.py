"""Wavelet shrinkage of many series of one length in one call: the interpreter is entered once, not once a series."""

import numpy as np

from rpsd.core.result import Matrix
from rpsd.kernels import wavelet
from rpsd.kernels.jit import kernel
from rpsd.kernels.threshold import BAYES, SOFT
from rpsd.kernels.wavelet import Filters, Rule, denoise_kernel


def reference_denoise(y: Matrix, filters: Filters, level: int, rule: Rule) -> Matrix:
    """x̂ (k, n) of the k series y (k, n), each by itself: the readable form of `denoise`."""
    return np.stack([wavelet.run(row, filters, level, rule) for row in y])


@kernel
def _denoise(y, dec_lo, dec_hi, rec_lo, rec_hi, level, mode, shape, per_level, strength, work, out):  # type: ignore[no-untyped-def]
    """`wavelet.denoise_kernel` on each row, in one workspace."""
    for i in range(y.shape[0]):
        denoise_kernel(y[i], dec_lo, dec_hi, rec_lo, rec_hi, level, mode, shape, per_level, strength, work, out[i])


def denoise(y: Matrix, filters: Filters, level: int, rule: Rule) -> Matrix:
    """x̂ (k, n) of the k series y (k, n), C-contiguous and writable, equal to `wavelet.run` of each bit for bit. Not causal. O(k n taps).

    Source: that of kernels/wavelet.py.
    """
    out = np.empty(y.shape)
    _denoise(y, *filters, level, *rule, wavelet.workspace(y.shape[1], filters.dec_lo.size, level), out)
    return out


def warm() -> None:
    """Compile or load the kernel of this file."""
    taps = np.array([0.5, 0.5])
    denoise(np.arange(64.0).reshape(2, 32), Filters(taps, taps, taps, taps), 1, Rule(BAYES, SOFT, False, 1.0))
