"""The catalogue of denoisers: one file and one line each."""

from typing import Final

from rpsd.core.catalogue import Method
from rpsd.denoise import ema, kalman, wavelet

METHODS: Final[tuple[Method, ...]] = (wavelet.METHOD, kalman.METHOD, ema.METHOD)
