"""The catalogue of denoisers: one file and one line each."""

from typing import Final

from rpsd.core.catalogue import Method
from rpsd.denoise import ema, fixed_lag, haar_causal, imm, kalman, kalman_smoother, model_average, savgol, ti_bayes, tv, wavelet

METHODS: Final[tuple[Method, ...]] = (
    wavelet.METHOD,
    ti_bayes.METHOD,
    tv.METHOD,
    savgol.METHOD,
    kalman.METHOD,
    fixed_lag.METHOD,
    imm.METHOD,
    model_average.METHOD,
    kalman_smoother.METHOD,
    haar_causal.METHOD,
    ema.METHOD,
)
