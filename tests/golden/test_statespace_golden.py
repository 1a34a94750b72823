"""State-space methods at given parameters against statsmodels: filtered and smoothed states, their variances, the likelihood."""

from pathlib import Path

import numpy as np
import pytest

from rpsd.core.parameters import FixedLagParameters, KalmanParameters, KalmanSmootherParameters
from rpsd.denoise import fixed_lag, kalman, kalman_smoother
from rpsd.kernels import kalman as level_kernel
from rpsd.kernels import trend as trend_kernel

DATA = Path(__file__).parent / "denoise"
NOISE, RATIO, SLOPE_RATIO = 0.04, 0.25, 0.0025
PREFIX = 200


@pytest.fixture
def y() -> np.ndarray:
    return np.loadtxt(DATA / "observed.csv")


def columns(name: str) -> list[np.ndarray]:
    """The columns of a golden file."""
    return list(np.loadtxt(DATA / f"statsmodels_{name}.csv", delimiter=",", unpack=True))


def test_local_level_is_filtered_alike(y: np.ndarray) -> None:
    filtered, variances, _, _ = columns("local_level")
    x, gains, noises = (np.empty(y.size) for _ in range(3))
    level_kernel.level(y, RATIO, 64, 32, level_kernel.start(), x, gains, noises)
    assert np.abs(x - filtered).max() < 1e-10
    assert np.abs(NOISE * gains - variances).max() < 1e-10
    assert np.abs(kalman.run(y, KalmanParameters(ratio=RATIO)) - x).max() < 1e-14


def test_local_linear_trend_is_filtered_alike(y: np.ndarray) -> None:
    filtered, variances, _, _ = columns("local_linear_trend")
    x, shares, noises = (np.empty(y.size) for _ in range(3))
    trend_kernel.trend(y, RATIO, SLOPE_RATIO, 64, 64, trend_kernel.gains(), trend_kernel.start(), x, shares, noises)
    assert np.abs(x - filtered)[1:].max() < 1e-9
    assert np.abs(NOISE * shares - variances)[1:].max() < 1e-9
    assert np.abs(kalman.run(y, KalmanParameters(model="trend", ratio=RATIO, slope_ratio=SLOPE_RATIO)) - x).max() < 1e-14


def test_local_level_is_smoothed_alike(y: np.ndarray) -> None:
    _, _, smoothed, variances = columns("local_level")
    found = kalman_smoother.smooth(y, KalmanSmootherParameters(ratio=RATIO))
    assert np.abs(found.x - smoothed).max() < 1e-10
    assert np.abs(NOISE * found.sensitivity - variances).max() < 1e-10


@pytest.mark.parametrize("lag", [1, 5, 40, 256])
def test_fixed_lag_is_the_smoother_of_what_was_seen(y: np.ndarray, lag: int) -> None:
    smoothed, variances = columns("prefix")
    params = FixedLagParameters(lag=lag, ratio=RATIO)
    state = fixed_lag.start(params)
    waited, _ = fixed_lag.advance(state, y[:PREFIX], params)
    last, deviations = fixed_lag.flush(state, params)
    reach = min(lag, PREFIX)
    assert np.abs(last - smoothed[-reach:]).max() < 1e-10
    assert np.ptp(deviations**2 / variances[-reach:]) < 1e-8  # one noise variance behind them all
    if lag < PREFIX:
        assert abs(waited[-1] - smoothed[PREFIX - 1 - lag]) < 1e-10


def test_likelihood_is_that_of_the_model(y: np.ndarray) -> None:
    """rpsd gives it at the likeliest noise variance; at the golden one the sum of squares enters once more."""
    expected = np.loadtxt(DATA / "statsmodels_likelihood.csv")[0]
    found = kalman_smoother.smooth(y, KalmanSmootherParameters(ratio=RATIO)).log_likelihood
    rows = np.empty((3, y.size))
    level_kernel.level(y, RATIO, 64, 32, level_kernel.start(), *rows)
    n, x, rest = y.size - 1, rows[0], 1.0 - rows[1, 1:]
    square = float(np.mean((y[1:] - x[:-1]) ** 2 * rest))
    at_noise = found + 0.5 * n * (np.log(square) + 1.0) - 0.5 * n * (np.log(NOISE) + square / NOISE)
    assert at_noise == pytest.approx(expected, abs=1e-8)
