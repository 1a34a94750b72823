"""The rivals of regimes: what they explain and what they do not."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm, rival


def test_a_moving_variance_is_best_explained_without_states(garch: np.ndarray) -> None:
    for k in (2, 3):
        assert rival.garch_aic(garch) < hmm.fit(garch, HmmParameters(k=k), seed=0).head["aic"]


def test_planted_regimes_are_not(two: Any, three: Any) -> None:
    assert rival.garch_aic(two.x) > hmm.fit(two.x, HmmParameters(k=2), seed=0).head["aic"]
    assert rival.garch_aic(three.x) > hmm.fit(three.x, HmmParameters(k=3), seed=0).head["aic"]


def test_units_shift_both_criteria_as_they_shift_a_likelihood(two: Any) -> None:
    shift = 2 * two.x.size * np.log(10.0)
    assert rival.garch_aic(10 * two.x) - rival.garch_aic(two.x) == pytest.approx(shift, abs=1e-6)
    assert rival.one_state_bic(10 * two.x) - rival.one_state_bic(two.x) == pytest.approx(shift, abs=0.02)


def test_one_gaussian_state_has_the_closed_form(one: Any) -> None:
    n, variance = one.x.size, one.x.var()
    closed = 2 * np.log(n) + n * (np.log(2 * np.pi * variance) + 1)
    assert rival.one_state_bic(one.x) == pytest.approx(closed, abs=0.02)
