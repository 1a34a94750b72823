"""Other people's denoisers, to measure against: scikit-image, statsmodels, and EbayesThresh written from its paper.

They see the whole series. `make peers` installs the libraries; rpsd never imports them.
"""

import warnings

import numpy as np
import pywt
from scipy.special import erfcx, ndtri

from rpsd.core.market import Vector

_A = 0.5  # scale of the Laplace prior, as the paper's software sets it
_SHIFTS = 15  # 16 of them with the one of nothing
_ROOT_HALF_PI = float(np.sqrt(np.pi / 2.0))
_QUARTILE = float(ndtri(0.75))


def skimage_bayes(y: Vector) -> Vector:
    """scikit-image's BayesShrink as it comes, with sym8."""
    from skimage.restoration import denoise_wavelet

    return np.asarray(denoise_wavelet(y, wavelet="sym8", method="BayesShrink", mode="soft"))


def skimage_cycle_spun(y: Vector) -> Vector:
    """The same, averaged over 16 shifts by scikit-image's cycle_spin, which joins the end to the start."""
    from skimage.restoration import cycle_spin

    return np.asarray(cycle_spin(y, func=skimage_bayes, max_shifts=_SHIFTS, workers=1))


def _mills(x: Vector) -> Vector:
    """Phi(x) / phi(x) without overflow of the ratio where it is finite."""
    return np.asarray(_ROOT_HALF_PI * erfcx(-x / np.sqrt(2.0)))


def excess(x: Vector) -> Vector:
    """g(x) / phi(x) - 1, g the density of a Laplace variable plus standard noise; |x| is cut at 35, where it is 1e7 and more."""
    x = np.minimum(np.abs(x), 35.0)
    return 0.5 * _A * (_mills(x - _A) + _mills(-x - _A)) - 1.0


def _weight_of(threshold: float) -> float:
    """The weight whose posterior median is 0 up to the threshold."""
    t = np.array([threshold])
    return float(1.0 / (_A * _mills(t - _A) - excess(t))[0])


def weight(x: Vector) -> float:
    """Maximum likelihood of the share of nonzero means among x (m,) of unit noise, at least that of the threshold sqrt(2 ln m)."""
    beta = excess(x)
    low, high = _weight_of(float(np.sqrt(2.0 * np.log(max(x.size, 2))))), 1.0

    def slope(w: float) -> float:
        return float((beta / (1.0 + w * beta)).sum())

    if slope(low) <= 0.0:
        return low
    if slope(high) >= 0.0:
        return high
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if slope(middle) > 0.0 else (low, middle)
    return float(np.sqrt(low * high))


def posterior_median(x: Vector, w: float) -> Vector:
    """Median of the mean given x (m,) of unit noise: 0 with probability 1 - w, else Laplace."""
    size = np.abs(x)
    cut = np.minimum(size, 35.0)
    # P(mean > m | x) = 1/2 solved for m > 0: Phi(x - a - m) = phi(x - a) (1/w + beta(x)) / a
    density = np.exp(-0.5 * (cut - _A) ** 2) / np.sqrt(2.0 * np.pi)
    tail = np.minimum(density * (1.0 / w + excess(x)) / _A, 1.0)
    tail = np.where(size > 25.0, 0.5, tail)
    with np.errstate(divide="ignore"):
        return np.asarray(np.sign(x) * np.maximum(size - _A - ndtri(tail), 0.0))


def ebayes_thresh(y: Vector, wavelet: str = "sym8") -> Vector:
    """EbayesThresh's answer on the stationary transform, mirrored beyond the ends, log2(n) - 3 levels.

    Noise from the median of the finest level, Laplace prior with a = 0.5, weight by maximum likelihood for each level, posterior median.
    Source: Johnstone and Silverman (2005), Ann. Statist. 33, 1700-1752, sections 2 and 5; J. Stat. Softw. 12(8).
    """
    n = y.size
    padded = 1 << int(np.ceil(np.log2(2 * n)))
    mirrored = np.pad(y - y[0], (0, padded - n), mode="symmetric")
    depth = max(int(np.log2(n)) - 3, 1)
    coarse, *details = pywt.swt(mirrored, wavelet, level=depth, trim_approx=True)  # unit noise stays unit noise on every level
    sigma = float(np.median(np.abs(details[-1][:n]))) / _QUARTILE
    if sigma == 0.0:
        return y.copy()
    shrunk = [sigma * posterior_median(d / sigma, weight(d[:n] / sigma)) for d in details]
    return np.asarray(pywt.iswt([coarse, *shrunk], wavelet)[:n] + y[0])


def _local_level(y: Vector) -> tuple[object, float]:
    """statsmodels' local level of the series, in units of its steps, where its optimiser starts well."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    unit = float(np.diff(y).std()) or 1.0
    return UnobservedComponents((y - y[0]) / unit, "local level"), unit


def kalman_rts(y: Vector) -> Vector:
    """statsmodels' local level, both variances by maximum likelihood, smoothed. Source: Durbin and Koopman (2012), 4.4."""
    model, unit = _local_level(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of optimisers that stop early: the likelihood is what it is
        fitted = model.fit(disp=0)  # type: ignore[attr-defined]
    return np.asarray(y[0] + unit * fitted.smoothed_state[0])


def exact_filter_and_smoother(y: Vector, noise: float, step: float) -> tuple[Vector, Vector]:
    """statsmodels' filtered and smoothed level where both standard deviations are known: the bounds that no other can beat."""
    model, unit = _local_level(y)
    known = model.smooth([(noise / unit) ** 2, (step / unit) ** 2])  # type: ignore[attr-defined]
    return y[0] + unit * known.filtered_state[0], y[0] + unit * known.smoothed_state[0]
