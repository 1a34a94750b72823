"""The wavelet method: reconstruction for every bank and boundary, what strength means, which path computes what."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.core.parameters import WaveletParameters
from rpsd.denoise import wavelet
from rpsd.kernels import wavelet as kernels

BARE = WaveletParameters(use_fir_filter=False)
MODES = ("bayes", "universal", "sure", "minimax", "empirical_bayes", "block")
SHAPES = ("soft", "hard", "garrote")
BOUNDARIES = ("symmetric", "reflect", "antireflect", "antisymmetric", "constant", "smooth", "zero", "periodic", "periodization")
each_rule = pytest.mark.parametrize(("mode", "shape"), [(m, s) for m in MODES for s in SHAPES])


def observed(n: int = 1024, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Waves with jumps, and the same under noise of 1."""
    t, rng = np.linspace(0.0, 1.0, n), np.random.default_rng(seed)
    x = 5.0 * np.sin(9.0 * t) + 4.0 * (t > 0.3) - 6.0 * (t > 0.7)
    return x, x + rng.normal(size=n)


@settings(max_examples=250, deadline=None)
@given(
    name=st.sampled_from(pywt.wavelist(kind="discrete")), n=st.integers(16, 700), boundary=st.sampled_from(BOUNDARIES),
    level=st.one_of(st.just("auto"), st.integers(1, 20)), mode=st.sampled_from(MODES), shape=st.sampled_from(SHAPES),
)  # fmt: skip
def test_nothing_removed_is_the_series_itself(name: str, n: int, boundary: str, level: int | str, mode: str, shape: str) -> None:
    y = observed(n)[1]
    params = replace(BARE, wavelet=name, boundary=boundary, level=level, threshold_mode=mode, shrinkage=shape, strength=0.0)
    assert np.abs(wavelet.run(y, params) - y).max() < 1e-8 * np.abs(y).max()


@pytest.mark.parametrize("mode", MODES)
def test_nothing_removed_is_the_series_itself_for_a_truncated_wavelet(mode: str) -> None:
    y = observed(500)[1]
    assert np.abs(wavelet.run(y, replace(BARE, wavelet="dmey", threshold_mode=mode, strength=0.0)) - y).max() < 1e-12


@pytest.mark.parametrize("name", pywt.wavelist(kind="discrete"))
def test_the_kernels_transform_inverts_itself(name: str) -> None:
    bank = wavelet.filters(name)
    for n in (17, 64, 333):
        y = observed(n)[1]
        approximation, details = kernels.decompose(y, bank, 3)
        back = kernels.recompose(approximation, details, bank, n)
        assert np.abs(back - y).max() < (1e-2 if name == "dmey" else 1e-8) * np.abs(y).max()  # dmey is a truncated wavelet


@each_rule
def test_strength_is_continuous_and_removes_more_and_more(mode: str, shape: str) -> None:
    y = observed()[1]
    removed = [
        float(np.sqrt(np.mean((wavelet.run(y, replace(BARE, threshold_mode=mode, shrinkage=shape, strength=s)) - y) ** 2)))
        for s in (0.0, 0.001, 0.25, 0.5, 1.0)
    ]
    assert removed[0] < 1e-12
    assert removed[1] < 0.01
    assert all(a <= b for a, b in pairwise(removed))
    assert removed[-1] > 0.5


@each_rule
def test_every_rule_removes_most_of_the_noise(mode: str, shape: str) -> None:
    x, y = observed(4096)
    found = wavelet.run(y, replace(BARE, wavelet="sym8", threshold_mode=mode, shrinkage=shape))
    assert np.mean((found - x) ** 2) < 0.4 * np.mean((y - x) ** 2)


@each_rule
def test_unit_and_level_of_the_series_do_not_matter(mode: str, shape: str) -> None:
    y = observed(500)[1]
    params = replace(BARE, threshold_mode=mode, shrinkage=shape)
    a, b = wavelet.run(y, params), wavelet.run(1000.0 * y + 5.0, params)
    assert np.abs(b - (1000.0 * a + 5.0)).max() < 1e-6


@each_rule
@pytest.mark.parametrize(
    "y", [np.full(64, 7.0), np.repeat([0.0, 1.0], 32), np.arange(64.0), np.zeros(64)], ids=["flat", "step", "ramp", "nil"]
)
def test_series_without_noise_stay_finite(mode: str, shape: str, y: np.ndarray) -> None:
    for noise in ("finest", "per_level"):
        x = wavelet.run(y, replace(BARE, threshold_mode=mode, shrinkage=shape, noise=noise))
        assert np.isfinite(x).all()
        assert np.ptp(y) > 0.0 or np.abs(x - y).max() < 1e-12


@pytest.mark.parametrize("mode", ["sure", "empirical_bayes", "block"])
def test_both_paths_agree_on_the_symmetric_boundary(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    y, params = observed(777)[1], replace(BARE, threshold_mode=mode)
    ours = wavelet.run(y, params)
    monkeypatch.setattr(kernels, "decompose", _with_pywt)
    assert np.abs(wavelet.run(y, params) - ours).max() < 1e-10


def _with_pywt(y: np.ndarray, bank: kernels.Filters, level: int) -> tuple[np.ndarray, list[np.ndarray]]:
    approximation, *details = pywt.wavedec(y, pywt.Wavelet("same", filter_bank=[list(f) for f in bank]), "symmetric", level)
    return approximation, details[::-1]


def test_auto_takes_the_whole_depth() -> None:
    assert [wavelet.depth(n, replace(BARE, level="auto")) for n in (16, 100, 1741, 10**6)] == [1, 3, 7, 17]
    assert wavelet.depth(10**6, replace(BARE, level=4)) == 4
    y = observed()[1]
    assert (wavelet.run(y, replace(BARE, level="auto")) == wavelet.run(y, replace(BARE, level=7))).all()
