"""The sharp test of windows whose values hardly depend on each other."""

import numpy as np
from scipy.special import ndtr, ndtri

from rpsd.core.drift import Tolerance
from rpsd.drift import homogeneity
from rpsd.drift.scan import Case, scan


def windows(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    u = np.random.default_rng([seed, n, m]).random(n + m)
    return u[:n], u[n:]


def outward(u: np.ndarray) -> np.ndarray:
    """What uniform predictive probabilities become in a world three times as wild."""
    return ndtr(3.0 * ndtri(u))


def test_p_values_of_equal_windows_are_not_too_small() -> None:
    p = np.array([homogeneity.p_value(*windows(seed, 500, 50)) for seed in range(400)])
    assert (p < 0.05).mean() <= 0.08
    assert (p < 0.5).mean() >= 0.2  # nor are they all near one


def test_a_window_of_other_shape_is_found() -> None:
    p = np.array([homogeneity.p_value(before, outward(after)) for before, after in (windows(seed, 1000, 100) for seed in range(50))])
    assert (p < 1e-3).mean() > 0.9


def test_values_that_cluster_all_along_are_no_drift() -> None:
    """Blocks of 25 lean to one side by turns: independent values would not, so the statistic alone would cry; the design effect knows."""
    p = []
    for seed in range(200):
        rng = np.random.default_rng([seed, 9])
        lean = np.repeat(rng.normal(0.0, 0.6, 24), 25)
        u = 1.0 / (1.0 + np.exp(-(rng.logistic(size=600) + lean)))
        p.append(homogeneity.p_value(u[:550], u[550:]))
    assert (np.array(p) < 0.01).mean() <= 0.03


def test_a_constant_reference_says_nothing() -> None:
    assert homogeneity.p_value(np.zeros(100), np.zeros(50)) == 1.0


def test_only_what_is_named_is_judged_as_independent() -> None:
    before, after = windows(3, 500, 50)
    case = {"reference": before[:, None], "current": outward(after)[:, None], "features": ("u",), "kinds": ("prediction",)}
    [[plain]] = scan([Case("m", **case)], Tolerance())
    [[sharp]] = scan([Case("m", **case, independent=frozenset({"u"}))], Tolerance())
    assert sharp.p_value == 2.0 * homogeneity.p_value(before, outward(after)) != plain.p_value
    assert sharp.significant
