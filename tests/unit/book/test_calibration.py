"""Calibration finds the log-odds that made the outcomes, keeps the order of the scores and the symmetry of the book."""

import numpy as np
import pytest

from rpsd.book import calibration


def drawn(n: int, slope: float, constant: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and outcomes of log-odds constant + slope times the score."""
    rng = np.random.default_rng(1)
    score = rng.normal(size=n)
    return score, rng.random(n) < 1 / (1 + np.exp(-constant - slope * score))


def on(line: calibration.Line, score: np.ndarray) -> np.ndarray:
    """Log-odds on the line, as the kernel goes along it."""
    first, last = line.knots[0], line.knots[-1]
    outside = np.minimum(score - first[0], 0) + np.maximum(score - last[0], 0)
    return np.interp(score, line.knots[:, 0], line.knots[:, 1]) + line.slope * outside


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_the_log_odds_of_the_direction_are_found(method: str) -> None:
    score, up = drawn(60_000, 2.0)
    line = calibration.odd(score, np.where(up, 1, -1), method)
    np.testing.assert_allclose(on(line, np.linspace(0, 1.5, 7)), np.linspace(0, 3.0, 7), atol=0.15)
    assert line.knots[0].tolist() == [0.0, 0.0]
    assert (np.diff(line.knots, axis=0) >= 0).all()


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_the_log_odds_of_a_move_are_found(method: str) -> None:
    score, came = drawn(60_000, 1.5, -0.7)
    np.testing.assert_allclose(
        on(calibration.plain(score, came, method), np.linspace(-1, 1, 7)), -0.7 + np.linspace(-1.5, 1.5, 7), atol=0.15
    )


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_the_line_of_the_direction_does_not_change_when_the_book_is_mirrored(method: str) -> None:
    score, up = drawn(2000, 1.0)
    y = np.where(up, 1, -1)
    here, there = calibration.odd(score, y, method), calibration.odd(-score, -y, method)
    np.testing.assert_allclose(here.knots, there.knots, atol=1e-12)
    assert here.slope == pytest.approx(there.slope)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_scores_that_mislead_say_next_to_nothing(method: str) -> None:
    score, up = drawn(5000, -1.0)
    line = calibration.odd(score, np.where(up, 1, -1), method)
    assert 0 <= on(line, np.array([2.0]))[0] < 0.01


def test_perfect_scores_stay_finite() -> None:
    score = np.linspace(-1, 1, 50)
    for method in ("platt", "isotonic"):
        assert np.isfinite(calibration.odd(score, np.where(score > 0, 1, -1), method).knots).all()
        assert np.isfinite(calibration.plain(score, score > 0, method).knots).all()
    assert np.isfinite(calibration.odd(np.zeros(9), np.ones(9, np.int64), "isotonic").knots).all()


def test_auto_wants_thousands_of_moves_for_the_freer_line() -> None:
    assert calibration.method_of("auto", 4999) == "platt"
    assert calibration.method_of("auto", 5000) == "isotonic"
    assert calibration.method_of("platt", 10**6) == "platt"


def test_scores_of_any_scale_are_levelled_to_the_same() -> None:
    score, up = drawn(5000, 1.0)
    flat = np.random.default_rng(2).random(5000) < 0.3
    y = np.where(flat, 0, np.where(up, 1, -1))
    scores = np.column_stack([score, np.zeros(5000) + 0.1 * score])
    levelled = calibration.levelled(scores, y)
    np.testing.assert_allclose(calibration.levelled(scores * 7, y), levelled, atol=0.02)
    np.testing.assert_allclose((1 / (1 + np.exp(-levelled[:, 1]))).mean(), (y != 0).mean(), rtol=0.01)
    alone = calibration.levelled(np.column_stack([score, np.full(5000, np.inf)]), np.where(up, 1, -1))
    assert np.isinf(alone[:, 1]).all()
