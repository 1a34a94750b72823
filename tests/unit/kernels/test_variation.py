"""Total variation: equal to its reference, and optimal by the conditions that name the only optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from rpsd.kernels import variation


def _drawn(n: int, seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = {
        "walk": np.cumsum(rng.normal(size=n)),
        "noise": rng.normal(size=n),
        "grid": rng.integers(-2, 3, n).astype(np.float64),
        "steps": np.repeat(rng.normal(size=n), 7)[:n] + 0.1 * rng.normal(size=n),
    }[kind]
    return y, rng.uniform(0.2, 5.0, n) if seed % 2 else np.ones(n)


KINDS = ("walk", "noise", "grid", "steps")
cases = given(
    n=st.integers(1, 300), seed=st.integers(0, 2**16), kind=st.sampled_from(KINDS), lam=st.floats(0.01, 100.0)
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@cases
def test_kernel_equals_reference(n: int, seed: int, kind: str, lam: float) -> None:
    y, weights = _drawn(n, seed, kind)
    expected = variation.reference_total_variation(y - y[0], weights, lam) + y[0]
    assert np.abs(variation.solve(y, weights, lam) - expected).max() < 1e-11


@settings(max_examples=100, deadline=None)
@cases
def test_solution_meets_the_optimality_conditions(n: int, seed: int, kind: str, lam: float) -> None:
    """With u_t the running sum of weights (y - x): |u_t| <= lam, u_t = -lam sign(x_{t+1} - x_t) at jumps, and u_n = 0."""
    y, weights = _drawn(n, seed, kind)
    x = variation.solve(y, weights, lam)
    u = np.cumsum(weights * (y - x))
    tolerance = 1e-9 * max(1.0, lam)
    assert abs(u[-1]) < tolerance
    assert np.abs(u).max() <= lam + tolerance
    jumps = np.flatnonzero(np.diff(x))
    assert np.abs(u[jumps] + lam * np.sign(np.diff(x)[jumps])).max(initial=0.0) < tolerance


@pytest.mark.parametrize("seed", range(4))
def test_solution_is_that_of_a_general_solver(seed: int) -> None:
    """The dual, least (y - D'u)^2 / 2 over |u| <= lam, by scipy's bounded least squares."""
    y, lam = _drawn(40, 2 * seed, "walk")[0], 1.5
    difference = np.diff(np.eye(y.size), axis=0)
    dual = optimize.lsq_linear(difference.T, y, bounds=(-lam, lam), method="bvls", tol=1e-14)
    assert np.abs(variation.solve(y, np.ones(y.size), lam) - (y - difference.T @ dual.x)).max() < 1e-9


def test_much_variation_cost_leaves_the_weighted_mean() -> None:
    y, weights = _drawn(5000, 3, "walk")
    x = variation.solve(y, weights, 1e9)
    assert np.ptp(x) == 0.0
    assert abs(x[0] - np.average(y, weights=weights)) < 1e-9


def test_the_queue_of_knots_grows() -> None:
    """A smooth rise keeps a knot for nearly every sample, far beyond the room at the start."""
    y = np.linspace(0.0, 1.0, 4000) ** 2
    x = variation.solve(y, np.ones(y.size), 0.5)
    assert np.abs(x - variation.reference_total_variation(y, np.ones(y.size), 0.5)).max() < 1e-11


def test_nothing_to_pay_changes_nothing() -> None:
    y = _drawn(50, 1, "walk")[0]
    assert (variation.solve(y, np.ones(50), 0.0) == y).all()
