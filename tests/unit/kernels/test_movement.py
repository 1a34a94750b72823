"""The kernels of movements equal their references."""

import numpy as np
import pytest

from rpsd.kernels import movement


@pytest.mark.parametrize("t", [0.0, 0.3, -2.0, 5.0, 40.0])
@pytest.mark.parametrize("freedom", [2, 10, 48])
def test_the_tail_is_that_of_student(t: float, freedom: int) -> None:
    assert movement.tail(t, freedom) == pytest.approx(movement.reference_tail(t, freedom), rel=1e-6, abs=1e-15)


def test_the_mixture_is_that_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    weights, step, inverse = rng.normal(size=(11, 4)), rng.exponential(size=7), rng.exponential(size=(7, 10))
    weights[0] *= 3.0
    prior = np.log(rng.random((7, 4)))
    movement.mix(weights, step, inverse, prior, 2, out := np.empty((2, 4)))
    np.testing.assert_allclose(out, movement.reference_mix(weights, step, inverse, prior, 2), rtol=1e-9)
