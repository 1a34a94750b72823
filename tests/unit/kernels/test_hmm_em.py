"""One step of EM equals its reference; many steps never lower the penalised likelihood and stop as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.kernels import hmm_em


def random_model(k: int, rng: np.random.Generator) -> hmm_em.Moments:
    weights, moves = 0.1 + rng.random(k), 0.1 + rng.random((k, k))
    return weights / weights.sum(), moves / moves.sum(axis=1, keepdims=True), rng.normal(0, 2, k), np.exp(rng.normal(0, 1, k))


def copied(model: hmm_em.Moments) -> hmm_em.Moments:
    return model[0].copy(), model[1].copy(), model[2].copy(), model[3].copy()


@given(st.integers(1, 5), st.integers(2, 80), st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 20.0]))
def test_one_step_equals_the_reference(k: int, n: int, seed: int, count: float) -> None:
    rng = np.random.default_rng(seed)
    x, start, prior = rng.normal(0, 3, n), random_model(k, rng), (np.full((k, k), count), 0.05)
    model, trace = copied(start), np.empty(2)
    steps, _ = hmm_em.em(x, model, prior, -np.inf, trace)
    expected, penalised = hmm_em.em_step_reference(x, start, prior)
    assert steps == 2
    assert trace[0] == pytest.approx(penalised, rel=1e-10)
    for ours, reference in zip(model, expected, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-7, atol=1e-9)


@given(st.integers(1, 5), st.integers(20, 200), st.integers(0, 2**32), st.sampled_from([0.0, 1.0, 100.0]))
def test_the_penalised_likelihood_never_falls(k: int, n: int, seed: int, count: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, n) * rng.choice([0.5, 3.0], n)
    trace = np.empty(60)
    hmm_em.em(x, random_model(k, rng), (np.eye(k) * count, 1e-3 * x.var()), -np.inf, trace)
    assert np.diff(trace).min() > -1e-9 * np.abs(trace).max()


def test_the_variance_floor_holds() -> None:
    x = np.concatenate([np.zeros(40), np.random.default_rng(0).normal(0, 1, 40)])
    model, trace = random_model(2, np.random.default_rng(1)), np.empty(200)
    hmm_em.em(x, model, (np.zeros((2, 2)), 0.01), 0.0, trace)
    assert model[3].min() == 0.01


def test_convergence_is_told_and_the_model_is_the_one_evaluated_last() -> None:
    rng = np.random.default_rng(2)
    x, prior = rng.normal(0, 1, 300), (np.ones((2, 2)), 1e-3)
    model, trace = random_model(2, rng), np.empty(1000)
    steps, converged = hmm_em.em(x, model, prior, 1e-7, trace)
    assert converged
    assert 1 < steps < 1000
    again = np.empty(1)
    assert hmm_em.em(x, model, prior, 1e-7, again) == (1, False)
    assert again[0] == trace[steps - 1]
