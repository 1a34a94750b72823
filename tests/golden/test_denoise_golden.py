"""Denoisers against independent implementations: scipy.signal, plain PyWavelets, scikit-image, a textbook Kalman filter."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pywt
from scipy import optimize, signal, stats

from rpsd.core.parameters import KalmanParameters, SavgolParameters, WaveletParameters
from rpsd.denoise import fir, kalman, savgol, wavelet
from rpsd.kernels import filters

DATA = Path(__file__).parent / "denoise"


def walk(n: int, seed: int = 0) -> np.ndarray:
    """A random walk plus noise around 100."""
    rng = np.random.default_rng(seed)
    return 100.0 + np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n)


@pytest.mark.parametrize("cutoff", [0.01, 0.1, 0.25, 0.45])
def test_fir_taps_are_those_of_scipy(cutoff: float) -> None:
    assert np.abs(fir.taps(cutoff) - signal.firwin(101, cutoff, window="hann", fs=1.0)).max() < 1e-14


@pytest.mark.parametrize("n", [2, 3, 16, 100, 202, 303, 304, 305, 1741, 5000, 65536, 65537, 65838, 65839, 65840, 140000])
@pytest.mark.parametrize("cutoff", [0.02, 0.1])
def test_low_pass_is_filtfilt(n: int, cutoff: float) -> None:
    y = walk(n)
    expected = signal.filtfilt(signal.firwin(101, cutoff, window="hann", fs=1.0), 1.0, y, padlen=min(303, n - 1))
    assert np.abs(fir.low_pass(y, cutoff) / expected - 1.0).max() < 1e-12


def _directly(y: np.ndarray, p: WaveletParameters) -> np.ndarray:
    """The classic pipeline written straight from its description, with PyWavelets and scipy.signal."""
    level = min(p.level, pywt.dwt_max_level(y.size, pywt.Wavelet(p.wavelet).dec_len))
    approximation, *details = pywt.wavedec(y, p.wavelet, p.boundary, level)
    mad = [np.median(np.abs(d)) / 0.6744897501960817 for d in details]
    shrunk = []
    for d, own in zip(details, mad, strict=True):
        sigma = own if p.noise == "per_level" else mad[-1]
        excess = np.mean(d**2) - sigma**2
        bayes = sigma**2 / np.sqrt(excess) if excess > 0 else np.abs(d).max()
        limit = min(bayes, np.abs(d).max()) if p.threshold_mode == "bayes" else sigma * np.sqrt(2 * np.log(y.size))
        shrunk.append(pywt.threshold(d, limit, p.shrinkage))
    x = pywt.waverec([approximation, *shrunk], p.wavelet, p.boundary)[: y.size]
    if p.use_fir_filter:
        x = signal.filtfilt(signal.firwin(101, p.fir_cutoff, window="hann", fs=1.0), 1.0, x, padlen=min(303, y.size - 1))
    return x


BOUNDARIES = ["symmetric", "reflect", "antireflect", "antisymmetric", "constant", "smooth", "zero", "periodic", "periodization"]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shrinkage", ["soft", "hard", "garrote"])
@pytest.mark.parametrize("noise", ["finest", "per_level"])
@pytest.mark.parametrize("mode", ["bayes", "universal"])
def test_wavelet_is_the_pipeline_as_described(boundary: str, shrinkage: str, noise: str, mode: str) -> None:
    for name, n in (("db4", 1741), ("haar", 100), ("sym8", 257)):
        p = WaveletParameters(
            wavelet=name, boundary=boundary, shrinkage=shrinkage, noise=noise, threshold_mode=mode, use_fir_filter=n > 1000
        )
        y = walk(n)
        assert np.abs(wavelet.run(y, p) - _directly(y, p)).max() < 1e-10


def test_every_discrete_wavelet_works() -> None:
    y = walk(300)
    for name in pywt.wavelist(kind="discrete"):
        x = wavelet.run(y, WaveletParameters(wavelet=name, use_fir_filter=False))
        assert np.isfinite(x).all(), name
        assert x.size == 300


def test_bayes_shrink_is_that_of_scikit_image() -> None:
    y = np.loadtxt(DATA / "observed.csv")
    for name in ("db4", "sym8"):
        expected = np.loadtxt(DATA / f"skimage_{name}.csv")
        ours = wavelet.run(y, WaveletParameters(wavelet=name, use_fir_filter=False))
        assert np.abs(ours - expected).max() < 1e-9


def test_visu_shrink_is_that_of_scikit_image() -> None:
    y = np.loadtxt(DATA / "observed.csv")
    for name in ("db4", "sym8"):
        expected = np.loadtxt(DATA / f"skimage_visu_{name}.csv")
        ours = wavelet.run(y, WaveletParameters(wavelet=name, threshold_mode="universal", shrinkage="hard", use_fir_filter=False))
        assert np.abs(ours - expected).max() < 1e-9


def _sure(d: np.ndarray, n: int) -> np.ndarray:
    """SureShrink by trying every candidate of the definition."""
    largest = np.sqrt(2.0 * np.log(d.size))
    candidates = [largest]
    if np.mean(d**2) - 1.0 > np.log2(d.size) ** 1.5 / np.sqrt(d.size):
        candidates = [0.0, *(v for v in np.abs(d) if v <= largest)]
    risks = [np.sum(1.0 - 2.0 * (np.abs(d) <= t) + np.minimum(np.abs(d), t) ** 2) for t in candidates]
    return np.asarray(pywt.threshold(d, max(candidates[int(np.argmin(risks))], 1e-300), "soft"))


def _block(d: np.ndarray, n: int) -> np.ndarray:
    """BlockJS on whole blocks."""
    length = int(np.log(n))
    blocks = d.reshape(-1, length)
    energy = (blocks**2).sum(axis=1, keepdims=True)
    return np.asarray((blocks * np.maximum(1.0 - 4.50524 * length / energy, 0.0)).ravel())


def _posterior_median(d: np.ndarray, n: int) -> np.ndarray:
    """Johnstone and Silverman (2005) with scipy's normal distribution and a bounded minimiser."""
    a, size = 0.5, np.abs(d)

    def ratio(x: np.ndarray) -> np.ndarray:
        slab = 0.5 * a * np.exp(0.5 * a * a) * (np.exp(-a * x) * stats.norm.cdf(x - a) + np.exp(a * x) * stats.norm.sf(x + a))
        return np.asarray(slab / stats.norm.pdf(x))  # of the marginals of slab and noise

    t = np.sqrt(2.0 * np.log(d.size))
    least = 1.0 / (1.0 + a * stats.norm.cdf(t - a) / stats.norm.pdf(t - a) - ratio(t))
    w = optimize.minimize_scalar(
        lambda v: -np.log1p(v * (ratio(size) - 1.0)).sum(), bounds=(least, 1.0), method="bounded", options={"xatol": 1e-10}
    ).x
    share = stats.norm.pdf(size - a) / a * (1.0 / w + ratio(size) - 1.0)
    return np.asarray(np.sign(d) * np.maximum(size - a - stats.norm.ppf(np.minimum(share, 1.0)), 0.0))


