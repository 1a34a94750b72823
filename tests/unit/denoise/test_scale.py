"""Scales and sessions: cuts are causal where they must be, and an uncorrected sample comes back bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.denoise import scale

SECOND = 1_000_000_000


def times(intervals: list[int]) -> np.ndarray:
    """Times in ns from intervals in seconds."""
    return np.concatenate([[0], np.cumsum(np.array(intervals, dtype=np.int64))]) * SECOND


@settings(max_examples=80, deadline=None)
@given(
    intervals=st.lists(st.sampled_from([1, 60, 60, 60, 300, 600, 3600, 86400]), min_size=3, max_size=150),
    data=st.data(),
)
def test_causal_cuts_of_a_prefix_are_the_prefix_of_the_cuts(intervals: list[int], data: st.DataObject) -> None:
    t = times(intervals)
    m = data.draw(st.integers(3, t.size))
    whole, part = scale.cuts(t, t.size, causal=True), scale.cuts(t[:m], m, causal=True)
    assert part.tolist() == [*[c for c in whole.tolist() if c < m], m]


def test_a_causal_cut_does_not_know_that_bars_grow_longer() -> None:
    t = times([60] * 49 + [300] + [60] * 50 + [600] * 200)
    assert 50 in scale.cuts(t, t.size, causal=True)
    assert 50 not in scale.cuts(t, t.size, causal=False)  # hindsight: five minutes are less than three medians of ten


@pytest.mark.parametrize("causal", [True, False])
def test_more_than_three_medians_is_a_gap(causal: bool) -> None:
    assert scale.cuts(times([60] * 30 + [181] + [60] * 30), 62, causal=causal).tolist() == [0, 31, 62]
    assert scale.cuts(times([60] * 30 + [180] + [60] * 30), 62, causal=causal).tolist() == [0, 62]


@pytest.mark.parametrize("name", ["price", "log", "return"])
def test_no_correction_is_no_change(name: str) -> None:
    values = 100.0 + np.random.default_rng(0).normal(size=90)
    work = scale.working(values, np.array([0, 40, 50, 90]), name)
    assert (work.sessions, work.skipped) == (3, 1)
    assert (work.restore(work.y) == values).all()


def test_correction_lands_on_its_session() -> None:
    values = np.full(80, 10.0)
    work = scale.working(values, np.array([0, 40, 80]), "log")
    corrected = work.y.copy()
    corrected[40:] += np.log(2.0)
    restored = work.restore(corrected)
    assert restored[:40].tolist() == [10.0] * 40
    assert restored[40:] == pytest.approx(np.full(40, 20.0))


def test_auto_takes_logs_only_of_what_grows_with_its_level() -> None:
    walk = np.cumsum(np.random.default_rng(0).normal(size=2000))
    prices = 100.0 * np.exp(0.03 * walk)
    assert prices.max() > 2.0 * prices.min()
    assert scale.choose(prices, "auto", causal=False) == "log"
    near_zero = walk - walk.min() + 0.5  # steps of one size at any level
    assert scale.choose(near_zero, "auto", causal=False) == "price"
    assert scale.choose(prices, "auto", causal=True) == "price"
