"""The plan by which two windows are compared."""

import numpy as np
import pytest

from rpsd.drift.contrast import plan


@pytest.mark.parametrize(("n", "m"), [(100, 50), (500, 50), (500, 250), (600, 50), (3000, 250)])
def test_contrasts_know_nothing_of_mean_and_step(n: int, m: int) -> None:
    made = plan(n, m, 0)
    blocks = made.sizes.size
    assert made.sizes.sum() == n + m
    assert made.sizes[: made.split].sum() == n
    np.testing.assert_allclose(made.basis.T @ made.basis, np.eye(made.basis.shape[1]), atol=1e-9)
    step = (np.arange(blocks) >= made.split).astype(np.float64)
    np.testing.assert_allclose(made.basis[:, 1:].T @ np.column_stack([np.ones(blocks), step]), 0.0, atol=1e-9)


def test_slow_movement_makes_steps_larger_than_noise_does() -> None:
    made = plan(500, 100, 0)
    assert made.step[0] == pytest.approx(1.0)
    assert made.inverse[0] == pytest.approx(np.ones(48))
    walk = made.step[-1] * made.inverse[-1].mean()
    assert made.step[-1] > 1.5
    assert walk > 10.0


def test_a_gap_makes_slow_steps_larger() -> None:
    near, far = plan(500, 100, 0), plan(500, 100, 5000)
    assert far.step[0] == pytest.approx(near.step[0])
    assert far.step[-1] > near.step[-1]
