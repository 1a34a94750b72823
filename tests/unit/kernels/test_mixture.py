"""The mixture prior: kernels equal their readable forms, posterior means equal their closed forms, weights climb."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import mixture
from rpsd.kernels.mixture import BINS, CELL, CELLS, EDGES, RANGE

K = mixture.spreads().size
seeds = st.integers(0, 2**16)


def _weights(seed: int, classes: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(K), size=classes)


def _details(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) * np.exp(rng.normal(size=n))


def test_bins_hold_all_probability() -> None:
    assert np.abs(mixture.likelihood().sum(axis=0) - 1.0).max() < 1e-12
    assert (mixture.likelihood() > 0.0).all()


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(2, 20), columns=st.sampled_from((8, 16)), above=st.sampled_from(("same", "half", "none")), seed=seeds)
def test_classes(rows: int, columns: int, above: str, seed: int) -> None:
    n = 2 * rows * columns
    z = _details(n, seed)
    coarser = _details({"same": n, "half": n // 2, "none": 0}[above], seed + 1)
    classes, counts = mixture.classify(z, coarser, columns, columns)
    expected = mixture.reference_classify(z, coarser, columns, columns)
    assert (classes == expected).all()
    assert (counts == mixture.reference_count(z, expected)).all()
    assert counts.sum() == n
    assert classes.max() <= len(EDGES)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, rounds=st.integers(1, 20), prior=st.floats(0.0, 50.0))
def test_climb(seed: int, rounds: int, prior: float) -> None:
    counts = np.random.default_rng(seed).integers(0, 5, BINS + 1).astype(np.float64)
    counts[0] += 1.0
    pseudo, start = np.full(K, prior), _weights(seed)[0]
    weights = start.copy()
    mixture.climb(counts, mixture.likelihood(), pseudo, rounds, weights)
    assert np.abs(weights - mixture.reference_climb(counts, mixture.likelihood(), pseudo, start, rounds)).max() < 1e-12


def test_climb_raises_the_likelihood_and_finds_the_truth() -> None:
    rng = np.random.default_rng(2)
    theta = np.where(rng.random(200_000) < 0.7, 0.0, 5.87 * rng.normal(size=200_000))  # 0.35 * 1.6^6
    counts = mixture.reference_count(theta + rng.normal(size=theta.size), np.zeros(theta.size, np.uint8))[0]
    weights, before = np.full(K, 1.0 / K), -np.inf
    for _ in range(40):
        mixture.climb(counts, mixture.likelihood(), np.zeros(K), 20, weights)
        now = float(counts @ np.log(mixture.likelihood() @ weights))
        assert now >= before - 1e-6
        before = now
    assert weights[0] + weights[1] == pytest.approx(0.7, abs=0.05)
    assert weights[6:9].sum() == pytest.approx(0.3, abs=0.05)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 200), seed=seeds)
def test_shrink(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = 4.0 * _details(n, seed)
    classes, table = rng.integers(0, 3, n).astype(np.uint8), mixture.tabulate(_weights(seed, 3))
    expected, expected_slope = mixture.reference_shrink(z, classes, table)
    out, slope = z.copy(), np.empty(n)
    mixture.shrink(out, classes, table, slope)
    assert np.abs(out - expected).max() < 1e-9 * max(1.0, float(np.abs(z).max()))
    assert np.abs(slope - expected_slope).max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 6), columns=st.sampled_from((8, 16)), times=st.sampled_from((1, 2, 4)), shift=st.integers(-90, 90), seed=seeds)
def test_respond(rows: int, columns: int, times: int, shift: int, seed: int) -> None:
    slope = np.random.default_rng(seed).random(rows * columns)
    n = slope.size * times
    out = np.ones(n // CELL)
    mixture.respond(slope, 0.25, shift, columns, out)
    assert np.abs(out - 1.0 - mixture.reference_respond(slope, 0.25, shift, columns, n)).max() < 1e-12
    assert (out - 1.0).sum() == pytest.approx(0.25 * slope.sum())


@pytest.mark.parametrize("k", range(K))
def test_posterior_mean_of_one_component_is_linear(k: int) -> None:
    weights, z = np.eye(K)[k], np.linspace(-11.0, 11.0, 101)
    share = mixture.spreads()[k] ** 2 / (1.0 + mixture.spreads()[k] ** 2)
    assert np.abs(mixture.posterior_mean(z, weights) - share * z).max() < 1e-9
    at = np.linspace(0.0, RANGE, CELLS + 1)
    assert np.abs(mixture.tabulate(weights[None])[0] - share * at).max() < 1e-9


def test_posterior_mean_equals_the_integral() -> None:
    """E[theta | z] of point mass .6 and N(0, s^2) .4, by quadrature over theta."""
    weights = np.zeros(K)
    weights[0], weights[5] = 0.6, 0.4
    s = mixture.spreads()[5]
    theta = np.linspace(-60.0, 60.0, 240_001)
    for z in (-3.0, 0.0, 0.5, 2.2, 7.0):
        slab = np.exp(-0.5 * (theta / s) ** 2 - 0.5 * (z - theta) ** 2) / s
        step = theta[1] - theta[0]
        numerator = 0.4 * float((theta * slab).sum()) * step / np.sqrt(2.0 * np.pi)
        denominator = 0.4 * float(slab.sum()) * step / np.sqrt(2.0 * np.pi) + 0.6 * np.exp(-0.5 * z * z)
        assert float(mixture.posterior_mean(np.array([z]), weights)[0]) == pytest.approx(numerator / denominator, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_the_rule_shrinks_keeps_the_sign_and_grows(seed: int) -> None:
    table = mixture.tabulate(_weights(seed))
    at = np.linspace(0.0, RANGE, CELLS + 1)
    assert np.isfinite(table).all()
    assert (np.diff(table[0]) >= 0.0).all()
    assert (table[0] <= at).all()
    z, slope = np.array([1e-300, -1e-12, 0.0, 1e-7, 1e12]), np.empty(5)
    mixture.shrink(z, np.zeros(5, np.uint8), table, slope)
    assert np.isfinite(z).all()
    assert np.isfinite(slope).all()
    assert z[1] <= 0.0
    assert np.abs(z[:4]).max() <= 1e-7


@pytest.mark.parametrize("k", [0, K - 1])
def test_a_certain_prior_gives_no_nan(k: int) -> None:
    z, slope = np.array([0.0, 1e-9, 40.0]), np.empty(3)
    mixture.shrink(z, np.zeros(3, np.uint8), mixture.tabulate(np.eye(K)[k : k + 1]), slope)
    assert np.isfinite(z).all()
    assert np.isfinite(slope).all()
