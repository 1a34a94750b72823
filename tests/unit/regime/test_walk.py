"""Walk-forward: which bars each fit sees, and what a refit that fails leaves behind."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.regime import hmm
from rpsd.regime.state import WORTH_NATS
from rpsd.regime.walk import burn_in, walk_forward

TWO = HmmParameters(k=2)


def test_each_fit_sees_only_the_bars_before_those_it_serves(two: Any) -> None:
    seen: list[tuple[int, bool]] = []

    def recorded(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
        seen.append((x.size, warm is not None))
        return hmm.fit(x, params, seed=seed, warm=warm, z=z)

    walk = walk_forward(two.x[:400], TWO, recorded, seed=0, refit_every=50)
    assert seen == [(250, False), (300, True), (350, True)]
    assert (walk.first, walk.fitted_on, walk.refits, walk.skipped) == (250, 350, 2, 0)
    # the rows of the last stretch are the last model's, those before it another model's
    assert np.array_equal(walk.probabilities[100:], hmm.filtered(walk.state, two.x[:400])[350:])
    assert not np.array_equal(walk.probabilities[50:100], hmm.filtered(walk.state, two.x[:400])[300:350])


@pytest.mark.parametrize(("gain", "fresh_wins"), [(WORTH_NATS + 0.5, True), (WORTH_NATS - 0.5, False)])
def test_fresh_starts_are_tried_as_the_bars_grow(two: Any, gain: float, fresh_wins: bool) -> None:
    """They take over from what the first year taught, when they are worth it; causal all the same."""
    cold: list[int] = []

    def fitting(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
        if warm is not None:
            state = hmm.fit(x, params, seed=seed, warm=warm, z=z)
            return Packet({**state.head, "penalised": 0.0}, state.arrays)
        cold.append(x.size)
        state = hmm.fit(x, params, seed=seed, z=z)
        return Packet({**state.head, "penalised": gain}, state.arrays)

    walk = walk_forward(two.x[:780], TWO, fitting, seed=0, refit_every=50)
    assert cold == [250, 400, 600]
    started = {end: state.head["started"] for end, state in walk.stretches}
    assert [end for end, how in started.items() if how == "cold"] == (cold if fresh_wins else [250])


def test_a_degenerate_refit_leaves_the_model_before_it_in_use(two: Any) -> None:
    def collapsing(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
        state = hmm.fit(x, params, seed=seed, warm=warm, z=z)
        return state if x.size < 300 else Packet({**state.head, "collapsed": [0]}, state.arrays)

    walk = walk_forward(two.x[:400], TWO, collapsing, seed=0, refit_every=30)
    assert (walk.refits, walk.skipped, walk.fitted_on) == (4, 3, 280)
    assert walk.probabilities.shape == (150, 2)


def test_the_burn_in_depends_on_the_states_alone() -> None:
    assert [burn_in(k) for k in (1, 5)] == [250, 250]


def test_clear_regimes_are_told_rightly_all_the_way(two: Any) -> None:
    """Labels that swapped at refits would be wrong about half of the time."""
    walk = walk_forward(two.x, TWO, hmm.fit, seed=0, refit_every=21)
    assert walk.refits == 26
    assert (walk.probabilities.argmax(axis=1) == two.states[walk.first :]).mean() > 0.93


def test_names_hold_where_a_year_cannot_settle_the_means(three: Any) -> None:
    """Means of ±0.15 % beside deviations of 2 %: names by the means alone would be drawn by lot, and agree on a third of the bars."""
    walk = walk_forward(three.x, replace(TWO, k=3), hmm.fit, seed=0, refit_every=21)
    assert (walk.probabilities.argmax(axis=1) == three.states[walk.first :]).mean() > 0.6


def test_a_degenerate_burn_in_goes_on_until_a_fit_is_sound(two: Any) -> None:
    def collapsing(x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
        state = hmm.fit(x, params, seed=seed, warm=warm, z=z)
        return state if x.size > 300 else Packet({**state.head, "collapsed": [0]}, state.arrays)

    walk = walk_forward(two.x[:400], TWO, collapsing, seed=0, refit_every=30)
    assert (walk.first, walk.refits, walk.skipped) == (310, 2, 0)
    assert walk.probabilities.shape == (90, 2)
    assert walk_forward(two.x[:350], TWO, collapsing, seed=0, refit_every=30).first == walk.first
    with pytest.raises(DegenerateFit):
        walk_forward(two.x[:305], TWO, collapsing, seed=0, refit_every=30)
