"""The catalogue of denoisers: one file and one line each."""

from typing import Final

from rpsd.core.catalogue import Method
from rpsd.denoise import ema, fixed_lag, imm, kalman, model_average, tv, wavelet

METHODS: Final[tuple[Method, ...]] = (
    wavelet.METHOD,
    tv.METHOD,
    kalman.METHOD,
    fixed_lag.METHOD,
    imm.METHOD,
    model_average.METHOD,
    ema.METHOD,
)
