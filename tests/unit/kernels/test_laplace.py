"""Empirical Bayes with a Laplace slab: against numerical integration, and kernels against their readable forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from rpsd.kernels import laplace


def _slab(mean: float) -> float:
    return 0.25 * float(np.exp(-0.5 * abs(mean)))


def _marginal(x: float) -> float:
    """Density of x when its mean is Laplace."""
    return float(integrate.quad(lambda m: _slab(m) * stats.norm.pdf(x - m), -60.0, 60.0, points=[0.0, x], limit=400)[0])


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0, 2.5, 4.0, 6.0])
def test_beta_is_the_ratio_of_the_marginals(x: float) -> None:
    assert laplace.beta(x) == pytest.approx(_marginal(x) / stats.norm.pdf(x) - 1.0, rel=1e-7)
    assert laplace.beta(-x) == laplace.beta(x)


@pytest.mark.parametrize("w", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("x", [0.5, 2.0, 3.5, 5.0, -5.0])
def test_the_median_halves_the_posterior(x: float, w: float) -> None:
    """Probability of a mean at or below the median is at least a half, of one below it at most a half."""
    total = (1.0 - w) * stats.norm.pdf(x) + w * _marginal(x)
    median = laplace.reference_median(x, w)
    below = w * integrate.quad(lambda m: _slab(m) * stats.norm.pdf(x - m), -60.0, median, points=[min(x, median) - 1.0, -1.0], limit=400)[0]
    atom = (1.0 - w) * stats.norm.pdf(x)
    strictly_below = (below + (atom if median > 0.0 else 0.0)) / total
    up_to = (below + (atom if median >= 0.0 else 0.0)) / total
    assert strictly_below <= 0.5 + 1e-6
    assert up_to >= 0.5 - 1e-6


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), w=st.floats(1e-4, 1.0), spread=st.floats(0.1, 50.0))
def test_medians_equal_the_reference(seed: int, w: float, spread: float) -> None:
    x, out = spread * np.random.default_rng(seed).normal(size=50), np.empty(50)
    laplace.medians(x, w, out)
    expected = np.array([laplace.reference_median(float(v), w) for v in x])
    assert np.abs(out - expected).max() < 1e-7  # a quantile of a share within 1e-16 of 1 has fewer digits


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), share=st.floats(0.0, 1.0), m=st.integers(2, 300))
def test_weight_is_the_most_likely(seed: int, share: float, m: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=m) + rng.laplace(scale=2.0, size=m) * (rng.random(m) < share)
    assert laplace.weight(x, np.empty(m)) == pytest.approx(laplace.reference_weight(x), abs=4e-4)


def test_weight_of_noise_is_the_least_allowed() -> None:
    x = np.random.default_rng(2).normal(size=4000)
    lowest = laplace.weight_of_threshold(np.sqrt(2.0 * np.log(x.size)))
    assert lowest <= laplace.weight(x, np.empty(x.size)) < 0.02
    assert laplace.weight(0.1 * x, np.empty(x.size)) == pytest.approx(lowest, abs=1e-8)


@pytest.mark.parametrize("w", [0.001, 0.05, 0.5, 1.0])
def test_the_threshold_is_where_the_median_leaves_zero(w: float) -> None:
    t, out = laplace.threshold_of_weight(w), np.empty(2)
    laplace.medians(np.array([t - 1e-6, t + 1e-3]), w, out)
    assert out[0] == 0.0 or t < 1e-6
    assert out[1] > 0.0
    assert laplace.weight_of_threshold(t) == pytest.approx(w, rel=1e-9)
