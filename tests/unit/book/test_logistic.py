"""The logistic fit finds the weights that made the data, and equals another implementation."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from rpsd.book import logistic
from tests.unit.book.models import mirrored, rows


def drawn(n: int, has_flat: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels, and the weights that made them."""
    rng, x = np.random.default_rng(1), rows(n, 2)
    weights = np.array([1.0, -0.5, 0.8, 0.0, 0.3, -0.2])
    s = logistic.signed_log(x[:, logistic.columns(logistic.ODD)]) @ weights
    h = np.logaddexp(0.0, 0.5 + 0.4 * logistic.signed_log(x[:, logistic.columns(["rate"])])[:, 0]) if has_flat else 0.0
    u = np.log(1 / rng.random(n) - 1)
    return x, np.where(s + u > h, 1, np.where(s + u < -h, -1, 0)), weights


@pytest.mark.parametrize("has_flat", [False, True])
def test_the_weights_that_made_the_labels_are_found(has_flat: bool) -> None:
    x, y, weights = drawn(60_000, has_flat)
    found = logistic.fit(x, y, 0.0)
    np.testing.assert_allclose(found.weights, weights, atol=0.04)
    if has_flat:
        np.testing.assert_allclose(found.threshold, [0.5, 0.0, 0.0, 0.4, 0.0], atol=0.06)


def test_two_ways_equal_another_implementation() -> None:
    x, y, _ = drawn(3000, has_flat=False)
    columns = logistic.columns(logistic.ODD)
    peer = LogisticRegression(fit_intercept=False, C=1e9, tol=1e-10, max_iter=1000).fit(logistic.signed_log(x[:, columns]), y)
    np.testing.assert_allclose(logistic.fit(x, y, 0.0).weights, peer.coef_[0], atol=1e-4)


@pytest.mark.parametrize("has_flat", [False, True])
def test_the_mirrored_book_has_the_opposite_direction(has_flat: bool) -> None:
    x, y, _ = drawn(2000, has_flat)
    model = logistic.fit(x, y, 1e-3)
    here, there = logistic.scores(x, model), logistic.scores(mirrored(x), model)
    np.testing.assert_allclose(here[:, 0], -there[:, 0], rtol=1e-12)
    np.testing.assert_allclose(here[:, 1], there[:, 1], rtol=1e-9)


@pytest.mark.parametrize("has_flat", [False, True])
def test_a_strong_penalty_leaves_the_first_feature_alone(has_flat: bool) -> None:
    x, y, _ = drawn(3000, has_flat)
    free, held = logistic.fit(x, y, 0.0), logistic.fit(x, y, 10.0)
    assert np.abs(held.weights[1:]).max() < 0.2 * np.abs(free.weights).max()
    alone = logistic.fit(x, y, 10.0, logistic.ODD[:1])
    assert held.weights[0] == pytest.approx(alone.weights[0], rel=0.1)


@pytest.mark.parametrize("has_flat", [False, True])
def test_an_event_of_weight_three_counts_as_three_events(has_flat: bool) -> None:
    x, y, _ = drawn(3000, has_flat)
    times = np.random.default_rng(3).integers(1, 4, y.size)
    weighed = logistic.fit(x, y, 1e-2, weight=times.astype(float))
    repeated = logistic.fit(np.repeat(x, times, axis=0), np.repeat(y, times), 1e-2)
    np.testing.assert_allclose(weighed.weights, repeated.weights, atol=1e-3 if has_flat else 1e-8)
