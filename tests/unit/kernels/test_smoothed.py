"""Averages that remember: each kernel equals its readable form, a gap leaves the state alone, no split changes a bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.market import Vector
from rpsd.kernels import smoothed

STATES = {"smooth": 2, "strength": 6, "true_range": 4, "fall": 1}
each = pytest.mark.parametrize("name", STATES)


def bars(size: int, seed: int) -> tuple[Vector, Vector, Vector]:
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(0.02 * rng.normal(size=size)))
    return close * np.exp(0.01 * rng.random(size)), close * np.exp(-0.01 * rng.random(size)), close


def computed(name: str, columns: tuple[Vector, Vector, Vector], n: int, state: Vector) -> Vector:
    high, low, close = (np.ascontiguousarray(column) for column in columns)
    out = np.empty(close.size)
    if name == "smooth":
        smoothed.smooth(close, n, 0.3, state, out)
    elif name == "strength":
        smoothed.strength(close, n, state, out)
    elif name == "true_range":
        smoothed.true_range(high, low, close, n, state, out)
    else:
        smoothed.fall(close, state, out)
    return out


def readable(name: str, columns: tuple[Vector, Vector, Vector], n: int) -> Vector:
    high, low, close = columns
    if name == "smooth":
        return smoothed.reference_smooth(close, n, 0.3)
    if name == "strength":
        return smoothed.reference_strength(close, n)
    return smoothed.reference_true_range(high, low, close, n) if name == "true_range" else smoothed.reference_fall(close)


@each
@given(size=st.integers(0, 300), n=st.integers(2, 40), seed=st.integers(0, 99))
def test_equals_its_readable_form(name: str, size: int, n: int, seed: int) -> None:
    columns = bars(size, seed)
    assert np.allclose(computed(name, columns, n, np.zeros(STATES[name])), readable(name, columns, n), rtol=1e-11, equal_nan=True)


@each
@given(cut=st.integers(0, 200), n=st.integers(2, 40), seed=st.integers(0, 99))
def test_a_split_changes_no_bit(name: str, cut: int, n: int, seed: int) -> None:
    columns = bars(200, seed)
    whole, state = computed(name, columns, n, np.zeros(STATES[name])), np.zeros(STATES[name])
    parts = [computed(name, tuple(column[part] for column in columns), n, state) for part in (slice(0, cut), slice(cut, 200))]  # type: ignore[arg-type]
    assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)


@each
def test_a_missing_bar_has_no_value_and_leaves_the_rest_as_if_it_had_not_been(name: str) -> None:
    columns = bars(100, 1)
    gaps = np.array([0, 3, 40, 41, 99])
    holed = tuple(np.insert(column, gaps, np.nan) for column in columns)
    out = computed(name, holed, 10, np.zeros(STATES[name]))  # type: ignore[arg-type]
    missing = np.flatnonzero(np.isnan(holed[2]))
    assert np.isnan(out[missing]).all()
    assert np.array_equal(np.delete(out, missing), computed(name, columns, 10, np.zeros(STATES[name])), equal_nan=True)


def test_a_bar_whose_high_is_below_its_low_spans_nothing() -> None:
    high, low, close = bars(60, 2)
    swapped, blank = (high.copy(), low.copy()), (high.copy(), low.copy())
    swapped[0][30], swapped[1][30] = low[30], high[30]
    blank[0][30] = np.nan
    found, wanted = (computed("true_range", (*pair, close), 14, np.zeros(4)) for pair in (swapped, blank))
    assert np.isnan(found[30])
    assert np.array_equal(found, wanted, equal_nan=True)


def test_nothing_moved_is_the_middle_of_the_strength() -> None:
    assert computed("strength", bars(0, 0), 2, np.zeros(6)).size == 0
    flat = (np.full(30, 0.1),) * 3
    assert (computed("strength", flat, 14, np.zeros(6))[14:] == 50.0).all()


def test_only_rises_are_full_strength_and_only_falls_none() -> None:
    up = (np.arange(1.0, 31.0),) * 3
    down = (np.arange(31.0, 1.0, -1.0),) * 3
    assert (computed("strength", up, 14, np.zeros(6))[14:] == 100.0).all()
    assert (computed("strength", down, 14, np.zeros(6))[14:] == 0.0).all()


def test_no_fall_is_told_before_a_value_above_zero() -> None:
    out = computed("fall", (np.array([-1.0, 0.0, 2.0, 1.0]),) * 3, 2, np.zeros(1))
    assert np.array_equal(out, [np.nan, np.nan, 0.0, -0.5], equal_nan=True)
