"""Filter kernels: equal to their references, and the likelihood finds what was planted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import filters


def _series(n: int, seed: int, step: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(step * rng.normal(size=n)) + rng.normal(size=n)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 1300), taps=st.integers(1, 120), seed=st.integers(0, 999))
def test_fir(n: int, taps: int, seed: int) -> None:
    y, h, out = _series(n, seed), np.random.default_rng(seed).normal(size=taps), np.empty(n)
    filters.fir(y, h, out)
    assert np.abs(out - filters.reference_fir(y, h)).max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), weight=st.floats(0.01, 1.0), seed=st.integers(0, 999))
def test_ema(n: int, weight: float, seed: int) -> None:
    y, out = _series(n, seed), np.empty(n)
    filters.ema(y, weight, np.full(1, np.nan), out)
    assert np.abs(out - filters.reference_ema(y, weight)).max() < 1e-12 * (1.0 + np.abs(y).max())


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), data=st.data(), seed=st.integers(0, 999))
def test_running_mean(n: int, data: st.DataObject, seed: int) -> None:
    y, out = _series(n, seed), np.empty(n)
    width = data.draw(st.integers(1, n))
    filters.running_mean(y, width, out)
    assert np.abs(out - filters.reference_running_mean(y, width)).max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 200), window=st.integers(1, 70), seed=st.integers(0, 999))
def test_trailing_quartiles(n: int, window: int, seed: int) -> None:
    x = np.random.default_rng(seed).integers(0, 9, n).astype(np.float64)
    rows = [np.empty(n) for _ in range(3)]
    filters.trailing_quartiles(x, window, *rows)
    for row, expected in zip(rows, filters.reference_trailing_quartiles(x, window), strict=True):
        assert (row == expected).all()


@pytest.mark.parametrize("ratio", [0.05, 0.25, 2.0])
def test_likelihood_finds_the_planted_noise(ratio: float) -> None:
    found = [filters.fit_gain(_series(4000, seed, np.sqrt(ratio)), np.array([0, 4000])) for seed in range(8)]
    gain = float(np.mean([g for g, _ in found]))
    noise = float(np.mean([square * (1.0 - g) for g, square in found]))
    assert abs(gain - filters.steady_gain(ratio)) < 0.02
    assert abs(noise - 1.0) < 0.06


def test_likelihood_agrees_with_the_recursion() -> None:
    y = _series(500, 2)
    gain, square = filters.fit_gain(y, np.array([0, 500]))
    assert abs(square - filters.reference_innovations(y, gain)) < 1e-9
    for other in (gain - 0.01, gain + 0.01):
        assert filters.reference_innovations(y, other) >= square


def test_sessions_are_fitted_apart() -> None:
    y = np.concatenate([_series(300, 1), 1000.0 + _series(300, 2)])
    apart = filters.fit_gain(y, np.array([0, 300, 600]))[0]
    joined = filters.fit_gain(y, np.array([0, 600]))[0]
    assert abs(apart - filters.steady_gain(1.0)) < 0.1
    assert joined > 0.9  # the jump between the sessions looks like signal
