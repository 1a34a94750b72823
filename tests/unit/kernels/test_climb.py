"""Accelerated EM: it never goes down, ends where plain EM ends, and serves more runs than lanes as if each were alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels import climb, lanes
from tests.unit.kernels.test_lanes import random_model


def climbed(xs: list[Vector], models: list[Vector], counts: Matrix, tolerance: float, limit: int) -> climb.Runs:
    """One run for each series."""
    data = (
        np.concatenate(xs),
        np.concatenate([[0], np.cumsum([x.size for x in xs])]).astype(np.int64),
        np.array([1e-3 * x.var() for x in xs]),
        counts,
    )
    runs = (np.array(models), np.arange(len(xs)), np.empty((len(xs), limit)), np.zeros(len(xs), np.int64), np.zeros(len(xs), np.int64))
    climb.climb(data, tolerance, runs)
    return runs


def mixed(n: int, rng: np.random.Generator) -> Vector:
    return rng.normal(0.3, 1, n) * np.repeat(rng.choice([0.5, 3.0], n // 20 + 1), 20)[:n]


@pytest.mark.parametrize("heavy", [False, True])
@given(st.integers(1, 5), st.integers(0, 2**32), st.sampled_from([0.0, 1.0, 100.0]))
def test_the_penalised_likelihood_never_falls(heavy: bool, k: int, seed: int, count: float) -> None:
    rng = np.random.default_rng(seed)
    xs = [mixed(int(n), rng) for n in rng.integers(20, 200, 3)]
    models = [random_model(k, 6.0 if heavy else np.inf, rng) for _ in xs]
    _, _, trace, accepted, converged = climbed(xs, models, np.eye(k) * count, -np.inf, 60)
    for run, found in enumerate(accepted):
        assert np.diff(trace[run, :found]).min() > -1e-9 * np.abs(trace[run, :found]).max()
    assert not converged.any()


@pytest.mark.parametrize("df", [np.inf, 6.0])
def test_the_end_is_a_fixed_point_of_the_readable_step(df: float) -> None:
    rng = np.random.default_rng(4)
    xs, counts = [mixed(400, rng)], np.full((2, 2), 0.5)
    start = np.concatenate([[0.5, 0.5], [0.9, 0.1, 0.1, 0.9], [0.0, 0.1], [0.4, 4.0], [df]])
    models, _, trace, accepted, converged = climbed(xs, [start], counts, 1e-14, 2000)
    assert converged.all()
    following, penalised = lanes.em_step_reference(xs[0], models[0], (counts, 1e-3 * xs[0].var()))
    assert trace[0, accepted[0] - 1] == pytest.approx(penalised, abs=1e-8)
    np.testing.assert_allclose(following[2:], models[0][2:], rtol=1e-3)


def test_more_runs_than_lanes_end_as_each_would_alone() -> None:
    rng = np.random.default_rng(5)
    xs = [mixed(int(n), rng) for n in rng.integers(100, 400, 21)]
    models, counts = [random_model(3, 8.0, rng) for _ in xs], np.eye(3) * 50 + 1
    together = climbed(xs, models, counts, 1e-6, 300)
    assert together[4].all()
    for run in (0, 7, 8, 20):
        alone = climbed([xs[run]], [models[run]], counts, 1e-6, 300)
        assert np.array_equal(alone[0][0], together[0][run])
        assert alone[3][0] == together[3][run]


def test_a_run_that_is_stopped_says_so() -> None:
    rng = np.random.default_rng(6)
    _, _, _, accepted, converged = climbed([mixed(200, rng)], [random_model(2, np.inf, rng)], np.ones((2, 2)), 0.0, 2)
    assert accepted.tolist() == [2]
    assert converged.tolist() == [0]
