"""The kernels of the hidden Markov model equal their readable references, stay finite in the tails and never look ahead."""

import operator
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.result import Matrix
from rpsd.kernels import hmm
from rpsd.regime.state import Parameters, model_of

Case = tuple[Matrix, hmm.Model]


def simplex(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random probabilities whose last axis sums to one, none so small that logs of the reference lose digits."""
    weights = 0.01 + rng.random(shape)
    return weights / weights.sum(axis=-1, keepdims=True)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Observations and a random model of one to five states and one to three columns, Gaussian and Student t states side by side."""
    k, n, d = draw(st.integers(1, 5)), draw(st.integers(1, 60)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    root = rng.normal(0, 1, (k, d, d))
    dispersion = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(d)
    df = rng.choice([3.0, 8.0, np.inf], k)
    model = model_of(Parameters(simplex(rng, k), simplex(rng, k, k), rng.normal(0, 2, (k, d)), dispersion, df))
    return rng.normal(0, 3, (n, d)), model


def one_column(startprob: list[float], transmat: list[list[float]], means: list[float], variances: list[float]) -> hmm.Model:
    location, dispersion = np.array(means)[:, None], np.array(variances)[:, None, None]
    return model_of(Parameters(np.array(startprob), np.array(transmat), location, dispersion, np.full(len(means), np.inf)))


def forward(x: Matrix, model: hmm.Model) -> tuple[float, hmm.Pass]:
    n, k = x.shape[0], model[0].size
    done = (np.empty((n, k)), np.empty((n, k)), np.empty(n))
    return hmm.forward(x, model[0], model, done, np.empty(n)), done


@given(cases())
def test_forward_equals_the_reference(case: Case) -> None:
    x, model = case
    log_likelihood, (_, alpha, _) = forward(x, model)
    expected, evidence = hmm.filter_reference(x, model)
    np.testing.assert_allclose(alpha, expected, rtol=1e-11, atol=1e-13)
    assert log_likelihood == pytest.approx(evidence.sum(), rel=1e-12, abs=1e-11)


@given(cases())
def test_smooth_equals_the_reference(case: Case) -> None:
    x, model = case
    _, done = forward(x, model)
    gamma = np.empty(done[1].shape)
    hmm.smooth(model[1], done, gamma)
    np.testing.assert_allclose(gamma, hmm.smoother_reference(x, model), rtol=1e-9, atol=1e-12)


@given(cases())
def test_viterbi_equals_the_reference(case: Case) -> None:
    x, model = case
    path = np.empty(x.shape[0], np.int64)
    hmm.viterbi(x, model, path)
    assert path.tolist() == hmm.viterbi_reference(x, model).tolist()


@given(cases(), st.sets(st.integers(1, 59), max_size=5))
def test_however_it_is_split_the_filter_is_the_same_bit_for_bit(case: Case, cuts: set[int]) -> None:
    x, model = case
    cuts = {cut for cut in cuts if cut < x.shape[0]}
    log_likelihood, (_, alpha, _) = forward(x, model)
    ahead, parts, evidence = model[0].copy(), [], np.empty(x.shape[0])
    for begin, end in pairwise([0, *sorted(cuts), x.shape[0]]):
        rows = x[begin:end].copy()
        done = (np.empty((rows.shape[0], ahead.size)), np.empty((rows.shape[0], ahead.size)), np.empty(rows.shape[0]))
        hmm.forward(rows, ahead, model, done, evidence[begin:end])
        parts.append(done[1])
        hmm.predict(rows.shape[0] - 1, done[1], model[1], ahead)
    assert np.array_equal(alpha, np.concatenate(parts))
    assert reduce(operator.add, evidence.tolist()) == log_likelihood  # from Python 3.12 on, sum() of floats rounds otherwise


@given(cases(), st.integers(1, 60))
def test_the_filter_never_looks_ahead(case: Case, m: int) -> None:
    x, model = case
    _, (_, whole, _) = forward(x, model)
    _, (_, prefix, _) = forward(x[:m].copy(), model)
    assert np.array_equal(whole[:m], prefix)


def test_the_smoother_does_look_ahead() -> None:
    """The failing control of the test above: the same comparison must be able to lose."""
    x = np.array([[0.0], [0.1], [5.0], [5.1]])
    model = one_column([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [0.0, 5.0], [4.0, 4.0])
    rows = []
    for data in (x, x[:2].copy()):
        _, done = forward(data, model)
        gamma = np.empty(done[1].shape)
        hmm.smooth(model[1], done, gamma)
        rows.append(gamma[:2])
    assert not np.allclose(*rows)


def test_impossible_states_and_far_outliers_stay_finite() -> None:
    """State 1 can never be entered though it alone explains the outlier: no division by an underflown sum."""
    x = np.array([[0.0], [1e3], [0.0]])
    model = one_column([1.0, 0.0], [[1.0, 0.0], [0.5, 0.5]], [0.0, 1e3], [0.1, 0.1])
    log_likelihood, done = forward(x, model)
    gamma = np.empty((3, 2))
    hmm.smooth(model[1], done, gamma)
    assert np.isfinite(log_likelihood)
    assert done[1].tolist() == gamma.tolist() == [[1.0, 0.0]] * 3


@pytest.mark.parametrize("df", [np.inf, 3.0])
def test_a_bar_that_only_a_hardly_possible_state_explains_is_weighed_by_the_others(df: float) -> None:
    """State 1 explains the second bar by e^500 more than state 0 can be doubted: the row must keep its digits all the same."""
    x = np.array([[0.0], [33.0], [0.0]])
    for doubt in (1e-20, 1e-100, 1e-250):
        location, dispersion = np.array([[0.0], [33.0]]), np.ones((2, 1, 1))
        transmat = np.array([[1 - doubt, doubt], [0.5, 0.5]])
        model = model_of(Parameters(np.array([1.0, 0.0]), transmat, location, dispersion, np.full(2, df)))
        _, (_, alpha, _) = forward(x, model)
        expected, _ = hmm.filter_reference(x, model)
        np.testing.assert_allclose(alpha, expected, rtol=1e-9, atol=1e-30)


def test_a_vanishing_probability_does_not_break_the_backward_pass() -> None:
    x = np.array([[0.0], [60.0], [60.0], [0.0]])
    model = one_column([0.5, 0.5], [[1 - 1e-300, 1e-300], [1e-300, 1 - 1e-300]], [0.0, 60.0], [1.0, 1.0])
    _, done = forward(x, model)
    gamma = np.empty((4, 2))
    hmm.smooth(model[1], done, gamma)
    assert np.isfinite(gamma).all()
    np.testing.assert_allclose(gamma.sum(axis=1), 1.0)


def test_every_kernel_has_one_signature() -> None:
    """A second signature, say of a read-only array, would compile for seconds inside a request."""
    hmm.warm()
    hmm.warm()
    assert {name: len(getattr(hmm, name).signatures) for name in ("forward", "smooth", "predict", "viterbi")} == dict.fromkeys(
        ("forward", "smooth", "predict", "viterbi"), 1
    )
