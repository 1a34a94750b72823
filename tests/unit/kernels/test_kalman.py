"""Streams of local level and trend: kernel = readable form, the ratio it finds, and the smoother with a fixed lag."""

import numpy as np
import pytest

from rpsd.kernels import kalman, trend
from rpsd.kernels.filters import steady_gain


def series(n: int, ratio: float, seed: int = 0) -> np.ndarray:
    """A random walk of variance ratio a step in unit noise."""
    rng = np.random.default_rng(seed)
    return 50.0 + np.cumsum(np.sqrt(ratio) * rng.normal(size=n)) + rng.normal(size=n)


def level(y: np.ndarray, ratio: float = 0.0, refit_every: int = 64, block: int = 32) -> np.ndarray:
    """Rows (3, n): x̂, gain, noise variance."""
    rows = np.empty((3, y.size))
    kalman.level(y, ratio, refit_every, block, kalman.start(), *rows)
    return rows


@pytest.mark.parametrize(("ratio", "refit_every", "block"), [(0.0, 64, 32), (0.0, 1, 4), (0.25, 64, 32), (3.0, 64, 4)])
def test_level_is_its_readable_form(ratio: float, refit_every: int, block: int) -> None:
    y = series(700, 0.25)
    x, gains, _ = level(y, ratio, refit_every, block)
    expected, expected_gains = kalman.reference_level(y, ratio, refit_every, block)
    assert np.abs(x - expected).max() < 1e-11
    assert np.abs(gains - expected_gains).max() < 1e-11


@pytest.mark.parametrize(("ratio", "refit_every"), [(0.0, 64), (0.0, 7), (0.25, 64)])
def test_trend_is_its_readable_form(ratio: float, refit_every: int) -> None:
    y = series(400, 0.25) + np.cumsum(np.full(400, 0.3))
    rows = np.empty((3, y.size))
    trend.trend(y, ratio, 1e-3, refit_every, 32, trend.gains(), trend.start(), *rows)
    expected, shares = trend.reference_trend(y, ratio, 1e-3, refit_every, 32)
    assert np.abs(rows[0] - expected).max() < 1e-9
    assert np.abs(rows[1] - shares).max() < 1e-9


def test_steady_gains_of_the_trend_are_steady() -> None:
    for i in (0, 9, 36, 63):
        q_level, q_slope = float(trend.LEVELS[i // 8]), float(trend.SLOPES[i % 8])
        p = np.array([1.0, 1.0, 2.0])
        for _ in range(20000):
            k, p = trend.reference_step(p, q_level, q_slope)
        assert np.abs(k - trend.gains()[:, i]).max() < 1e-9


@pytest.mark.parametrize("ratio", [0.01, 0.0625, 0.25, 1.0, 4.0, 25.0])
def test_rolling_likelihood_finds_the_gain_and_the_noise(ratio: float) -> None:
    found = np.array([level(series(20000, ratio, seed), 0.0, 64, 1250)[1:, -1] for seed in range(6)])
    assert abs(found[:, 0].mean() - steady_gain(ratio)) < 0.015
    assert ratio > 1.0 or abs(found[:, 1].mean() - 1.0) < 0.2


def test_window_forgets() -> None:
    y = np.concatenate([series(3000, 4.0), series(3000, 0.01, seed=1)])
    gains = level(y)[1]
    assert gains[2999] > 0.7
    assert gains[-1] < 0.25


@pytest.mark.parametrize("lag", [1, 5, 40])
def test_lagged_is_its_readable_form(lag: int) -> None:
    y = series(300, 0.25)
    x, gains, noises = level(y)
    rows = np.array([x, gains, noises, np.concatenate([[0.0], y[1:] - x[:-1]])])
    values, shares = np.empty(300), np.empty(300)
    kalman.lagged(rows, lag, values, shares)
    expected, expected_shares = kalman.reference_lagged(rows, lag, 300)
    assert np.abs(values - expected).max() < 1e-11
    assert np.abs(shares - expected_shares).max() < 1e-11


def test_lagged_is_the_least_squares_of_what_it_has_seen() -> None:
    """Against the normal equations of the model, whose inverse also holds the variances: no recursion in common."""
    n, q, lag, s = 60, 0.4, 7, 40
    y = series(n, q)
    seen = s + lag + 1
    steps = np.diff(np.eye(seen), axis=0)
    precision = np.eye(seen) + steps.T @ steps / q
    x, gains, noises = level(y, q)
    rows = np.array([x, gains, noises, np.concatenate([[0.0], y[1:] - x[:-1]])])
    values, shares = np.empty(n), np.empty(n)
    kalman.lagged(rows, lag, values, shares)
    assert abs(values[s] - np.linalg.solve(precision, y[:seen])[s]) < 1e-9
    assert abs(shares[s] - np.linalg.inv(precision)[s, s]) < 1e-9
