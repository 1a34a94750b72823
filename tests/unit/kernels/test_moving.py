"""Sums over windows: each kernel equals its readable form, with gaps, and no split of the bars changes a bit."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.market import Vector
from rpsd.kernels import moving

WINDOWED: dict[str, tuple[Callable[..., None], Callable[[Vector, int], Vector]]] = {
    "mean": (moving.mean, moving.reference_mean),
    "deviation": (moving.deviation, moving.reference_deviation),
    "root_mean_square": (moving.root_mean_square, moving.reference_root_mean_square),
}
each = pytest.mark.parametrize("name", WINDOWED)


def series(size: int, seed: int, gaps: bool = False) -> Vector:
    rng = np.random.default_rng(seed)
    x = 50.0 + np.cumsum(rng.normal(size=size))
    if gaps:
        x[rng.random(size) < 0.02] = np.nan
    return x


@each
@given(size=st.integers(0, 1400), n=st.integers(2, 300), seed=st.integers(0, 99), gaps=st.booleans())
def test_equals_its_readable_form(name: str, size: int, n: int, seed: int, gaps: bool) -> None:
    kernel, reference = WINDOWED[name]
    x, out = series(size, seed, gaps), np.empty(size)
    kernel(x, n, out)
    assert np.allclose(out, reference(x, n), rtol=1e-12, atol=1e-12, equal_nan=True)


@each
@given(n=st.integers(2, 60), begin=st.integers(0, 900), length=st.integers(1, 700), seed=st.integers(0, 99))
def test_a_stretch_with_its_window_has_the_same_bits(name: str, n: int, begin: int, length: int, seed: int) -> None:
    kernel = WINDOWED[name][0]
    x, whole = series(1600, seed), np.empty(1600)
    kernel(x, n, whole)
    first = max(0, begin - n + 1)
    stretch = x[first : begin + length].copy()
    out = np.empty(stretch.size)
    kernel(stretch, n, out)
    assert np.array_equal(out[begin - first :], whole[begin : begin + length], equal_nan=True)


def test_a_constant_has_no_deviation_at_all() -> None:
    out = np.empty(40)
    moving.deviation(np.full(40, 0.1), 20, out)
    assert (out[19:] == 0.0).all()


def test_a_small_deviation_far_from_zero_keeps_its_digits() -> None:
    x = np.tile([1e9, 1e9 + 1.0], 20)
    out = np.empty(40)
    moving.deviation(x, 20, out)
    assert out[-1] == pytest.approx(0.5, rel=1e-12)


@given(seed=st.integers(0, 99))
def test_quotients_equal_their_readable_forms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (rng.choice([0.0, -1.0, 2.0, 3.5, np.nan, np.inf, 1e-300], 50) for _ in range(2))
    for kernel, reference in ((moving.quotient, moving.reference_quotient), (moving.log_quotient, moving.reference_log_quotient)):
        out = np.empty(50)
        kernel(x, y, out)
        with np.errstate(all="ignore"):
            assert np.allclose(out, reference(x, y), rtol=1e-15, equal_nan=True)


def test_what_is_beyond_the_numbers_is_missing() -> None:
    x = np.array([1.0, np.inf, -np.inf, np.nan])
    expected = moving.reference_told(x)
    moving.told(x)
    assert np.array_equal(x, expected, equal_nan=True)
    assert np.array_equal(x, [1.0, np.nan, np.nan, np.nan], equal_nan=True)


def odd(rng: np.random.Generator, size: int) -> Vector:
    """Values of every size and sign, among them zero, missing ones and infinities."""
    return rng.choice([0.0, -1.0, 1e-320, 1e308, np.inf, np.nan, 2.5, *rng.normal(size=5)], size)


@given(size=st.integers(0, 60), n=st.integers(1, 70), seed=st.integers(0, 999))
def test_growth_equals_its_readable_form(size: int, n: int, seed: int) -> None:
    x, out = odd(np.random.default_rng(seed), size), np.empty(size)
    moving.growth(x, n, out)
    with np.errstate(all="ignore"):
        assert np.array_equal(out, moving.reference_growth(x, n), equal_nan=True)


@given(seed=st.integers(0, 999))
def test_a_place_between_bands_equals_its_readable_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, middle, half, out = odd(rng, 40), odd(rng, 40), odd(rng, 40), np.empty(40)
    moving.place(x, middle, half, out)
    with np.errstate(all="ignore"):
        assert np.array_equal(out, moving.reference_place(x, middle, half), equal_nan=True)
