"""The catalogue of denoisers: one file and one line each."""

from typing import Final

from rpsd.core.catalogue import Method
from rpsd.denoise import ema, fixed_lag, kalman, tv, wavelet

METHODS: Final[tuple[Method, ...]] = (
    wavelet.METHOD,
    tv.METHOD,
    kalman.METHOD,
    fixed_lag.METHOD,
    ema.METHOD,
)