@pytest.mark.parametrize(("mode", "rule"), [("sure", _sure), ("block", _block), ("empirical_bayes", _posterior_median)])
def test_rules_of_a_level_are_those_of_their_papers(mode: str, rule: Callable[[np.ndarray, int], np.ndarray]) -> None:
    """With haar and 768 samples every level is a whole number of blocks of six."""
    y = np.cumsum(np.random.default_rng(5).normal(size=768) * (np.arange(768) % 24 == 0)) * 6.0
    y = y + np.random.default_rng(6).normal(size=768)
    approximation, *details = pywt.wavedec(y, "haar", "symmetric", 4)
    sigma = np.median(np.abs(details[-1])) / 0.6744897501960817
    expected = pywt.waverec([approximation, *(sigma * rule(d / sigma, y.size) for d in details)], "haar", "symmetric")
    ours = wavelet.run(y, WaveletParameters(wavelet="haar", threshold_mode=mode, use_fir_filter=False))
    assert np.abs(ours - expected).max() < 1e-6
    assert np.abs(ours - y).max() > 0.5


@pytest.mark.parametrize(("window", "order"), [(5, 2), (11, 2), (11, 3), (21, 4), (51, 3)])
@pytest.mark.parametrize("n", [101, 256, 1741])
def test_savgol_is_that_of_scipy(window: int, order: int, n: int) -> None:
    y = walk(n)
    expected = signal.savgol_filter(y, window, order, mode="interp")
    assert np.abs(savgol.run(y, SavgolParameters(window=window, order=order)) - expected).max() < 1e-9


def test_savgol_of_a_high_order_is_a_fit_by_chebyshev_polynomials() -> None:
    """scipy's powers of the place lose all digits there: 108 off at window 101, order 10."""
    y, places = walk(256), np.linspace(-1.0, 1.0, 101)
    ours = savgol.run(y, SavgolParameters(window=101, order=10))
    for t in (50, 128, 205):
        fitted = np.polynomial.chebyshev.Chebyshev.fit(places, y[t - 50 : t + 51], 10)
        assert abs(ours[t] - fitted(0.0)) < 1e-10
    ends = np.polynomial.chebyshev.Chebyshev.fit(places, y[-101:], 10)(places[-50:])
    assert np.abs(ours[-50:] - ends).max() < 1e-10


def _textbook_filter(y: np.ndarray, ratio: float) -> np.ndarray:
    """Kalman filter of the local level with a diffuse start, variances in units of the noise."""
    level, variance, out = y[0], 1.0, [y[0]]
    for value in y[1:]:
        predicted = variance + ratio
        gain = predicted / (predicted + 1.0)
        level = level + gain * (value - level)
        variance = (1.0 - gain) * predicted
        out.append(level)
    return np.array(out)


@pytest.mark.parametrize("ratio", [0.05, 0.25, 1.0, 4.0])
def test_kalman_settles_on_the_textbook_filter(ratio: float) -> None:
    y = walk(600)
    ours, expected = kalman.run(y, KalmanParameters(ratio=ratio)), _textbook_filter(y, ratio)
    assert np.abs(ours - expected)[200:].max() < 1e-9


def test_likelihood_peaks_where_the_textbook_filter_says() -> None:
    y = walk(3000, seed=4)

    def negative(gain: float) -> float:
        """Concentrated Gaussian likelihood by the exact recursion, diffuse start."""
        ratio = gain * gain / (1.0 - gain)
        level, variance, squares, logs = y[0], 1.0, 0.0, 0.0
        for value in y[1:]:
            f = variance + ratio + 1.0
            squares += (value - level) ** 2 / f
            logs += np.log(f)
            level += (f - 1.0) / f * (value - level)
            variance = (f - 1.0) / f
        return 0.5 * (y.size - 1) * np.log(squares) + 0.5 * logs

    gain = filters.fit_gain(y, np.array([0, y.size]))[0]
    grid = np.linspace(0.2, 0.6, 41)
    exact = grid[int(np.argmin([negative(g) for g in grid]))]
    assert abs(gain - exact) <= 0.015
