"""Features beside the 27: integrated order flow, micro-price, range volatilities, and the regression of price on order flow."""

import dataclasses
from itertools import pairwise, product

import numpy as np
import pytest

from rpsd.book import impact, integrated, microprice, ranges
from rpsd.book.features import FEATURES, FURTHER, BookMemory, mirrored, run
from rpsd.core.book import Tape
from rpsd.core.errors import TooShort
from rpsd.core.market import SECOND_NS
from rpsd.samples import book_tape
from tests.golden.book import papers
from tests.unit.book.tapes import BASE_NS, TICK, tape_of


def quotes(seed: int, n: int = 400) -> np.ndarray:
    """Quotes (n, 4) that move with the imbalance, spreads of 1 to 4 ticks."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, (n, 2)).astype(float)
    lean = (sizes[:, 0] - sizes[:, 1]) / sizes.sum(axis=1)
    bid = 1000 + np.cumsum(np.concatenate([[0], rng.choice([0, 0, 1], n - 1) * np.sign(lean[:-1] + rng.normal(0.0, 0.4, n - 1))]))
    return np.column_stack([bid * TICK, sizes[:, 0], (bid + rng.integers(1, 5, n)) * TICK, sizes[:, 1]])


def test_integrated_flow_finds_the_common_movement() -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((2000, len(FEATURES)))
    weights = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    places = [[feature.name for feature in FEATURES].index(name) for name in integrated.COLUMNS]
    rows[:, places] = rng.normal(size=(2000, 1)) * weights + 0.01 * rng.normal(size=(2000, 5))
    found = integrated.fit(rows)
    assert np.allclose(found, weights / weights.sum(), atol=1e-3)
    assert np.array_equal(integrated.integrated(-rows, found), -integrated.integrated(rows, found))
    assert np.array_equal(integrated.fit(-rows), found)


def test_integrated_flow_without_flow_is_that_of_the_best_level() -> None:
    assert integrated.fit(np.zeros((100, len(FEATURES)))).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    with pytest.raises(TooShort, match="99 rows"):
        integrated.fit(np.zeros((99, len(FEATURES))))


@pytest.mark.parametrize("seed", [0, 1])
def test_micro_price_is_that_of_the_paper(seed: int) -> None:
    """Transitions counted one by one in words, solved by the paper's own recursion in other code."""
    tops, buckets, spreads = quotes(seed), 2, 2
    names = [(side, row, s) for side in (1, -1) for row in range(buckets) for s in range(spreads)]
    stay, land = (np.zeros((len(names), len(names))) for _ in range(2))
    jump: list[dict[float, float]] = [{} for _ in names]
    steps = np.ones(len(names))
    for turn, even in product((1, -1), repeat=2):
        for before, after in pairwise(tops):
            states = []
            for bid, bid_size, ask, ask_size in (before, after):
                lean = (bid_size - ask_size) / (bid_size + ask_size)
                row = min(int(abs(lean) * buckets), buckets - 1)
                states.append(names.index((turn * int(np.sign(lean) or even), row, min(round((ask - bid) / TICK), spreads) - 1)))
            half_ticks = round((after[0] + after[2] - before[0] - before[2]) / TICK)
            steps[states[0]] += 0.5
            (land if half_ticks else stay)[states[0], states[1]] += 0.5
            if half_ticks:
                move = turn * max(min(half_ticks / 2, 4.0), -4.0)
                jump[states[0]][move] = jump[states[0]].get(move, 0.0) + 0.5
    jumps = [{move: count / n for move, count in row.items()} for row, n in zip(jump, steps, strict=True)]
    expected = papers.micro_adjustment((stay / steps[:, None]).tolist(), jumps, (land / steps[:, None]).tolist())
    found = microprice.fit(tops, TICK, buckets=buckets, spreads=spreads).table
    assert np.allclose(found.ravel(), expected[: found.size], atol=1e-9)
    assert np.allclose(found.ravel(), -np.array(expected[found.size :]), atol=1e-9)


def test_micro_price_is_odd_and_silent_without_a_side() -> None:
    fitted = microprice.fit(quotes(0), TICK)
    tops = quotes(1)
    turned = np.column_stack([2000 * TICK - tops[:, 2], tops[:, 3], 2000 * TICK - tops[:, 0], tops[:, 1]])
    assert np.array_equal(fitted.adjustment(turned, TICK), -fitted.adjustment(tops, TICK))
    assert np.allclose(microprice.fit(turned, TICK).table, microprice.fit(tops, TICK).table, rtol=0.0, atol=1e-12)
    assert np.corrcoef(fitted.adjustment(tops, TICK), (tops[:, 1] - tops[:, 3]) / (tops[:, 1] + tops[:, 3]))[0, 1] > 0.7
    assert fitted.adjustment(np.array([[0.0, 0.0, 100.0, 5.0]]), TICK).tolist() == [0.0]
    with pytest.raises(TooShort, match="micro-price needs"):
        microprice.fit(tops[:50], TICK)


