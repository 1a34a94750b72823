"""The simulated regimes have the moments, stays and shares that they say."""

import numpy as np
import pytest

from tests.quality.scenarios import CONTROLS, LEAST_TEST, LEAST_TRAIN, SCENARIOS, TEST, TRAIN, draw, garch, generator, path


@pytest.mark.parametrize("name", SCENARIOS)
def test_moments_and_stays_of_a_long_path(name: str) -> None:
    scenario = SCENARIOS[name]
    drawn = draw(scenario, generator(1, name, 0), train=100_000, test=100_000)
    for state in range(scenario.k):
        own = drawn.x[drawn.s == state]
        leaving = drawn.s[1:][drawn.s[:-1] == state]
        assert own.mean() == pytest.approx(scenario.means[state], abs=5 * scenario.deviations[state] / np.sqrt(own.size))
        assert own.std() == pytest.approx(scenario.deviations[state], rel=0.05)
        assert (leaving == state).mean() == pytest.approx(scenario.stay[state], abs=5 * np.sqrt(0.05 / leaving.size))
        assert (drawn.s == state).mean() == pytest.approx(scenario.stationary[state], abs=0.03)


def test_the_first_bar_is_drawn_from_the_long_run() -> None:
    first = np.array([path(SCENARIOS["S6"], 1, np.random.default_rng(seed))[0] for seed in range(4000)])
    assert (first == 0).mean() == pytest.approx(SCENARIOS["S6"].stationary[0], abs=0.03)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_draw_shows_every_state(name: str) -> None:
    for number in range(20):
        drawn = draw(SCENARIOS[name], generator(2, name, number))
        assert (drawn.seen.size, drawn.unseen.size) == (TRAIN, TEST)
        assert np.bincount(drawn.seen_states, minlength=SCENARIOS[name].k).min() >= LEAST_TRAIN
        assert np.bincount(drawn.unseen_states, minlength=SCENARIOS[name].k).min() >= LEAST_TEST


def test_draws_are_reproducible_and_differ() -> None:
    first, again, other = (draw(SCENARIOS["S3"], generator(3, "S3", number)).x for number in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_have_unit_variance(name: str) -> None:
    x = CONTROLS[name](400_000, np.random.default_rng(4))
    assert x.std() == pytest.approx(1.0, abs=0.1)


def test_garch_clusters_in_variance_and_not_in_sign() -> None:
    x = garch(100_000, np.random.default_rng(5))
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 0.02
    assert np.corrcoef(x[1:] ** 2, x[:-1] ** 2)[0, 1] > 0.15
