"""What is refused at the door, what is only warned about, and what is left out."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import ConstantSeries, NotFinite, NotPositive, TooShort
from rpsd.core.market import DAY_NS
from rpsd.regime.observe import checked, observations

MINUTE_NS = DAY_NS // 1440


def walk(n: int) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, n)))


def days(n: int) -> np.ndarray:
    return np.arange(n) * DAY_NS


def test_returns_are_in_percent_and_end_on_their_bar(two: Any) -> None:
    seen = observations(two.prices, two.t, "1d", 2)
    np.testing.assert_allclose(seen.x, two.x, atol=1e-9)
    assert np.array_equal(seen.t, two.t[1:])
    assert seen.warnings == ()


def test_the_refusals_have_their_codes() -> None:
    prices, t = walk(100), days(100)
    for row, value, error in ((5, np.nan, NotFinite), (6, np.inf, NotFinite), (7, 0.0, NotPositive), (8, -3.0, NotPositive)):
        bad = prices.copy()
        bad[row] = value
        with pytest.raises(error) as caught:
            observations(bad, t, "1d", 3)
        assert caught.value.errors[0].pointer == f"/observations/{row}"
    with pytest.raises(ConstantSeries):
        observations(np.full(100, 42.0), t, "1d", 3)
    with pytest.raises(ConstantSeries):
        observations(100 * 1.01 ** np.arange(100.0), t, "1d", 3)  # constant growth has no variation either


def test_twenty_returns_for_each_state() -> None:
    assert observations(walk(61), days(61), "1d", 3).x.size == 60
    with pytest.raises(TooShort, match="60 are needed"):
        observations(walk(60), days(60), "1d", 3)


@pytest.mark.parametrize(("factor", "warned"), [(0.5, True), (2.0, True), (0.61, False), (1.35, False)])
def test_a_move_of_forty_percent_looks_like_a_split(factor: float, warned: bool) -> None:
    prices = np.full(100, 100.0) + np.arange(100) % 3 * 0.01
    prices[50:] *= factor
    codes = [warning.code for warning in observations(prices, days(100), "1d", 2).warnings]
    assert codes == (["looks_like_split"] if warned else [])


def test_a_rise_beyond_what_a_number_holds_looks_like_a_split() -> None:
    prices = walk(100) * 1e-300
    prices[50:] *= 1e304
    prices[50:] *= 1e300
    assert [warning.code for warning in observations(prices, days(100), "1d", 2).warnings] == ["looks_like_split"]


def test_the_night_is_no_minute() -> None:
    t = np.concatenate([day * DAY_NS + np.arange(60) * MINUTE_NS for day in range(3)])
    seen = observations(walk(180), t, "1m", 2)
    assert seen.x.size == 177
    assert 60 * MINUTE_NS < seen.t[59] == DAY_NS + MINUTE_NS
    assert [warning.code for warning in seen.warnings] == ["gaps"]


def test_weekends_are_no_gap_and_a_lost_month_is_one(two: Any) -> None:
    t = two.t.copy()
    t[400:] += 30 * DAY_NS
    seen = observations(two.prices, t, "1d", 2)
    assert seen.x.size == two.x.size
    assert [warning.code for warning in seen.warnings] == ["gaps"]


def test_the_check_copies_and_keeps_the_input(two: Any) -> None:
    two.x.flags.writeable = False
    copy = checked(two.x, 2)
    assert copy.flags.writeable
    assert copy is not two.x
    assert np.array_equal(copy, two.x)
