"""The inferred tick: equals the greatest common divisor of the prices as exact decimal numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import tick


@settings(max_examples=300, deadline=None)
@given(decimals=st.integers(0, 8), steps=st.lists(st.integers(1, 10**6), min_size=2, max_size=12), unit=st.integers(1, 50))
def test_the_kernel_equals_the_reference(decimals: int, steps: list[int], unit: int) -> None:
    prices = np.array([float(f"{unit * step}e-{decimals}") for step in steps])
    table, state = levels(prices.tolist()), np.zeros(tick.INTEGERS, np.int64)
    assert tick.learns(table, table[:0], prices.size, 0, prices.size, True, state)
    assert tick.value(state, tick.DECIMALS) == tick.reference(prices)
    assert not tick.breaks(table, table[:0], prices.size, 0, tick.reference(prices))


def levels(prices: list[float]) -> np.ndarray:
    table = np.stack([np.array(prices), np.ones(len(prices))], axis=1)
    table.flags.writeable = False
    return table


def test_prices_beyond_integers_say_nothing() -> None:
    wide, state = levels([1e12, 1e-10, 5e17, 1e300, 2e-10]), np.zeros(tick.INTEGERS, np.int64)
    assert not tick.learns(wide, wide[:0], 5, 0, 5, True, state)
    assert not state.any()


@pytest.mark.parametrize("price", [1e308, 1e25, 1e17, 1e-300, 1e-14])
def test_a_price_that_no_number_of_ticks_can_be_is_off_the_tick_from_the_first_record_on(price: float) -> None:
    state = np.zeros(tick.INTEGERS, np.int64)
    sound, odd = (levels([99.5, 99.0]), levels([price, 99.5] if price > 100 else [99.5, price]))
    assert tick.learns(sound, sound, 2, 2, np.int64(4), True, state)
    assert not tick.learns(odd, odd, 2, 2, np.int64(4), True, state)
    assert tick.breaks(odd, odd, 2, 2, 0.5)
