"""Interacting models and the average of members: kernel = readable form, and what they follow."""

import numpy as np
import pytest

from rpsd.kernels import imm
from tests.quality.signals import CASES

GRID = imm.lanes(0.003, 100.0)


def foretold(y: np.ndarray, stay: float = 0.995) -> np.ndarray:
    """Rows (3, n): x̂, its error variance, log density."""
    rows = np.empty((3, y.size))
    imm.imm(y, GRID, stay, imm.start(), *rows)
    return rows


def quiet_start(n: int) -> np.ndarray:
    """A walk in noise after twenty equal samples."""
    rng = np.random.default_rng(3)
    y = 5.0 + np.cumsum(rng.normal(size=n)) + rng.normal(size=n)
    y[:20] = 5.0
    return y


@pytest.mark.parametrize("case", ["jump", "stochastic volatility", "Roll + tick"])
@pytest.mark.parametrize("stay", [0.9, 0.995])
def test_imm_is_its_readable_form(case: str, stay: float) -> None:
    y = CASES[case](np.random.default_rng(1))[1][:400]
    for found, expected in zip(foretold(y, stay), imm.reference_imm(y, GRID, stay), strict=True):
        assert np.allclose(found, expected, rtol=1e-8, atol=1e-16, equal_nan=True)


def test_imm_waits_for_the_first_move() -> None:
    y = quiet_start(100)
    found = foretold(y)
    assert (found[0, :20] == 5.0).all()
    assert np.isnan(found[1:, :20]).all()
    assert np.isfinite(found[:, 20:]).all()
    for row, expected in zip(found, imm.reference_imm(y, GRID, 0.995), strict=True):
        assert np.allclose(row, expected, rtol=1e-8, equal_nan=True)


def test_imm_follows_a_jump_and_rests_before_it() -> None:
    y = np.random.default_rng(0).normal(size=2000)
    y[1500:] += 30.0
    x, variances, _ = foretold(y)
    assert x[1000:1500].std() < 0.3
    assert abs(x[1503] - 30.0) < 2.0
    assert variances[1400] < 0.1 < variances[1500]


def test_base_follows_the_noise() -> None:
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(size=3000), 40.0 * rng.normal(size=3000)])
    variances = foretold(y)[1]
    assert 300.0 < variances[4500:].mean() / variances[1500:3000].mean() < 8000.0


def test_average_is_its_readable_form() -> None:
    rng = np.random.default_rng(2)
    values, variances, scores = rng.normal(size=(2, 300)), rng.random((2, 300)), 3.0 * rng.normal(size=(2, 300))
    variances[0, :16] = scores[0, :16] = np.nan
    variances[1, :3] = scores[1, :3] = np.nan
    scores[1, 200] = -np.inf
    out, spread, state = np.empty(300), np.empty(300), imm.start_average(2)
    imm.average(values, variances, scores, 0.97, state, out, spread)
    expected, expected_spread = imm.reference_average(values, variances, scores, 0.97)
    assert np.allclose(out, expected, rtol=1e-9, equal_nan=True)
    assert np.allclose(spread, expected_spread, rtol=1e-9, equal_nan=True)
    assert np.isnan(out[:3]).all()
    assert np.allclose(out[3:16], values[1, 3:16], rtol=1e-12)


def test_average_keeps_account() -> None:
    """A member that foretells better by one nat a sample leads throughout, and the average loses little against it."""
    scores = np.array([np.full(100, -2.0), np.full(100, -1.0)])
    state = imm.start_average(2)
    imm.average(np.zeros((2, 100)), np.ones((2, 100)), scores, 1.0, state, np.empty(100), np.empty(100))
    count, mixture, logs, led, sums = state[0], state[1], state[2:4], state[4:6], state[6:]
    assert count == 100.0
    assert list(led) == [0.0, 100.0]
    assert list(sums) == [-200.0, -100.0]
    assert logs[0] - logs[1] == pytest.approx(-100.0)
    assert mixture == pytest.approx(-100.0 - np.log(2.0), abs=1e-9)
