"""`wavelet`: the classic pipeline of wavelet shrinkage and a zero-phase low pass. Not causal."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pywt

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadParameter, Fault
from rpsd.core.market import Vector
from rpsd.core.parameters import WaveletParameters
from rpsd.denoise import fir
from rpsd.kernels import wavelet as kernels

_MODES = {"bayes": kernels.BAYES, "universal": kernels.UNIVERSAL}
_SHAPES = {"soft": kernels.SOFT, "hard": kernels.HARD, "garrote": kernels.GARROTE}


@lru_cache(maxsize=32)
def filters(name: str) -> kernels.Filters:
    """The filters of a discrete wavelet by its PyWavelets name. Raises BadParameter for any other."""
    if name not in pywt.wavelist(kind="discrete"):
        reason = f"{name[:40]!r} is not a discrete wavelet of PyWavelets"
        raise BadParameter(reason, errors=[Fault("/params/wavelet", reason)], hint="Try db4, sym8, haar, coif3 or bior3.5.")
    bank = pywt.Wavelet(name).filter_bank
    return kernels.Filters(*(np.array(taps, dtype=np.float64) for taps in bank))


def depth(n: int, params: WaveletParameters) -> int:
    """The level that a series of n samples allows: params.level clipped to floor(log2(n / (taps - 1)))."""
    return min(params.level, int(pywt.dwt_max_level(n, filters(params.wavelet).dec_lo.size)))


def _through_pywt(y: Vector, params: WaveletParameters, level: int, rule: kernels.Rule) -> Vector:
    """The same pipeline on PyWavelets' transform, for the boundaries that the kernel does not know."""
    coefficients = pywt.wavedec(y, params.wavelet, params.boundary, level)
    finest = float(np.median(np.abs(coefficients[-1]))) / kernels.QUARTILE
    for j, detail in enumerate(coefficients[1:], start=1):
        sigma = float(np.median(np.abs(detail))) / kernels.QUARTILE if rule.per_level else finest
        coefficients[j] = kernels.shrink(detail, rule.strength * kernels.threshold(detail, sigma, y.size, rule.mode), rule.shape)
    return np.asarray(pywt.waverec(coefficients, params.wavelet, params.boundary)[: y.size], dtype=np.float64)


def run(y: Vector, params: WaveletParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit; y itself when it is too short for one level. Not causal. O(n).

    Details are shrunk by params.strength times their threshold; with use_fir_filter the same share of the low pass is added.
    Raises BadParameter for an unknown wavelet. Source: Chang, Yu and Vetterli (2000), IEEE TIP 9, 1532-1546; Donoho and Johnstone (1994).
    """
    level = depth(y.size, params)
    rule = kernels.Rule(_MODES[params.threshold_mode], _SHAPES[params.shrinkage], params.noise == "per_level", params.strength)
    if level == 0:
        smooth = y.copy()
    elif params.boundary == "symmetric":
        smooth = kernels.run(y, filters(params.wavelet), level, rule)
    else:
        smooth = _through_pywt(y, params, level, rule)
    if not params.use_fir_filter:
        return smooth
    return smooth + params.strength * (fir.low_pass(smooth, params.fir_cutoff) - smooth)


def without_fir(params: WaveletParameters) -> WaveletParameters:
    """The same parameters with the FIR off."""
    return replace(params, use_fir_filter=False)


METHOD = Method(
    name="wavelet",
    causal=False,
    params=WaveletParameters,
    run=run,
    source="Chang, Yu, Vetterli (2000), IEEE TIP 9, 1532-1546; Donoho, Johnstone (1994), Biometrika 81, 425-455",
    cost="O(n)",
    summary="Wavelet shrinkage, then a zero-phase low pass; sees the whole series.",
)
