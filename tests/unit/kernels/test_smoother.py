"""The smoother and its likelihood against the normal equations, and the trailing Haar transform against its readable form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import haar, smoother


def series(n: int, seed: int) -> np.ndarray:
    """A walk in noise with a jump."""
    rng = np.random.default_rng(seed)
    y = 20.0 + np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n)
    y[n // 2 :] += 30.0
    return y


@pytest.mark.parametrize("n", [2, 3, 16, 120])
@pytest.mark.parametrize("ratio", [1e-3, 0.25, 30.0])
def test_smoother_solves_the_normal_equations(n: int, ratio: float) -> None:
    y = series(n, n)
    x, shares, squares = (np.empty(n) for _ in range(3))
    likelihood = smoother.smooth(y, ratio, x, shares, squares)
    expected, expected_shares = smoother.reference_smooth(y, ratio)
    assert np.abs(x - expected).max() < 1e-8
    assert np.abs(shares - expected_shares).max() < 1e-9
    assert likelihood == pytest.approx(smoother.reference_likelihood(y, ratio), rel=1e-9)


def test_share_is_the_sensitivity() -> None:
    """Of sample 50: what a small push of y moves x̂ by."""
    y, moved = series(100, 0), series(100, 0)
    moved[50] += 1e-3
    x, pushed, shares, squares = (np.empty(100) for _ in range(4))
    smoother.smooth(moved, 0.25, pushed, shares, squares)
    smoother.smooth(y, 0.25, x, shares, squares)
    assert (pushed - x)[50] / 1e-3 == pytest.approx(shares[50], rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 600), level=st.integers(1, 6), window=st.integers(16, 200), seed=st.integers(0, 99))
def test_haar_is_its_readable_form(n: int, level: int, window: int, seed: int) -> None:
    y, out = series(n, seed), np.empty(n)
    haar.haar(y, level, window, haar.start(level), out)
    assert np.abs(out - haar.reference_haar(y, level, window)).max() < 1e-9


def test_haar_keeps_a_jump_and_quiets_what_is_between() -> None:
    y = np.random.default_rng(1).normal(size=4000)
    y[2000:] += 50.0
    out = np.empty(4000)
    haar.haar(y, 4, 256, haar.start(4), out)
    assert out[1500:2000].std() < 0.6
    assert abs(out[2000] - 50.0) < 6.0
