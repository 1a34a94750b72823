"""Step kernels equal their references and never reach across a session."""

import numpy as np
import pytest

from rpsd.kernels import steps


@pytest.mark.parametrize("starts", [[0, 300], [0, 70, 72, 73, 300], [0, 5, 300]])
@pytest.mark.parametrize("cap", [np.inf, 0.7])
def test_covariances(starts: list[int], cap: float) -> None:
    y, bounds = np.cumsum(np.random.default_rng(1).normal(size=300)), np.array(starts)
    means, errors = np.empty(6), np.empty(6)
    steps.covariances(y, bounds, cap, means, errors)
    expected = steps.reference_covariances(y, bounds, cap, 6)
    assert means == pytest.approx(expected[0], abs=1e-12)
    assert errors == pytest.approx(expected[1], rel=1e-9)


def test_covariances_of_too_few_steps_are_nothing() -> None:
    means, errors = np.empty(6), np.empty(6)
    steps.covariances(np.arange(4.0), np.array([0, 4]), np.inf, means, errors)
    assert means.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert (errors > 0.0).tolist() == [True, False, False, False, False, False]


@pytest.mark.parametrize("count", [1, 7, 50, 100])
def test_capped_means(count: int) -> None:
    rng = np.random.default_rng(2)
    x, caps, out = rng.normal(size=100), rng.random(count), np.empty(count)
    steps.capped_means(x, caps, out)
    assert out == pytest.approx(steps.reference_capped_means(x, caps), rel=1e-12)
