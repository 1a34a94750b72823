"""The table of each state, by hand on small paths, and the year of each interval."""

import numpy as np
import pytest

from rpsd.core.market import DAY_NS
from rpsd.core.model import Packet
from rpsd.regime.statistics import calendar, expected_duration, spells, statistics

HOUR_NS = DAY_NS // 24
MODEL = Packet(
    {"k": 2, "collapsed": []},
    {
        "startprob": np.array([1.0, 0.0]),
        "transmat": np.array([[0.75, 0.25], [0.1, 0.9]]),
        "means": np.array([-0.5, 0.3]),
        "variances": np.array([4.0, 1.0]),
        "df": np.full(2, np.inf),
        "weights": np.array([4.0, 2.0]),
    },
)
X = np.array([-1.0, -2.0, 1.0, 3.0, 1.0, -3.0])
PATH = np.array([0, 0, 0, 1, 1, 0])


def test_the_figures_of_a_state_are_those_of_its_own_spells() -> None:
    bear, bull = statistics(MODEL, X, PATH, 252.0)
    assert (bear.label, bull.label) == ("Bear", "Bull")
    assert (bear.alias, bull.alias) == ("high_vol", "low_vol")
    assert (bear.mean, bear.volatility) == (-0.5, 2.0)
    assert (bear.occupancy, bull.occupancy) == (pytest.approx(4 / 6), pytest.approx(2 / 6))
    assert (bear.episodes, bull.episodes) == (2, 1)
    assert (bear.win_rate, bull.win_rate) == (0.25, 1.0)
    assert (bear.mean_duration, bear.median_duration) == (2.0, 2.0)
    assert bear.expected_duration == pytest.approx(4.0)
    own = np.array([-1.0, -2.0, 1.0, -3.0]) / 100
    assert bear.annual_return == pytest.approx(np.expm1(own.mean() * 252))
    assert bear.annual_volatility == pytest.approx(own.std(ddof=1) * 252**0.5)
    assert bear.sharpe == pytest.approx(own.mean() / own.std(ddof=1) * 252**0.5)
    # the fall of 3 % in the first spell and that of 3 % in the second are two falls, not one of 6 %
    assert bear.max_drawdown == pytest.approx(np.expm1(-0.03))
    assert bull.max_drawdown == 0.0


def test_a_state_that_never_came_has_no_figures() -> None:
    bear, bull = statistics(MODEL, X, np.zeros(6, np.int64), 252.0)
    assert (bull.occupancy, bull.episodes) == (0.0, 0)
    absent = (
        bull.annual_return,
        bull.annual_volatility,
        bull.sharpe,
        bull.max_drawdown,
        bull.win_rate,
        bull.mean_duration,
        bull.median_duration,
    )
    assert absent == (None,) * 7
    assert bear.episodes == 1


def test_figures_stay_finite_on_minutes() -> None:
    bear, _ = statistics(MODEL, np.abs(X), PATH, 252 * 390.0)
    assert bear.annual_return is not None
    assert np.isfinite(bear.annual_return)


def test_a_state_never_left_has_no_expected_duration() -> None:
    assert expected_duration(1.0) is None
    assert expected_duration(0.9) == pytest.approx(10.0)


def test_spells_cover_the_path() -> None:
    runs = spells(PATH)
    assert runs.first.tolist() == [0, 3, 5]
    assert runs.length.tolist() == [3, 2, 1]
    assert runs.state.tolist() == [0, 1, 0]


def test_the_year_of_each_market() -> None:
    every_day, weekdays = np.arange(700), np.arange(700)[(np.arange(700) + 3) % 7 < 5]
    hours = (np.arange(700)[:, None] * 24 + np.arange(24)).ravel() * HOUR_NS
    session = (weekdays[:, None] * 24 + np.arange(14, 21)).ravel() * HOUR_NS
    assert calendar(weekdays * DAY_NS, "1d").bars_per_year == 252
    assert calendar(every_day * DAY_NS, "1d").bars_per_year == 365
    assert calendar(session, "1h").bars_per_year == 252 * 7
    assert calendar(hours, "1h").bars_per_year == 365 * 24
    assert calendar(every_day[::7] * DAY_NS, "1w").bars_per_year == 52
    assert calendar(session, "tick").bars_per_year == 252 * 7
