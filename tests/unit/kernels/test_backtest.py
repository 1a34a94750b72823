"""The replay of a strategy equals its readable form, fill for fill."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.book.backtest import directions
from rpsd.kernels import backtest
from tests.unit.book.walking import drawn, guesses


def _inputs(n: int, seed: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    tape, tops = drawn(n, seed)
    is_open = ((tops[:, 1] > 0) & (tops[:, 3] > 0)).astype(np.uint8)
    known = np.maximum.accumulate(np.where(is_open, np.arange(n), 0))
    elapsed = (np.maximum.accumulate(tape.t) - tape.t[0]).astype(np.float64)
    book = elapsed, tops[known].copy(), is_open, tape.bids.copy(), tape.asks.copy()
    return book, (tape.kind.copy(), tape.row.copy(), tape.trades.copy(), directions(guesses(n, seed), 0.6))


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(2, 250), seed=st.integers(0, 2**16), maker=st.booleans(), credit=st.booleans(),
    latency=st.sampled_from([0.0, 3e7, 4e8]), hold=st.sampled_from([5e7, 1e9]), size=st.sampled_from([0.7, 6.0, 40.0]),
)  # fmt: skip
def test_the_kernel_equals_its_readable_form(
    n: int, seed: int, maker: bool, credit: bool, latency: float, hold: float, size: float
) -> None:
    (elapsed, touch, is_open, bids, asks), (kind, row, trades, direction) = _inputs(n, seed)
    plan = np.array([float(maker), latency, hold, size, float(credit)])
    told = backtest.Reference(elapsed, touch, is_open, bids, asks, plan).run(kind, row, trades, direction)
    fills, tally = np.empty((2 * n + 2, 10)), np.zeros(4, np.int64)
    count = backtest.simulate(elapsed, kind, row, touch, is_open, bids, asks, trades, direction, plan, fills, tally)
    assert count == len(told.fills)
    assert np.array_equal(fills[:count], np.array(told.fills).reshape(-1, 10))
    assert tally.tolist() == told.tally


@pytest.mark.parametrize("maker", [0.0, 1.0])
def test_the_tapes_of_this_file_make_fills_of_every_sort(maker: float) -> None:
    """Without it the equality above could hold of nothing."""
    made, tallies = [], []
    for seed in range(12):
        (elapsed, touch, is_open, bids, asks), (kind, row, trades, direction) = _inputs(250, seed)
        told = backtest.Reference(elapsed, touch, is_open, bids, asks, (maker, 3e7, 1e9, 6.0, 0.0)).run(kind, row, trades, direction)
        made += [fill[backtest.MADE] for fill in told.fills]
        tallies.append(told.tally)
    sent, refused, cancelled, _ = np.sum(tallies, axis=0)
    assert sent > 50 and refused > 0
    assert 0.0 in made
    assert (1.0 in made) == (cancelled > 0) == bool(maker)
