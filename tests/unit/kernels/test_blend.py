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
