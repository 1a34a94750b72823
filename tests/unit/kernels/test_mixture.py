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


levels = {
    "rows": st.integers(2, 40), "gap": st.sampled_from((2, 16)), "above": st.sampled_from(("same", "half", "none")), "seed": seeds,
}  # fmt: skip


def _level(rows: int, above: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    n = 2 * rows * CELL
    return _details(n, seed), _details({"same": n, "half": n // 2, "none": 0}[above], seed + 1)


@settings(max_examples=50, deadline=None)
@given(**levels, step=st.integers(1, 5))
def test_count(rows: int, gap: int, above: str, seed: int, step: int) -> None:
    z, coarser = _level(rows, above, seed)
    counts = mixture.count(z, coarser, gap, begin=3, end=z.size - 2, step=step)
    classes = mixture.reference_classify(z, coarser, gap)
    assert (counts == mixture.reference_count(z, classes, 3, z.size - 2, step)).all()
    assert counts.sum() == len(range(3, z.size - 2, step))
    assert classes.max() <= len(EDGES)


@settings(max_examples=50, deadline=None)
@given(**levels)
def test_shrink(rows: int, gap: int, above: str, seed: int) -> None:
    z, coarser = _level(rows, above, seed)
    z *= 4.0
    table = mixture.tabulate(_weights(seed, len(EDGES) + 1))
    expected, slope = mixture.reference_shrink(z, mixture.reference_classify(z, coarser, gap), table)
    out, cells = mixture.shrink(z, coarser, gap, table)
    assert np.abs(out - expected).max() < 1e-9 * max(1.0, float(np.abs(z).max()))
    assert np.abs(cells - slope.reshape(-1, CELL).sum(axis=1)).max() < 1e-9


def test_shrink_in_blocks() -> None:
    z = _details(4096, 1)
    table = mixture.tabulate(_weights(1, len(EDGES) + 1))
    for gap in (2, 512, 1500):
        expected = mixture.reference_shrink(z, mixture.reference_classify(z, z[::-1].copy(), gap), table)[0]
        assert np.abs(mixture.shrink(z, z[::-1].copy(), gap, table)[0] - expected).max() < 1e-9


def _likelihood(counts: np.ndarray, weights: np.ndarray) -> float:
    return float(counts @ np.log(mixture.likelihood() @ weights))


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_climb_raises_the_likelihood(seed: int) -> None:
    counts, weights = np.random.default_rng(seed).integers(0, 5, (1, BINS + 1)).astype(np.float64), _weights(seed)
    for _ in range(10):
        higher = mixture.climb(counts, np.zeros((1, K)), weights, 1)
        assert _likelihood(counts[0], higher[0]) >= _likelihood(counts[0], weights[0]) - 1e-9
        weights = higher
    assert weights.sum() == pytest.approx(1.0)


def test_climb_finds_the_truth() -> None:
    rng = np.random.default_rng(2)
    theta = np.where(rng.random(200_000) < 0.7, 0.0, 5.87 * rng.normal(size=200_000))  # 0.35 * 1.6^6
    counts = mixture.reference_count(theta + rng.normal(size=theta.size), np.zeros(theta.size, np.uint8), 0, theta.size, 1)[:1]
    weights = mixture.climb(counts, np.zeros((1, K)), np.full((1, K), 1.0 / K), 500)[0]
    assert weights[:2].sum() == pytest.approx(0.7, abs=0.05)
    assert weights[6:9].sum() == pytest.approx(0.3, abs=0.05)


def test_climb_without_counts_is_the_prior() -> None:
    prior = _weights(4)
    assert np.abs(mixture.climb(np.zeros((1, BINS + 1)), 20.0 * prior, _weights(5), 200) - prior).max() < 1e-6


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 6), times=st.sampled_from((1, 2, 4)), shift=st.integers(-90, 90), seed=seeds)
def test_respond(rows: int, times: int, shift: int, seed: int) -> None:
    cells = np.random.default_rng(seed).random(rows)
    out = np.ones(cells.size * times)
    mixture.respond(cells, 0.25, shift, out)
    assert np.abs(out - 1.0 - mixture.reference_respond(cells, 0.25, shift, out.size)).max() < 1e-12
    assert (out - 1.0).sum() == pytest.approx(0.25 * cells.sum())


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
    z = np.array([1e-300, -1e-12, 0.0, 1e-7, 1e12, 13.0, -40.0, 11.99])
    out, cells = mixture.shrink(z, np.empty(0), 1, np.tile(table, (len(EDGES) + 1, 1)))
    assert np.isfinite(out).all()
    assert np.isfinite(cells).all()
    assert (np.abs(out) <= np.abs(z)).all()
    assert (out * z >= 0.0).all()


@pytest.mark.parametrize("k", [0, K - 1])
def test_a_certain_prior_gives_no_nan(k: int) -> None:
    z = np.array([0.0, 1e-9, 40.0, -1e-8, 2.0, 1e300, -3.0, 11.0])
    out, cells = mixture.shrink(z, np.empty(0), 1, mixture.tabulate(np.tile(np.eye(K)[k], (len(EDGES) + 1, 1))))
    assert np.isfinite(out).all()
    assert np.isfinite(cells).all()


def test_what_is_not_finite_stays_in_its_place() -> None:
    z = np.linspace(-3.0, 3.0, 32)
    z[5], z[20] = np.nan, np.inf
    table = mixture.tabulate(_weights(1, len(EDGES) + 1))
    out, _ = mixture.shrink(z, np.empty(0), 2, table)
    assert set(np.flatnonzero(~np.isfinite(out))) <= {5, 20}
    assert mixture.count(z, z, 2, begin=0, end=32, step=1).sum() == 32
