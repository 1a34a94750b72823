"""The stationary transform: kernels equal their readable forms, the inverse is exact, and a shift of the input shifts the details."""

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.denoise.wavelet import filters
from rpsd.kernels import stationary

NAMES = ("haar", "db2", "sym8")
circles = st.integers(1, 40).map(lambda rows: 8 * rows)


def _taps(name: str) -> tuple[np.ndarray, np.ndarray]:
    return filters(name).rec_lo, filters(name).rec_hi


def _noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@settings(max_examples=60, deadline=None)
@given(n=circles, name=st.sampled_from(NAMES), level=st.integers(0, 6), seed=st.integers(0, 2**16))
def test_dense_level(n: int, name: str, level: int, seed: int) -> None:
    a, (lo, hi) = _noise(n, seed), _taps(name)
    low, high, back = np.empty(n), np.empty(n), np.empty(n)
    stationary.analyse(a, lo, hi, 1 << level, low, high)
    expected = stationary.reference_analyse(a, lo, hi, 1 << level)
    assert np.abs(low - expected[0]).max() < 1e-12
    assert np.abs(high - expected[1]).max() < 1e-12
    stationary.synthesise(low, high, lo, hi, 1 << level, back)
    assert np.abs(back - stationary.reference_synthesise(*expected, lo, hi, 1 << level)).max() < 1e-12
    assert np.abs(back - a).max() < 1e-10


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 40), name=st.sampled_from(NAMES), seed=st.integers(0, 2**16))
def test_decimated_level(rows: int, name: str, seed: int) -> None:
    a, (lo, hi) = _noise(2 * rows * stationary.COLUMNS, seed), _taps(name)
    low, high, back, room = np.empty(a.size // 2), np.empty(a.size // 2), np.empty(a.size), np.empty(a.size)
    stationary.halve(a, lo, hi, room, low, high)
    expected = stationary.reference_halve(a, lo, hi)
    assert np.abs(low - expected[0]).max() < 1e-12
    assert np.abs(high - expected[1]).max() < 1e-12
    stationary.double(low, high, lo, hi, room, back)
    assert np.abs(back - stationary.reference_double(*expected, lo, hi)).max() < 1e-12
    assert np.abs(back - a).max() < 1e-10


@pytest.mark.parametrize("name", NAMES)
def test_energy_is_that_of_the_signal(name: str) -> None:
    a, (lo, hi) = _noise(64, 1), _taps(name)
    low, high = stationary.reference_analyse(a, lo, hi, 4)
    assert np.dot(low, low) + np.dot(high, high) == pytest.approx(2.0 * np.dot(a, a))  # both shifts
    low, high = stationary.reference_halve(a, lo, hi)
    assert np.dot(low, low) + np.dot(high, high) == pytest.approx(np.dot(a, a))


@settings(max_examples=30, deadline=None)
@given(n=circles, name=st.sampled_from(NAMES), shift=st.integers(0, 400), gap=st.sampled_from((1, 4, 32)))
def test_shift_of_the_input_shifts_the_details(n: int, name: str, shift: int, gap: int) -> None:
    a, (lo, hi) = _noise(n, 3), _taps(name)
    pairs = [(np.empty(n), np.empty(n)) for _ in range(2)]
    stationary.analyse(a, lo, hi, gap, *pairs[0])
    stationary.analyse(np.roll(a, shift), lo, hi, gap, *pairs[1])
    for before, after in zip(*pairs, strict=True):
        assert np.abs(np.roll(before, shift) - after).max() < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_details_are_those_of_pywavelets(name: str) -> None:
    """Only the place of a detail on the circle is a convention: ours lies nearer to its samples."""
    a, (lo, hi) = _noise(64, 5), _taps(name)
    low, high = np.empty(64), np.empty(64)
    stationary.analyse(a, lo, hi, 1, low, high)
    expected_low, expected_high = pywt.swt(a, name, 1)[0]
    moved = [int(np.argmin([np.abs(np.roll(low, s) - expected_low).max() for s in range(64)]))]
    assert np.abs(np.roll(low, moved[0]) - expected_low).max() < 1e-10
    assert np.abs(np.roll(high, moved[0]) - expected_high).max() < 1e-10
