"""Eight models side by side: each lane's step of EM equals the readable one, whatever the others hold and however long they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma

from rpsd.core.market import Vector
from rpsd.kernels import lanes
from rpsd.kernels.vector import LANES


def random_model(k: int, df: float, rng: np.random.Generator) -> Vector:
    start, moves = 0.1 + rng.random(k), 0.1 + rng.random((k, k))
    moves /= moves.sum(axis=1, keepdims=True)
    return np.concatenate([start / start.sum(), moves.ravel(), rng.normal(0, 2, k), np.exp(rng.normal(0, 1, k)), [df]])


def one_step(xs: list[Vector], models: list[Vector], counts: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Models (LANES, rows) after a step, and log-likelihoods (LANES,) before it."""
    k, longest = counts.shape[0], max(x.size for x in xs)
    columns = np.zeros((longest, LANES))
    for lane, x in enumerate(xs):
        columns[: x.size, lane] = x
    series = (np.array([float(x.size) for x in xs]), columns.ravel())
    model, room = np.ascontiguousarray(np.array(models).T).ravel(), longest * k * LANES
    passes = (np.empty(room), np.empty(room), np.empty(room), np.empty(longest * LANES))
    score, tallies, following = np.empty(LANES), np.empty((k * k + 5 * k + 1) * LANES), np.empty(model.size)
    lanes.forward(k, longest, model, series, passes, score)
    lanes.backward(k, longest, model, series, passes, tallies)
    lanes.maximise(k, model, tallies, (counts.ravel(), np.full(LANES, floor)), following)
    return following.reshape(-1, LANES).T, score


@pytest.mark.parametrize("heavy", [False, True])
@given(st.integers(1, 5), st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 20.0]))
def test_one_step_equals_the_reference_in_every_lane(heavy: bool, k: int, seed: int, count: float) -> None:
    rng = np.random.default_rng(seed)
    xs = [rng.normal(0, 3, n) * rng.choice([0.2, 1.0], n) for n in rng.integers(2, 80, LANES)]
    models = [random_model(k, rng.uniform(2.2, 40) if heavy else np.inf, rng) for _ in xs]
    counts = np.full((k, k), count)
    following, score = one_step(xs, models, counts, 0.05)
    for lane, x in enumerate(xs):
        expected, penalised = lanes.em_step_reference(x, models[lane], (counts, 0.05))
        assert score[lane] + count * np.log(models[lane][k : k + k * k]).sum() == pytest.approx(penalised, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(following[lane], expected, rtol=1e-6, atol=1e-9)


def test_an_observation_far_from_every_state_leaves_numbers() -> None:
    rng = np.random.default_rng(1)
    xs = [np.append(rng.normal(0, 1, 30), 1e4) for _ in range(LANES)]
    for df in (np.inf, 5.0):
        following, score = one_step(xs, [random_model(2, df, rng) for _ in xs], np.ones((2, 2)), 0.05)
        assert np.isfinite(following[:, :-1]).all()
        assert np.isfinite(score).all()


@pytest.mark.parametrize("df", [2.2, 3.0, 8.0, 45.0, 190.0])
def test_degrees_of_freedom_solve_their_equation(df: float) -> None:
    gap = float(np.log(df / 2) - digamma(df / 2))
    assert lanes.digamma_gap(df / 2) == pytest.approx(gap, rel=1e-12)
    assert lanes.degrees_of_freedom(gap) == pytest.approx(df, rel=1e-10)


def test_degrees_of_freedom_stay_within_their_bounds() -> None:
    assert lanes.degrees_of_freedom(5.0) == lanes.LEAST_DF
    assert lanes.degrees_of_freedom(1e-9) == lanes.MOST_DF
    assert lanes.degrees_of_freedom(-1.0) == lanes.MOST_DF
