"""Wavelet kernels: equal to their reference and to PyWavelets, inverse after forward is the identity."""

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.denoise.wavelet import filters
from rpsd.kernels import threshold, wavelet
from rpsd.kernels.threshold import BAYES, GARROTE, HARD, MINIMAX, SOFT, UNIVERSAL
from rpsd.kernels.wavelet import Rule

NAMES = ("haar", "db4", "sym8", "bior3.5", "coif2")


def _series(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(size=n)) + rng.normal(size=n)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(16, 400),
    name=st.sampled_from(NAMES),
    level=st.integers(1, 4),
    rule=st.builds(
        Rule,
        st.sampled_from((BAYES, UNIVERSAL, MINIMAX)),
        st.sampled_from((SOFT, HARD, GARROTE)),
        st.booleans(),
        st.floats(0.0, 1.0),
    ),
    seed=st.integers(0, 2**16),
)
def test_kernel_equals_reference(n: int, name: str, level: int, rule: Rule, seed: int) -> None:
    y, bank = _series(n, seed), filters(name)
    expected = wavelet.denoise(y, bank, level, rule)
    assert np.abs(wavelet.run(y, bank, level, rule) - expected).max() <= 1e-11 * np.abs(y).max() + 1e-11


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [64, 65, 1741])
def test_transform_equals_pywavelets(name: str, n: int) -> None:
    y, bank = _series(n, n), filters(name)
    low, high = wavelet.analyse(y, bank)
    expected_low, expected_high = pywt.dwt(y, name, "symmetric")
    assert np.abs(low - expected_low).max() < 1e-12 * np.abs(y).max()
    assert np.abs(high - expected_high).max() < 1e-12 * np.abs(y).max()
    details = wavelet.details(y, bank, 1)[0]
    assert np.abs(details - expected_high).max() < 1e-12 * np.abs(y).max()


@settings(max_examples=40, deadline=None)
@given(n=st.integers(16, 500), name=st.sampled_from(("haar", "db4", "sym8")), level=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_strength_zero_reconstructs(n: int, name: str, level: int, seed: int) -> None:
    y = _series(n, seed)
    back = wavelet.run(y, filters(name), level, Rule(BAYES, SOFT, False, 0.0))
    assert np.abs(back - y).max() < 1e-9 * np.abs(y).max()


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 2**16), grid=st.booleans())
def test_median_is_exact_when_short(n: int, seed: int, grid: bool) -> None:
    rng = np.random.default_rng(seed)
    d = rng.integers(-3, 4, n).astype(np.float64) if grid else rng.normal(size=n)
    assert wavelet.median_size(d) == np.median(np.abs(d))


@pytest.mark.parametrize("n", [16384, 16385, 60001])
@pytest.mark.parametrize("kind", ["normal", "grid", "zeros", "wide"])
def test_median_is_exact_when_long(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    drawn = {
        "normal": rng.normal(size=n),
        "grid": rng.integers(-3, 4, n).astype(np.float64),
        "zeros": np.zeros(n),
        "wide": rng.normal(size=n) * 10.0 ** rng.integers(-200, 200, n),
    }[kind]
    assert wavelet.median_size(drawn) == np.median(np.abs(drawn))


@pytest.mark.parametrize("shape", [SOFT, HARD, GARROTE])
def test_shrinking_zero_by_zero_is_zero(shape: int) -> None:
    assert (threshold.shrink(np.zeros(3), 0.0, shape) == 0.0).all()
    flat = wavelet.run(np.full(64, 7.0), filters("db4"), 3, Rule(BAYES, shape, False, 1.0))
    assert np.abs(flat - 7.0).max() < 1e-12


@pytest.mark.parametrize(("shape", "word"), [(SOFT, "soft"), (HARD, "hard"), (GARROTE, "garrote")])
def test_shrinkage_equals_pywavelets(shape: int, word: str) -> None:
    d = np.random.default_rng(3).normal(size=200)
    assert np.abs(threshold.shrink(d, 0.7, shape) - pywt.threshold(d, 0.7, word)).max() < 1e-14


def test_no_signal_removes_the_whole_level() -> None:
    rng = np.random.default_rng(1)
    d = rng.normal(size=100)
    assert threshold.threshold(d, 10.0, 100, BAYES) == np.abs(d).max()
