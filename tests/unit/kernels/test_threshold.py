"""Threshold rules: kernels equal their readable forms, SURE finds the least risk, minimax is the published table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import threshold
from rpsd.kernels.threshold import BAYES, GARROTE, HARD, MINIMAX, SOFT, UNIVERSAL

SHAPES = st.sampled_from((SOFT, HARD, GARROTE))


def _details(m: int, seed: int) -> np.ndarray:
    """Noise of 1 with a few large details."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=m) + 6.0 * rng.normal(size=m) * (rng.random(m) < 0.1)


@settings(max_examples=60, deadline=None)
@given(m=st.integers(1, 200), seed=st.integers(0, 2**16), sigma=st.floats(0.0, 3.0), mode=st.sampled_from((BAYES, UNIVERSAL, MINIMAX)))
def test_limit_equals_threshold(m: int, seed: int, sigma: float, mode: int) -> None:
    d = _details(m, seed)
    assert threshold.limit(d, sigma, 2 * m, mode) == pytest.approx(threshold.threshold(d, sigma, 2 * m, mode), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(m=st.integers(1, 200), seed=st.integers(0, 2**16), at=st.floats(0.0, 5.0), shape=SHAPES)
def test_shrinking_in_place_equals_shrinking(m: int, seed: int, at: float, shape: int) -> None:
    d = _details(m, seed)
    expected = threshold.shrink(d, at, shape)
    threshold.shrink_kernel(d, at, shape)
    assert np.abs(d - expected).max() < 1e-14


@settings(max_examples=100, deadline=None)
@given(
    m=st.integers(1, 200), seed=st.integers(0, 2**16), sigma=st.floats(0.0, 3.0), length=st.integers(1, 12),
    strength=st.floats(0.0, 1.0), shape=SHAPES,
)  # fmt: skip
def test_block_kernel_equals_reference(m: int, seed: int, sigma: float, length: int, strength: float, shape: int) -> None:
    d, out = _details(m, seed), np.empty(m)
    threshold.block(d, sigma, length, strength, shape, out)
    assert np.abs(out - threshold.reference_block(d, sigma, length, strength, shape)).max() < 1e-12


def test_a_block_is_shrunk_as_one() -> None:
    d = np.array([3.0, 4.0, 0.1, -0.1, 5.0])
    limit = 4.50524 * 2 * 0.25
    expected = np.array([3.0 * (1 - limit / 25.0), 4.0 * (1 - limit / 25.0), 0.0, 0.0, 5.0 * (1 - limit / 25.01)])
    assert np.abs(threshold.reference_block(d, 0.5, 2, 1.0, SOFT) - expected).max() < 1e-14
    assert threshold.reference_block(d, 0.5, 2, 1.0, HARD).tolist() == [3.0, 4.0, 0.0, 0.0, 5.0]


def test_the_factor_of_a_block_is_the_root_it_is_said_to_be() -> None:
    """lambda - ln lambda = 3, Cai (1999)."""
    assert 4.50524 - np.log(4.50524) == pytest.approx(3.0, abs=1e-5)


def _risk(x: np.ndarray, t: float) -> float:
    """Stein's estimate for soft shrinkage of x at t, straight from its definition."""
    return float(x.size - 2 * np.count_nonzero(np.abs(x) <= t) + (np.minimum(np.abs(x), t) ** 2).sum())


@settings(max_examples=60, deadline=None)
@given(m=st.integers(4, 300), seed=st.integers(0, 2**16), sigma=st.floats(0.1, 3.0))
def test_sure_is_the_least_of_all_candidates(m: int, seed: int, sigma: float) -> None:
    x = 4.0 * _details(m, seed)  # dense enough for the estimate
    largest = np.sqrt(2.0 * np.log(m))
    if np.mean(x**2) - 1.0 <= np.log2(m) ** 1.5 / np.sqrt(m):
        return
    t = threshold.sure(sigma * x, sigma) / sigma
    others = np.concatenate([[0.0], np.abs(x)[np.abs(x) <= largest], np.linspace(0.0, largest, 500)])
    assert t <= largest * (1 + 1e-12)
    assert min(_risk(x, t * (1 + 1e-12)), _risk(x, t)) <= min(_risk(x, float(o)) for o in others) + 1e-6


def test_a_sparse_level_takes_the_universal_threshold() -> None:
    d = np.random.default_rng(0).normal(size=1000)
    assert threshold.sure(0.5 * d, 0.5) == pytest.approx(0.5 * np.sqrt(2.0 * np.log(1000)))
    d[:100] += 4.0
    assert threshold.sure(0.5 * d, 0.5) < 0.5 * np.sqrt(2.0 * np.log(1000)) - 0.5


def test_no_noise_no_threshold() -> None:
    assert threshold.sure(np.arange(8.0), 0.0) == 0.0


@pytest.mark.parametrize(("n", "table"), [(64, 1.474), (128, 1.669), (256, 1.860), (512, 2.048), (1024, 2.232), (2048, 2.414)])
def test_minimax_is_near_the_published_table(n: int, table: float) -> None:
    """Donoho and Johnstone (1994), table 2; the formula is a fit to it."""
    assert threshold.threshold(np.ones(4), 1.0, n, MINIMAX) == pytest.approx(table, abs=0.025)
    assert threshold.threshold(np.ones(4), 1.0, 32, MINIMAX) == 0.0
