"""The quick look at a posted book lets nothing pass in which the validator finds a fault."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.book.validity import Limits, Watch, judge
from rpsd.core.book import Rule, Tape
from rpsd.core.errors import BadBook
from rpsd.services.book.posted import is_plain, judged

TICK = 0.1
ODD = (float("nan"), float("inf"), -1.0, 0.0, 100.05, 1e308, 5e-324)


def tape(bids: list[list[float]], asks: list[list[float]], n: int = 1) -> Tape:
    levels = max(len(bids), len(asks), 1)
    cubes = []
    for side in (bids, asks):
        cube = np.zeros((n, levels, 2))
        cube[:, : len(side)] = np.reshape(side, (-1, 2))
        cubes.append(cube)
    t = 1_700_000_000_000_000_000 + np.arange(n, dtype=np.int64)
    return Tape.of_books(t, *cubes, np.array([[len(bids), len(asks)]] * n))


def good() -> tuple[list[list[float]], list[list[float]]]:
    return [[round(99.9 - k / 10, 1), 1.0 + k] for k in range(4)], [[round(100.1 + k / 10, 1), 2.0 + k] for k in range(4)]


@given(side=st.integers(0, 1), level=st.integers(0, 3), cell=st.integers(0, 1), value=st.sampled_from(ODD) | st.floats(99.0, 101.0))
@settings(max_examples=300, deadline=None)
def test_what_is_plain_the_validator_accepts_as_it_is(side: int, level: int, cell: int, value: float) -> None:
    book = good()
    book[side][level][cell] = value
    given_tape = tape(*book)
    if is_plain(given_tape, TICK):
        told = judge(given_tape, Limits(TICK), Watch.fresh())
        assert told.codes.tolist() == [Rule.ACCEPTED]
        assert told.repaired == 0


def test_a_sound_book_is_plain_on_fine_and_coarse_grids() -> None:
    assert is_plain(tape(*good()), TICK)
    fine = tape([[60_123.4567, 1.0]], [[60_123.4568, 1.0]])
    assert is_plain(fine, 0.0001)
    assert not is_plain(fine, TICK)


@pytest.mark.parametrize("bids", [[], [[99.9, 1.0], [99.9, 1.0]], [[100.1, 1.0]], [[100.2, 1.0]]])
def test_what_lacks_a_side_or_its_order_is_not(bids: list[list[float]]) -> None:
    assert not is_plain(tape(bids, good()[1]), TICK)


@pytest.mark.parametrize("farther", [[-1.0, 1.0], [0.0, 1.0], [float("-inf"), 1.0]])
def test_a_price_that_is_none_below_a_sound_one_is_not(farther: list[float]) -> None:
    assert not is_plain(tape([[99.9, 1.0], farther], good()[1]), TICK)


def test_a_quote_is_no_book() -> None:
    assert not is_plain(Tape.of_quotes(np.array([1_700_000_000_000_000_000]), np.array([[99.9, 1.0, 100.1, 1.0]])), TICK)


def test_duplicates_are_passed_over_and_empty_levels_dropped() -> None:
    bids, asks = good()
    bids[1][1] = 0.0
    found = judged(tape(bids, asks, n=2), TICK)
    assert found.n == 2
    assert found.counts.tolist() == [[3, 4], [3, 4]]
    same = tape(bids, asks, n=1)
    twice = same.taken(np.array([True]))
    assert judged(twice, TICK).n == 1


def test_each_bad_book_is_named_by_its_place_and_rule() -> None:
    bids, asks = good()
    sound, crossed = tape(bids, asks), tape([[100.2, 1.0]], asks)
    t = np.array([1, 2], np.int64) + sound.t[0]
    wide = np.zeros((1, 4, 2))
    wide[:, :1] = crossed.bids[:, :1]
    both = Tape.of_books(
        t, np.concatenate([sound.bids, wide]), np.concatenate([sound.asks, crossed.asks]), np.array([[4, 4], [1, 4]], np.int64)
    )
    with pytest.raises(BadBook) as caught:
        judged(both, TICK)
    assert [(fault.pointer, fault.reason.partition(":")[0]) for fault in caught.value.errors] == [("/snapshots/1", "crossed")]


@pytest.mark.parametrize("prices", [(1e307, 2e307), (1e-300, 1e300), (5e-324, 1e-323), (0.04, 100.0), (1e15, 2e15), (1e25, 2e25)])
def test_prices_that_no_number_of_ticks_can_be_are_refused(prices: tuple[float, float]) -> None:
    bid, ask = prices
    given_tape = tape([[bid, 1.0]], [[ask, 1.0]])
    assert not is_plain(given_tape, TICK)
    with pytest.raises(BadBook, match="tick"):
        judged(given_tape, TICK)
