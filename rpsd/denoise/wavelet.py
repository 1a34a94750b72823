"""`wavelet`: the classic pipeline of wavelet shrinkage and a zero-phase low pass. Not causal."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
import pywt

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadParameter, Fault
from rpsd.core.market import Vector
from rpsd.core.parameters import WaveletParameters
from rpsd.denoise import fir
from rpsd.kernels import laplace, threshold
from rpsd.kernels import wavelet as kernels

_FUSED: Final = {"bayes": threshold.BAYES, "universal": threshold.UNIVERSAL, "minimax": threshold.MINIMAX}
_INEXACT: Final = "dmey"  # its filters are cut off: back and forth misses by up to half a percent
_SHAPES: Final = {"soft": threshold.SOFT, "hard": threshold.HARD, "garrote": threshold.GARROTE}


@lru_cache(maxsize=32)
def filters(name: str) -> kernels.Filters:
    """The filters of a discrete wavelet by its PyWavelets name. Raises BadParameter for any other."""
    if name not in pywt.wavelist(kind="discrete"):
        reason = f"{name[:40]!r} is not a discrete wavelet of PyWavelets"
        raise BadParameter(reason, errors=[Fault("/params/wavelet", reason)], hint="Try db4, sym8, haar, coif3 or bior3.5.")
    bank = pywt.Wavelet(name).filter_bank
    return kernels.Filters(*(np.array(taps, dtype=np.float64) for taps in bank))


def depth(n: int, params: WaveletParameters) -> int:
    """The level that a series of n samples allows: params.level clipped to floor(log2(n / (taps - 1))); auto is that bound itself."""
    deepest = int(pywt.dwt_max_level(n, filters(params.wavelet).dec_lo.size))
    return deepest if isinstance(params.level, str) else min(params.level, deepest)


def is_fused(params: WaveletParameters) -> bool:
    """Whether one kernel does the whole pipeline but for the low pass."""
    return params.boundary == "symmetric" and params.threshold_mode in _FUSED and params.wavelet != _INEXACT


def rule(params: WaveletParameters) -> kernels.Rule:
    """Fused parameters as that kernel takes them."""
    return kernels.Rule(_FUSED[params.threshold_mode], _SHAPES[params.shrinkage], params.noise == "per_level", params.strength)


def _posterior(detail: Vector, sigma: float, params: WaveletParameters) -> Vector:
    """Details by Johnstone and Silverman's prior: soft is the posterior median, hard and garrote use the size where it leaves 0."""
    out = np.empty(detail.size)
    standard = detail / sigma
    weight = laplace.weight(standard, out)
    if params.shrinkage == "soft":
        laplace.medians(standard, weight, out)
        return detail + params.strength * (sigma * out - detail)
    out[:] = detail
    threshold.shrink_kernel(out, params.strength * sigma * laplace.threshold_of_weight(weight), _SHAPES[params.shrinkage])
    return out


def _shrunk(detail: Vector, sigma: float, n: int, params: WaveletParameters) -> Vector:
    """The details (m,) of one level of a series of n samples after the rule of params; without noise as they are."""
    if sigma <= 0.0 and params.threshold_mode != "bayes":
        return detail
    if params.threshold_mode == "empirical_bayes" and sigma > 0.0:
        return _posterior(detail, sigma, params)
    out, shape = detail.copy(), _SHAPES[params.shrinkage]
    if params.threshold_mode == "block":
        threshold.block(detail, sigma, max(int(np.log(n)), 1), params.strength, shape, out)
        return out
    mode = params.threshold_mode
    at = threshold.sure(detail, sigma) if mode == "sure" else threshold.limit(detail, sigma, n, _FUSED[mode])
    threshold.shrink_kernel(out, params.strength * at, shape)
    return out


def _step_by_step(y: Vector, params: WaveletParameters, level: int) -> Vector:
    """The pipeline for what the fused kernel does not know: rules beyond a simple threshold, PyWavelets' other boundaries, dmey.

    What the rule takes away is transformed back and taken off y, so that nothing taken away is y itself, whatever the wavelet.
    """
    own = params.boundary == "symmetric"
    if own:
        approximation, details = kernels.decompose(y, filters(params.wavelet), level)
    else:
        approximation, *details = pywt.wavedec(y, params.wavelet, params.boundary, level)
        details.reverse()
    approximation = np.zeros_like(approximation)
    finest = float(kernels.median_size(details[0])) / kernels.QUARTILE
    for detail in details:
        sigma = float(kernels.median_size(detail)) / kernels.QUARTILE if params.noise == "per_level" else finest
        np.subtract(detail, _shrunk(detail, sigma, y.size, params), out=detail)
    if own:
        return y - kernels.recompose(approximation, details, filters(params.wavelet), y.size)
    return np.asarray(y - pywt.waverec([approximation, *reversed(details)], params.wavelet, params.boundary)[: y.size], dtype=np.float64)


def run(y: Vector, params: WaveletParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit; y itself when it is too short for one level. Not causal. O(n).

    Details are shrunk by params.strength times their threshold; with use_fir_filter the same share of the low pass is added.
    threshold_mode sure sorts every level, O(n log n). Raises BadParameter for an unknown wavelet. Source: Mallat (1989), IEEE PAMI 11,
    674-693; Chang, Yu and Vetterli (2000), IEEE TIP 9, 1532-1546; Donoho and Johnstone (1994, 1995); Cai (1999); Johnstone and
    Silverman (2005); see kernels/threshold.py and kernels/laplace.py.
    """
    level = depth(y.size, params)
    if level == 0:
        smooth = y.copy()
    elif is_fused(params):
        smooth = kernels.run(y, filters(params.wavelet), level, rule(params))
    else:
        smooth = _step_by_step(y, params, level)
    return fir.low_pass(smooth, params.fir_cutoff, params.strength) if params.use_fir_filter else smooth


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
