"""The least noise: below the true one where it is unsure, close to it where it is sure."""

import numpy as np
import pytest

from rpsd.denoise import doubt, noise
from rpsd.kernels import filters
from tests.quality.signals import CASES


def found(y: np.ndarray) -> noise.Noise:
    """The estimate for one session."""
    return noise.estimate(y, np.array([0, y.size]))


@pytest.mark.parametrize("name", CASES)
def test_least_noise_leaves_room_for_the_truth(name: str) -> None:
    """The truth breaks even at sqrt(1/2) of its noise."""
    shares = [found(CASES[name](np.random.default_rng(seed))[1]).least for seed in range(4)]
    assert min(shares) > 0.72
    assert max(shares) <= 1.0


def test_a_walk_in_little_noise_may_have_none() -> None:
    rng = np.random.default_rng(1)
    y = np.cumsum(rng.normal(size=150)) + 0.1 * rng.normal(size=150)
    assert found(y).least < 0.5
    assert noise.estimate(y, np.array([0, 150]), doubts=False).least == 1.0


def test_least_noise_of_a_walk_covers_the_true_one() -> None:
    below = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = np.cumsum(rng.normal(size=200)) + rng.normal(size=200)
        starts = np.array([0, 200])
        gain, square = filters.fit_gain(y, starts)
        below += doubt.walk(y, starts, gain, float(np.sqrt(square * (1.0 - gain))), 0.2) < 1.0
    assert below >= 59


def test_innovation_squares_are_those_of_the_readable_filter() -> None:
    y = np.random.default_rng(2).normal(size=90)
    squares = np.empty(filters.LANES)
    filters.innovation_squares(y, np.array([0, 90]), 0.2, 0.9, squares)
    expected = [filters.reference_innovations(y, float(gain)) for gain in np.linspace(0.2, 0.9, filters.LANES)]
    assert squares == pytest.approx(expected)


def test_steps_between_the_jumps_tell_the_noise() -> None:
    rng = np.random.default_rng(4)
    level = 6.0 * np.cumsum(rng.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=300))
    starts = np.array([0, 300])
    assert doubt.core(level + rng.normal(size=300), starts, 4.0) < 1.2
    two_values = np.where(rng.random(300) < 0.5, -1.0, 1.0)
    assert doubt.core(level + two_values, starts, 4.0) == pytest.approx(0.65)
    assert doubt.core(rng.normal(size=300), starts, 1.0) == 1.0
