"""Degenerate models are refused, doubtful ones say what is doubtful."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import DegenerateFit
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm
from rpsd.regime.labels import named
from rpsd.regime.soundness import doubts, sound

TWO = HmmParameters(k=2)


def codes(state: Packet, x: np.ndarray) -> set[str]:
    return {warned.code for warned in doubts(state, x)}


def test_a_good_model_passes_unchanged(two: Any) -> None:
    state = hmm.fit(two.x, TWO, seed=0)
    assert sound(state) is state


@pytest.mark.parametrize("name", ["transmat", "means", "dispersion"])
def test_a_number_that_is_not_finite_is_refused(two: Any, name: str) -> None:
    state = hmm.fit(two.x, TWO, seed=0)
    spoilt = state.arrays[name].copy()
    spoilt.flat[0] = np.nan
    with pytest.raises(DegenerateFit, match="finite"):
        sound(Packet(state.head, {**state.arrays, name: spoilt}))


def test_a_collapsed_state_is_refused(two: Any) -> None:
    state = hmm.fit(two.x, TWO, seed=0)
    with pytest.raises(DegenerateFit, match="variance floor"):
        sound(Packet({**state.head, "collapsed": [1]}, state.arrays))


def test_a_state_on_a_few_points_is_refused(two: Any) -> None:
    state = hmm.fit(two.x, TWO, seed=0)
    with pytest.raises(DegenerateFit, match="bars"):
        sound(Packet(state.head, {**state.arrays, "weights": np.array([796.0, 4.0])}))


def test_clear_regimes_leave_no_doubt(two: Any) -> None:
    assert codes(named(hmm.fit(two.x, TWO, seed=0)), two.x) == set()


def test_each_doubt_has_its_code(one: Any, two: Any) -> None:
    assert {"regimes_doubtful", "label_confidence_low"} <= codes(named(hmm.fit(one.x, TWO, seed=0)), one.x)
    assert "not_converged" in codes(named(hmm.fit(two.x, replace(TWO, max_iterations=1, starts=1), seed=0)), two.x)
    state = named(hmm.fit(two.x, TWO, seed=0))
    rare = Packet(state.head, {**state.arrays, "weights": np.array([10.0, 790.0])})
    assert "state_rarely_visited" in codes(rare, two.x)


def test_a_moving_variance_makes_regimes_doubtful(garch: np.ndarray) -> None:
    (warned,) = [warned for warned in doubts(named(hmm.fit(garch, TWO, seed=0)), garch) if warned.code == "regimes_doubtful"]
    assert "GARCH" in warned.detail
    assert "one regime" not in warned.detail


def test_a_model_that_sees_more_than_returns_is_not_compared_by_likelihood(one: Any) -> None:
    state = named(hmm.fit(one.x, TWO, seed=0))
    wide = Packet({**state.head, "columns": ["return", "range"]}, state.arrays)
    assert "regimes_doubtful" not in codes(wide, one.x)
