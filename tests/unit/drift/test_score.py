"""The comparison of two rows of scores."""

import numpy as np
import pytest

from rpsd.core.errors import NotFinite, TooShort
from rpsd.drift.score import diff_test


def test_a_better_model_is_told_from_an_equal_one() -> None:
    rng = np.random.default_rng(0)
    a, noise = rng.normal(size=500), rng.normal(size=500)
    assert diff_test(a, a + noise).p > 0.05
    worse = diff_test(a, a + noise - 0.3)
    assert worse.t > 3.0
    assert worse.p < 0.01
    assert worse.mean == pytest.approx(0.3, abs=3 * worse.se)


def test_it_keeps_its_level_under_autocorrelation() -> None:
    """At 5 % it cries in about 5 % of equal pairs whose differences are AR(1) 0.5; a plain t test would in four times as many."""
    rng = np.random.default_rng(1)
    cries = 0
    for _ in range(600):
        x = np.zeros(250)
        for t, shock in enumerate(rng.normal(size=250)):
            x[t] = 0.5 * x[t - 1] + shock
        cries += diff_test(x, np.zeros(250)).p < 0.05
    assert cries / 600 < 0.085


def test_equal_scores_and_equal_differences() -> None:
    x = np.arange(30.0)
    assert diff_test(x, x).p == 1.0
    always = diff_test(x + 1.0, x)
    assert (always.p, always.t) == (0.0, np.inf)


def test_short_and_missing_scores_are_refused() -> None:
    with pytest.raises(TooShort):
        diff_test(np.zeros(19), np.zeros(19))
    with pytest.raises(NotFinite):
        diff_test(np.full(20, np.nan), np.zeros(20))
