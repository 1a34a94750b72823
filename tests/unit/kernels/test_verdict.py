"""The verdict on records: the kernel equals its readable rules on any book and any times, and never stumbles over a degenerate one."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.book.validity import Limits, Watch, judge
from rpsd.core.book import MOST_LEVELS, NO_SEQUENCE, Rule, Tape
from rpsd.core.market import SECOND_NS
from rpsd.kernels import verdict

prices = st.one_of(st.integers(1, 8).map(float), st.sampled_from([0.0, -1.0, math.nan, math.inf]))
sizes = st.one_of(st.integers(0, 3).map(float), st.sampled_from([-1.0, math.nan, -math.inf]))
sides = st.lists(st.tuples(prices, sizes), max_size=4)
sorted_sides = st.sets(st.integers(1, 8), max_size=4).map(lambda found: [(float(price), 1.0) for price in sorted(found)])


def one(bids: list[tuple[float, float]], asks: list[tuple[float, float]], room: int = 4) -> Tape:
    cubes = np.zeros((2, 1, room, 2))
    for side, levels in enumerate((bids, asks)):
        cubes[side, 0, : len(levels)] = np.array(levels).reshape(-1, 2)
    return Tape.of_books(np.array([SECOND_NS]), cubes[0], cubes[1], np.array([[len(bids), len(asks)]]))


@settings(max_examples=400, deadline=None)
@given(bids=st.one_of(sides, sorted_sides.map(lambda side: side[::-1])), asks=st.one_of(sides, sorted_sides))
def test_a_book_by_itself(bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> None:
    expected = verdict.reference_rule(np.array(bids).reshape(-1, 2), np.array(asks).reshape(-1, 2))
    result = judge(one(bids, asks), Limits(1.0), Watch.fresh())
    assert Rule(int(result.codes[0])) is expected
    if expected is Rule.ACCEPTED:
        zero = any(size == 0.0 for _, size in (*bids, *asks))
        assert result.repaired == zero
        kept = result.tape.bids[0, : result.tape.counts[0, 0]].tolist()
        assert kept == [[price, size] for price, size in bids if size]


@settings(max_examples=300, deadline=None)
@given(
    seen=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(-1, 5)), min_size=1, max_size=6),
    staleness=st.integers(1, 4),
)
def test_times_of_quotes(seen: list[tuple[int, int, int]], staleness: int) -> None:
    """Against the rules applied one by one; each quote is another, so that none is a copy."""
    t, delay, sequence = (
        np.array(column) * factor for column, factor in zip(zip(*seen, strict=True), (SECOND_NS, SECOND_NS, 1), strict=True)
    )
    t = t + SECOND_NS
    quotes = np.array([[1.0, k + 1.0, 2.0, 1.0] for k in range(len(seen))])
    tape = Tape.of_quotes(t, quotes, t + delay, np.where(sequence < 0, NO_SEQUENCE, sequence))
    codes = judge(tape, Limits(1.0, staleness * SECOND_NS), Watch.fresh()).codes
    last_t, last_sequence, usual, step = -(2**63), NO_SEQUENCE, math.nan, staleness * SECOND_NS / 128
    for k, code in enumerate(codes.tolist()):
        latency = float(tape.received[k] - tape.t[k])
        expected = verdict.reference_order(int(t[k]), last_t, int(tape.sequence[k]), last_sequence, latency, usual, staleness * SECOND_NS)
        assert Rule(code) is expected
        if expected is Rule.ACCEPTED:
            last_t, last_sequence = int(t[k]), max(last_sequence, int(tape.sequence[k]))
            usual = latency if math.isnan(usual) else usual + step * float(np.sign(latency - usual))


@settings(max_examples=100, deadline=None)
@given(levels=st.integers(1, MOST_LEVELS), counts=st.tuples(st.integers(-2, 60), st.integers(-2, 60)), most=st.integers(1, MOST_LEVELS))
def test_any_number_of_levels(levels: int, counts: tuple[int, int], most: int) -> None:
    """One-sided, empty and mixed depth, and counts that promise more than there is."""
    places = np.arange(levels)
    bids = np.stack([1000.0 - places, np.ones(levels)], axis=1)[None]
    asks = np.stack([1001.0 + places, np.ones(levels)], axis=1)[None]
    result = judge(Tape.of_books(np.array([1]), bids, asks, np.array([counts])), Limits(1.0, levels=most), Watch.fresh())
    given = [min(max(count, 0), levels) for count in counts]
    assert Rule(int(result.codes[0])) is (Rule.ACCEPTED if any(given) else Rule.EMPTY)
    assert result.repaired == (max(given) > most)
    if result.repaired:
        assert result.tape.counts[0].tolist() == [min(count, most) for count in given]
    assert result.watch.state[verdict.SIDES] == (given[0] > 0) + 2 * (given[1] > 0)


def test_a_wrong_kind_of_level_is_no_reason_to_stop() -> None:
    nan = judge(one([(math.nan, math.nan)] * 4, []), Limits(), Watch.fresh())
    assert (Rule(int(nan.codes[0])), nan.tick) == (Rule.NOT_FINITE, None)
    huge = judge(one([(1e300, 1.0), (1.0, 1e300)], [(1.5e300, 1e-300)]), Limits(), Watch.fresh())
    assert huge.codes.tolist() == [Rule.OFF_TICK]
    assert huge.tick is None  # what is refused says nothing of the tick
