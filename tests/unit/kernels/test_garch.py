"""The GARCH likelihood equals its readable form, and the search climbs to the parameters that made the data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.kernels import garch


def simulated(n: int, rng: np.random.Generator, shock: float, kept: float) -> np.ndarray:
    x, variance = np.empty(n), 1.0
    for t in range(n):
        x[t] = math.sqrt(variance) * rng.normal()
        variance = 1.0 - shock - kept + shock * x[t] ** 2 + kept * variance
    return x


@given(st.integers(1, 60), st.integers(0, 2**32), st.lists(st.floats(-6, 6), min_size=5, max_size=5))
def test_the_kernel_is_its_readable_form(n: int, seed: int, q: list[float]) -> None:
    x = np.random.default_rng(seed).standard_t(3, n)
    at = np.array(q)
    assert garch.log_likelihood(x, at) == pytest.approx(garch.log_likelihood_reference(x, at), rel=1e-9, abs=1e-8)


def test_the_search_never_goes_down_and_finds_what_made_the_data() -> None:
    x = simulated(4000, np.random.default_rng(3), 0.1, 0.85)
    q = np.array([0.0, 0.0, 1.5, -1.5, 2.0])
    begun = garch.log_likelihood(x, q)
    best = garch.climb(x, q, np.array([0.05, 0.3, 1.0, 0.7, 1.0]), 0.02)
    persistence, share = 1 / (1 + np.exp(-q[2:4]))
    truth = np.array([0.0, 0.0, math.log(0.95 / 0.05), math.log(0.1 / 0.85), 6.0])
    assert best == garch.log_likelihood(x, q) > begun
    assert best > garch.log_likelihood(x, truth) - 0.1
    assert persistence == pytest.approx(0.95, abs=0.03)
    assert persistence * share == pytest.approx(0.1, abs=0.03)
    assert q[4] > 2  # Gaussian shocks: many degrees of freedom


@pytest.mark.parametrize("zeros", [0, 900, 999])
def test_the_search_stays_finite_on_bars_that_hardly_move(zeros: int) -> None:
    x = np.random.default_rng(0).normal(size=1000)
    x[:zeros] = 0.0
    x = (x - x.mean()) / x.std()
    q = np.array([0.0, 0.0, 3.5, -2.2, 2.0])
    assert math.isfinite(garch.climb(x, q, np.array([0.05, 0.3, 1.0, 0.7, 1.0]), 0.02))
    assert np.isfinite(q).all()