def test_closed_bars_by_hand() -> None:
    t = np.array([1, 2, 5, 10, 11, 29, 41]) * SECOND_NS
    mid = np.array([np.nan, 4.0, 6.0, 5.0, 3.0, 8.0, 9.0])
    ends, bars = ranges.closed_bars(t, mid, 10 * SECOND_NS)
    assert (ends // SECOND_NS).tolist() == [10, 20, 30, 40]
    assert bars.tolist() == [[4.0, 6.0, 4.0, 5.0], [5.0, 5.0, 3.0, 3.0], [3.0, 8.0, 3.0, 8.0], [8.0, 8.0, 8.0, 8.0]]
    assert ranges.closed_bars(t[:0], mid[:0], SECOND_NS)[0].size == 0


def test_bars_that_are_over_do_not_change() -> None:
    rng = np.random.default_rng(2)
    t, mid = np.cumsum(rng.integers(0, SECOND_NS, 300)), 100.0 + np.cumsum(rng.normal(size=300))
    ends, bars = ranges.closed_bars(t, mid, 3 * SECOND_NS)
    for cut in range(1, 300, 7):
        few, part = ranges.closed_bars(t[:cut], mid[:cut], 3 * SECOND_NS)
        assert np.array_equal(few, ends[: few.size])
        assert np.array_equal(part, bars[: few.size])
        assert not few.size or few[-1] < t[cut - 1]


@pytest.mark.parametrize("name", list(ranges.ESTIMATORS))
def test_volatility_of_a_random_walk_is_found(name: str) -> None:
    rng = np.random.default_rng(3)
    walk = np.exp(np.cumsum(rng.normal(0.0, 1e-3, (2000, 400)).ravel())).reshape(2000, 400)
    opened = np.concatenate([[1.0], walk[:-1, -1]])
    bars = np.column_stack([opened, np.maximum(walk.max(axis=1), opened), np.minimum(walk.min(axis=1), opened), walk[:, -1]])
    found = ranges.rolling(bars, name, 1000)
    assert found.size == 1000
    assert found[-1] == pytest.approx(1e-3 * np.sqrt(400), rel=0.08)
    assert np.array_equal(ranges.rolling(bars[:1500], name, 1000), found[:500])
    assert np.allclose(ranges.rolling(1.0 / bars[:, [0, 2, 1, 3]], name, 1000), found, rtol=1e-9)  # even
    with pytest.raises(TooShort, match="closed bars"):
        ranges.rolling(bars[:5], name, 5)


def test_volatilities_of_one_window_by_hand() -> None:
    x = np.array([[0.0, 0.3, -0.1, 0.2, -0.1], [0.2, 0.2, -0.2, 0.0, 0.2]])  # open, high, low, close, close before
    assert ranges.close_to_close(x) == pytest.approx(np.std([0.3, -0.2], ddof=1))
    assert ranges.parkinson(x) == pytest.approx(0.4 / np.sqrt(4.0 * np.log(2.0)))
    assert ranges.garman_klass(x) == pytest.approx(np.sqrt(0.08 - (2.0 * np.log(2.0) - 1.0) * 0.04))
    assert ranges.rogers_satchell(x) == pytest.approx(np.sqrt((0.1 * 0.3 + 0.3 * 0.1 + 0.2 * 0.0 + 0.2 * 0.4) / 2))
    k = 0.34 / (1.34 + 3.0)
    assert ranges.yang_zhang(x) == pytest.approx(np.sqrt(0.005 + k * 0.08 + (1.0 - k) * ranges.rogers_satchell(x) ** 2))


def follower(n: int = 4000, *, delay: int = 0) -> Tape:
    """Quotes of constant size whose price follows the flow: a tick up where the bid side gains, `delay` events late."""
    rng = np.random.default_rng(4)
    steps = rng.choice([-1, 0, 1], n)
    bid = 1000 + np.cumsum(np.roll(steps, delay))
    table = np.column_stack([bid * TICK, np.full(n, 2.0), (bid + 1) * TICK, np.full(n, 2.0)])
    return Tape.of_quotes(BASE_NS + np.arange(n) * (SECOND_NS // 10), table)


def test_impact_of_a_price_that_is_its_flow() -> None:
    found = impact.impact(follower(), TICK)
    assert found.windows == 39
    assert found.r2 > 0.99
    assert found.slope == pytest.approx(0.5, rel=0.02)  # a move adds the size of both sides
    assert found.r2_next < 0.2
    turned = impact.impact(mirrored(follower(), TICK), TICK)
    assert dataclasses.astuple(turned) == pytest.approx(dataclasses.astuple(found))


def test_windows_end_before_the_last_and_need_ten() -> None:
    flow, move = impact.windows(follower(1000), TICK)
    _, tops, _ = run(follower(1000), TICK, BookMemory.fresh())
    assert flow.size == move.size == 9
    assert move.sum() == pytest.approx((tops[899, 0] - tops[0, 0]) / TICK)
    with pytest.raises(TooShort, match="9 whole windows"):
        impact.impact(follower(1000), TICK)
    assert impact.windows(tape_of(np.random.default_rng(0), 1), TICK)[0].size == 0


def test_further_features_have_names_of_their_own() -> None:
    names = [feature.name for feature in (*FEATURES, *FURTHER)]
    assert len(set(names)) == len(names)
    assert set(ranges.ESTIMATORS) <= set(names)


def test_order_flow_of_the_bundled_capture_moves_its_price_but_does_not_foretell_it() -> None:
    found = impact.impact(book_tape(), TICK)
    assert found.r2 > 0.6
    assert found.r2_next < 0.1
