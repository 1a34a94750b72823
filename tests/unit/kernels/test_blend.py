"""Two estimates averaged: kernels equal their readable forms, and the better one wins where it is better."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import blend


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 80), size=st.sampled_from((0.1, 3.0, 1e6)), seed=st.integers(0, 2**16))
def test_share(m: int, size: float, seed: int) -> None:
    excess, out = size * np.random.default_rng(seed).normal(size=m), np.empty(m)
    blend.share(excess, out)
    assert np.abs(out - blend.reference_share(excess)).max() < 1e-12
    assert np.isfinite(out).all()
    assert ((out >= 0.0) & (out <= 1.0)).all()


def test_the_lower_loss_wins_where_it_is_lower() -> None:
    shares = blend.reference_share(np.repeat([-3.0, 3.0], 30))
    assert shares[:25].min() > 0.95
    assert shares[35:].max() < 0.05
    assert np.abs(blend.reference_share(np.zeros(9)) - 0.5).max() < 1e-12


def test_time_reversed_losses_give_reversed_shares() -> None:
    excess = np.random.default_rng(4).normal(size=50)
    assert np.abs(blend.reference_share(excess)[::-1] - blend.reference_share(excess[::-1])).max() < 1e-12


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 12), short=st.integers(0, 7), seed=st.integers(0, 2**16))
def test_average(m: int, short: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 8 * m - short
    first, second, shares, out = rng.normal(size=n), rng.normal(size=n), rng.random(m), np.full(n, np.nan)
    blend.average(first, second, shares, 8, out)
    assert np.abs(out - blend.reference_average(first, second, shares, 8)).max() < 1e-12


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 12), short=st.integers(0, 7), varies=st.booleans(), seed=st.integers(0, 2**16))
def test_compare(m: int, short: int, varies: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 8 * m - short
    y, first, second = rng.normal(size=(3, n))
    inverse, excess, apart = rng.random(n if varies else 1), np.empty(m), np.empty(m)
    blend.compare(y, first, second, inverse, 8, excess, apart)
    padded = np.zeros((2, 8 * m))
    padded[:, :n] = ((y - second) ** 2 - (y - first) ** 2) * inverse, (first - second) ** 2 * inverse
    expected = padded.reshape(2, m, 8).sum(axis=2)
    assert np.abs(excess - expected[0]).max() < 1e-12
    assert np.abs(apart - expected[1]).max() < 1e-12
