"""The jump model: its path is that of the hidden Markov model it is served as, the descent never rises, the price is the price."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import DegenerateFit
from rpsd.core.observed import JUMP_SIGHT, sight_of
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.regime import hmm, jump
from rpsd.regime.observe import Observations, observations
from rpsd.regime.soundness import sound

TWO = HmmParameters(k=2, engine="jump")


@pytest.fixture(scope="module")
def seen(two: Any) -> Observations:
    return observations(two.prices, two.t, "1d", 2, columns=JUMP_SIGHT)


def test_planted_regimes_are_found(two: Any, seen: Observations) -> None:
    state = jump.fit(seen.x, TWO, seed=0, z=seen.z)
    truth = 1 - two.states[-seen.x.size :]  # the planted bear, number 0, is the volatile one
    assert state.head["converged"]
    assert (state.head["kind"], state.head["engine"], state.head["d"]) == ("jump", "jump", 3)
    assert (hmm.viterbi(state, seen.rows) == truth).mean() > 0.9
    np.testing.assert_allclose(np.sqrt(state.arrays["variances"]), [0.5, 2.0], rtol=0.25)
    assert sound(state) is state


def test_the_most_likely_path_is_the_cheapest_of_all_paths() -> None:
    """Every path of eight bars tried: minus the log of p(path, u) is the sum but for a constant, and the least sum is the path found."""
    rng = np.random.default_rng(2)
    for penalty in (0.0, 0.7, 3.0):
        u, centres = rng.normal(size=(8, 2)), rng.normal(size=(3, 2))
        paths = [np.array(path) for path in product(range(3), repeat=8)]
        sums = np.array([jump.objective(u, centres, path, penalty) for path in paths])
        p = jump.as_hidden_markov(centres, penalty)
        logs = np.array([_log_joint(u, path, p) for path in paths])
        assert np.ptp(sums + logs) < 1e-9
        found = jump.descended(u, centres, replace(TWO, k=3, jump_penalty=penalty, max_iterations=1))
        assert found.sums[0] == pytest.approx(sums.min())


def _log_joint(u: Matrix, path: np.ndarray, p: Any) -> float:
    moves = np.log(p.transmat[path[:-1], path[1:]]).sum()
    return float(np.log(p.startprob[path[0]]) + moves - 0.5 * ((u - p.location[path]) ** 2).sum())


def test_the_descent_never_rises_and_the_packet_tells_it(seen: Observations) -> None:
    for k in (2, 3, 4):
        state = jump.fit(seen.x, replace(TWO, k=k, jump_penalty=5.0), seed=1, z=seen.z)
        trace = state.arrays["trace"]
        assert (np.diff(trace) >= -1e-9).all()
        assert trace[-1] == pytest.approx(-state.head["objective"])
        assert state.head["jumps"] == np.count_nonzero(np.diff(hmm.viterbi(state, seen.rows)))
        assert (np.diff(state.arrays["variances"]) >= 0).all()


def test_a_higher_price_buys_fewer_changes(seen: Observations) -> None:
    jumps = [jump.fit(seen.x, replace(TWO, jump_penalty=price), seed=0, z=seen.z).head["jumps"] for price in (0.0, 5.0, 50.0, 300.0)]
    assert jumps == sorted(jumps, reverse=True)
    assert jumps[0] > 2 * jumps[-1]


def test_a_state_that_is_never_visited_is_told_and_refused(seen: Observations) -> None:
    state = jump.fit(seen.x, replace(TWO, k=5, jump_penalty=300.0), seed=0, z=seen.z)
    assert state.head["collapsed"]
    with pytest.raises(DegenerateFit):
        sound(state)


def test_only_centres_are_counted_as_parameters(seen: Observations) -> None:
    head = jump.fit(seen.x, TWO, seed=0, z=seen.z).head
    assert head["aic"] == pytest.approx(2 * 6 - 2 * head["log_likelihood"])
    assert head["bic"] == pytest.approx(6 * np.log(seen.x.size) - 2 * head["log_likelihood"])


def test_warm_goes_on(seen: Observations) -> None:
    cold = jump.fit(seen.x, TWO, seed=0, z=seen.z)
    warm = jump.fit(seen.x, TWO, seed=9, z=seen.z, warm=cold)
    assert warm.head["started"] == "warm"
    assert warm.head["iterations"] <= 2
    assert warm.head["objective"] == pytest.approx(cold.head["objective"])


def test_the_jump_model_sees_more_than_the_return() -> None:
    assert sight_of("jump", ["return"]) == JUMP_SIGHT
    assert sight_of("jump", ["return", "range"]) == ("return", "range")
    assert sight_of("hmmlearn", ["return"]) == ("return",)
