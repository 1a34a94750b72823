"""The inferred tick: equals the greatest common divisor of the prices as exact decimal numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.kernels import tick


@settings(max_examples=300, deadline=None)
@given(decimals=st.integers(0, 8), steps=st.lists(st.integers(1, 10**6), min_size=2, max_size=12), unit=st.integers(1, 50))
def test_the_kernel_equals_the_reference(decimals: int, steps: list[int], unit: int) -> None:
    prices = np.array([float(f"{unit * step}e-{decimals}") for step in steps])
    levels, state = np.stack([prices, np.ones(prices.size)], axis=1), np.zeros(tick.INTEGERS, np.int64)
    levels.flags.writeable = False
    assert tick.learns(levels, levels[:0], prices.size, 0, prices.size, True, state)
    assert tick.value(state, tick.DECIMALS) == tick.reference(prices)
    assert not tick.breaks(levels, levels[:0], prices.size, 0, tick.reference(prices))


def test_prices_beyond_integers_say_nothing() -> None:
    levels, state = np.array([[1e12, 1.0], [1e-10, 1.0], [5e17, 1.0], [1e300, 1.0], [2e-10, 1.0]]), np.zeros(tick.INTEGERS, np.int64)
    levels.flags.writeable = False
    tick.learns(levels, levels[:0], 5, 0, 5, True, state)
    assert state[: tick.RIVAL_DECIMALS].tolist() == [0, 10**12, 5]
