"""Drift: silent on a true model, loud when the world has changed, and never at the first sign alone."""

import numpy as np
import pytest

from rpsd.core.drift import Tolerance
from rpsd.regime.drift import LEAST_BARS, Drift, judged, moved

BEFORE = {"significant": True}


def scan(probabilities: np.ndarray, before: dict[str, bool] | None = BEFORE, fitted_on: int = 500) -> Drift:
    return judged(probabilities, fitted_on, before, Tolerance())


@pytest.mark.parametrize("n", [LEAST_BARS, 50, 100, 250])
def test_uniform_probabilities_raise_at_most_the_promised_share_of_alarms(n: int) -> None:
    rng = np.random.default_rng(n)
    alarms = sum(scan(rng.random(n)).significant for _ in range(4000))
    assert alarms / 4000 <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 4000)


def test_probabilities_that_pile_up_in_the_tails_are_high_drift_once_seen_twice() -> None:
    rng = np.random.default_rng(0)
    wild = np.concatenate([rng.random(40) * 0.1, 1 - rng.random(40) * 0.1])
    first = scan(wild, before=None)
    assert (first.severity, first.significant) == ("NONE", True)
    assert scan(wild, first.as_facts()).severity == "HIGH"
    assert scan(wild, {"significant": False}).severity == "NONE"


@pytest.mark.parametrize(("tilt", "severity"), [(1.0, "NONE"), (1.5, "LOW"), (1.7, "MEDIUM"), (2.0, "HIGH")])
def test_severity_follows_the_bands_of_the_index(tilt: float, severity: str) -> None:
    even = (np.arange(250) + 0.5) / 250
    assert scan(even ** (1 / tilt), fitted_on=10**9).severity == severity


def test_few_bars_show_nothing_and_both_ends_count() -> None:
    assert scan(np.zeros(LEAST_BARS - 1)).significant is False
    assert scan(np.ones(LEAST_BARS)).significant is True  # a probability of exactly one lies in the last bin
    assert scan(np.zeros(LEAST_BARS)).significant is True


def test_a_model_of_few_bars_is_given_more_room() -> None:
    probabilities = np.random.default_rng(2).random(100)
    assert scan(probabilities, fitted_on=100).critical == pytest.approx(2 * scan(probabilities, fitted_on=10**9).critical)


@pytest.mark.parametrize("n", [60, 200, 500])
def test_bars_that_go_on_as_before_have_moved_in_at_most_the_promised_share_of_draws(n: int) -> None:
    rng = np.random.default_rng(n)
    draws = [moved(rng.beta(0.7, 0.7, n), Tolerance()) for _ in range(4000)]  # what is foretold badly all along is no drift
    assert sum(one.significant for one in draws) / 4000 <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 4000)


def test_data_that_change_within_the_window_are_told_by_severity() -> None:
    rng = np.random.default_rng(3)
    before = rng.random(250)
    assert moved(np.concatenate([before, np.full(250, 0.5)]), Tolerance()).severity == "HIGH"
    even = (np.arange(250) + 0.5) / 250
    severities = [moved(np.concatenate([even, even ** (1 / tilt)]), Tolerance()).severity for tilt in (1.0, 1.3, 1.7, 2.0)]
    assert severities == ["NONE", "NONE", "MEDIUM", "HIGH"]
    assert moved(np.concatenate([before, rng.random(250)]), Tolerance()).severity == "NONE"
    assert moved(rng.random(2 * LEAST_BARS - 2), Tolerance()).bars == LEAST_BARS - 1
