"""The validator: every rule on a record made for it, nothing on the clean captures, and the same verdicts in any pieces."""

import numpy as np
import pytest

from rpsd import samples
from rpsd.book.validity import Judged, Limits, Run, Watch, judge
from rpsd.core.book import Event, Phase, Rule, Tape, fused
from rpsd.core.market import SECOND_NS
from tests import captures

MS = 1_000_000
LIMITS = Limits(0.1)


def books(n: int, *, t: int = SECOND_NS, sequence: bool = False) -> Tape:
    """n books of three levels, a millisecond apart, each other than the one before."""
    bids, asks = np.zeros((n, 3, 2)), np.zeros((n, 3, 2))
    for k in range(3):
        bids[:, k], asks[:, k] = [99.9 - 0.1 * k, 1.0], [100.0 + 0.1 * k, 2.0]
    bids[:, 0, 1] += np.arange(n)
    times = t + MS * np.arange(n)
    return Tape.of_books(times, bids, asks, np.full((n, 2), 3), times + MS, np.arange(n) + 7 if sequence else None)


def judged(tape: Tape, limits: Limits = LIMITS) -> Judged:
    return judge(tape, limits, Watch.fresh())


def changed(tape: Tape, **columns: np.ndarray) -> Tape:
    """The tape with other columns."""
    names = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")
    return Tape(*(columns.get(name, getattr(tape, name)) for name in names))


def with_bid(tape: Tape, row: int, level: int, value: list[float]) -> Tape:
    bids = tape.bids.copy()
    bids[row, level] = value
    return changed(tape, bids=bids)


@pytest.mark.parametrize(
    ("level", "value", "rule"),
    [
        (0, [np.nan, 1.0], Rule.NOT_FINITE),
        (1, [99.8, np.inf], Rule.NOT_FINITE),
        (2, [0.0, 1.0], Rule.ZERO_PRICE),
        (2, [-1.0, 1.0], Rule.ZERO_PRICE),
        (0, [99.9, -1.0], Rule.NEGATIVE_SIZE),
        (1, [99.9, 1.0], Rule.UNSORTED),
        (0, [99.75, 1.0], Rule.UNSORTED),
        (0, [100.2, 1.0], Rule.CROSSED),
        (0, [100.0, 1.0], Rule.LOCKED),
        (0, [99.95, 1.0], Rule.OFF_TICK),
    ],
)
def test_a_level(level: int, value: list[float], rule: Rule) -> None:
    codes = judged(with_bid(books(5), 3, level, value)).codes
    assert [Rule(code) for code in codes] == [Rule.ACCEPTED] * 3 + [rule, Rule.ACCEPTED]


def test_a_time_that_is_none() -> None:
    tape = books(3)
    t = tape.t.copy()
    t[1] = np.datetime64("NaT").astype(np.int64)
    assert judged(changed(tape, t=t)).counts == {Rule.NOT_FINITE: 1}


def test_an_empty_book_is_kept_and_trades_nothing() -> None:
    tape = books(3)
    result = judged(changed(tape, counts=np.array([[3, 3], [3, 3], [0, 0]])))
    assert result.counts == {Rule.EMPTY: 1}
    assert result.kept.n == 3
    assert result.watch.phase is Phase.SYNCING


@pytest.mark.parametrize("name", ["btcusdt", "btcusd_perp"])
@pytest.mark.parametrize("tick", [None, 0.1])
def test_clean_captures_have_no_fault(name: str, tick: float | None) -> None:
    tapes = samples.book_tapes() if name == "btcusdt" else captures.perp_tapes()
    for tape in (*tapes[:2], fused(list(tapes))):
        result = judged(tape, Limits(tick))
        assert result.counts == {}
        assert result.repaired == 0
        assert result.tick == 0.1
        assert result.runs == (Run(0, tape.n, 0.1, True),)
        assert result.watch.phase is Phase.VALID
        assert result.kept is tape
        assert result.negative_latency == (tape.kind != Event.TRADE).sum()  # the recorder's clock is 1.26 s behind


def test_any_pieces_give_the_same() -> None:
    tape = samples.book_tape().taken(np.arange(samples.book_tape().n) < 3000)
    whole, watch, codes = judged(tape, Limits()), Watch.fresh(), []
    for start, stop in ((0, 1), (1, 700), (700, 701), (701, 3000)):
        piece = tape.taken((np.arange(tape.n) >= start) & (np.arange(tape.n) < stop))
        part = judge(piece, Limits(), Watch.unpack(watch.pack()))
        watch = part.watch
        codes.append(part.codes)
    assert np.array_equal(np.concatenate(codes), whole.codes)
    assert watch.pack() == whole.watch.pack()
    assert len(watch.pack()) <= 320


def test_levels_without_a_size_are_dropped() -> None:
    result = judged(with_bid(books(3), 1, 0, [100.5, 0.0]))
    assert result.counts == {}
    assert result.repaired == 1
    assert result.tape.counts[1].tolist() == [2, 3]
    assert result.tape.bids[1].tolist() == [[99.80000000000001, 1.0], [99.7, 1.0], [0.0, 0.0]]


def test_levels_beyond_the_limit_are_cut() -> None:
    result = judged(books(4), Limits(0.1, levels=2))
    assert result.repaired == 4
    assert result.tape.levels == 2
    assert result.tape.counts.tolist() == [[2, 2]] * 4


def test_a_quote_with_one_side() -> None:
    quotes = np.array([[99.0, 1.0, 100.0, 1.0], [0.0, 0.0, 100.0, 1.0], [99.0, 1.0, 100.0, 0.0], [0.0, 1.0, 100.0, 1.0]])
    result = judged(Tape.of_quotes(SECOND_NS + np.arange(4), quotes), Limits(1.0))
    assert [Rule(code) for code in result.codes] == [Rule.ACCEPTED] * 3 + [Rule.ZERO_PRICE]
    assert result.repaired == 1
    assert result.tape.quotes[2].tolist() == [99.0, 1.0, 0.0, 0.0]
    assert result.watch.phase is Phase.SYNCING


def test_prints_are_judged_by_their_numbers_alone() -> None:
    trades = np.array([[100.05, 1.0, 1.0], [100.05, 1.0, 1.0], [np.nan, 1.0, 1.0], [100.0, -1.0, 1.0], [0.0, 1.0, -1.0]])
    result = judged(Tape.of_trades(np.full(5, SECOND_NS), trades))
    assert [Rule(code).word for code in result.codes] == ["accepted", "accepted", "not_finite", "negative_size", "zero_price"]
    numbered = judged(Tape.of_trades(np.full(2, SECOND_NS), trades[:2], None, np.array([5, 5])))
    assert numbered.counts == {Rule.DUPLICATE: 1}
    assert Event.TRADE == 2


@pytest.mark.parametrize("sequence", [False, True])
def test_a_record_told_twice(sequence: bool) -> None:
    tape = books(20, sequence=sequence)
    again = fused([tape])
    order = np.concatenate([np.arange(20), [19, 12]])
    bids, asks, counts = (getattr(tape, name)[order] for name in ("bids", "asks", "counts"))
    again = Tape.of_books(tape.t[order], bids, asks, counts, tape.received[order], tape.sequence[order])
    assert [Rule(code) for code in judged(again).codes[20:]] == [Rule.DUPLICATE] * 2


def test_order_of_time() -> None:
    tape = books(6)
    t = tape.t.copy()
    t[3] = t[1] + 1
    assert judged(changed(tape, t=t)).counts == {Rule.OUT_OF_ORDER: 1}


def with_times(tape: Tape, t: np.ndarray, received: np.ndarray) -> Tape:
    return changed(tape, t=t.astype(np.int64), received=received.astype(np.int64))


def test_a_clock_that_was_set_is_believed_after_64_records() -> None:
    tape = books(200)
    received = tape.received + np.where(np.arange(200) >= 50, 3600 * SECOND_NS, 0)
    codes = judged(with_times(tape, tape.t, received)).codes
    assert np.flatnonzero(codes == Rule.STALE).tolist() == list(range(50, 113))
    assert (codes[113:] == Rule.ACCEPTED).all()


def test_records_without_a_reception_are_held_against_now_for_jumps_alone() -> None:
    tape = books(3)
    t, received = tape.t.copy(), np.zeros(3, np.int64)
    t[2] += 60 * SECOND_NS
    now = SECOND_NS + 5 * MS
    assert judge(with_times(tape, t, received), LIMITS, Watch.fresh(), now_ns=now).counts == {Rule.CLOCK_JUMP: 1}
    assert judge(with_times(tape, t, received), LIMITS, Watch.fresh()).counts == {}
    assert judge(with_times(tape, t, received), LIMITS, Watch.fresh(), now_ns=now + 86_400 * SECOND_NS).counts == {}


def test_a_market_that_became_wide_is_believed_after_64_records() -> None:
    tape = books(200)
    asks = tape.asks.copy()
    asks[50:, :, 0] += 50.0
    codes = judged(changed(tape, asks=asks)).codes
    assert np.flatnonzero(codes).tolist() == list(range(50, 113))
    assert set(codes[50:113].tolist()) == {Rule.WIDE_SPREAD}


def of_prices(best: np.ndarray, step: float) -> Tape:
    """Books of five levels with this best bid (n,) and levels `step` apart, the ask one step above."""
    places = step * np.arange(5)
    bids, asks = np.ones((best.size, 5, 2)), np.ones((best.size, 5, 2))
    bids[:, :, 0], asks[:, :, 0] = np.round(best[:, None] - places, 9), np.round(best[:, None] + step + places, 9)
    return Tape.of_books(SECOND_NS + MS * np.arange(best.size), bids, asks, np.full((best.size, 2), 5))


@pytest.mark.parametrize("step", [1e-8, 0.0005, 0.01, 0.05, 0.25, 1.0, 5.0])
def test_the_tick_is_inferred(step: float) -> None:
    tape = of_prices(step * np.random.default_rng(2).integers(1000, 2000, 60), step)
    result = judged(tape, Limits())
    assert result.counts == {}
    assert result.tick == step
    assert result.runs == (Run(0, 60, step, True),)


def test_a_finer_tick_is_adopted_after_64_records_and_begins_a_new_run() -> None:
    rng = np.random.default_rng(3)
    coarse, fine = of_prices(0.1 * rng.integers(1000, 2000, 100), 0.1), of_prices(0.1 * rng.integers(1000, 2000, 100) + 0.03, 0.05)
    before = judged(coarse, Limits())
    result = judge(changed(fine, t=fine.t + SECOND_NS), Limits(), before.watch)
    assert result.counts == {Rule.OFF_TICK: 63}
    assert result.tick == 0.01
    assert result.runs == (Run(0, 37, 0.01, True),)
    assert judge(changed(fine, t=fine.t + SECOND_NS), Limits(0.1), before.watch).counts == {Rule.OFF_TICK: 100}


def test_single_prices_off_the_tick_change_nothing() -> None:
    tape = of_prices(0.1 * np.random.default_rng(4).integers(1000, 2000, 900), 0.1)
    asks = tape.asks.copy()
    asks[100::10, 4, 0] += 0.05  # always by as much, but most are on the tick
    result = judged(changed(tape, asks=asks), Limits())
    assert result.counts == {Rule.OFF_TICK: 80}
    assert result.ticks.tolist() == [0.1] * 900


def test_crossed_three_times_in_a_row_is_an_auction_and_ends_the_flow() -> None:
    tape = books(10)
    bids = tape.bids.copy()
    bids[4:7, 0, 0] = 100.0
    whole = changed(tape, bids=bids)
    upto = judged(whole.taken(np.arange(10) < 7))
    assert upto.counts == {Rule.LOCKED: 3}
    assert upto.watch.phase is Phase.AUCTION
    assert judged(whole.taken(np.arange(10) < 6)).watch.phase is Phase.VALID
    result = judged(whole)
    assert result.watch.phase is Phase.VALID
    assert result.runs == (Run(0, 4, 0.1, True), Run(4, 7, 0.1, False))


def test_phases_without_books() -> None:
    assert Watch.fresh().phase is Phase.EMPTY
    assert judged(Tape.of_trades(np.array([1]), np.array([[1.0, 1.0, 1.0]]))).watch.phase is Phase.EMPTY
    nothing = judged(books(0))
    assert (nothing.kept.n, nothing.runs, nothing.counts) == (0, (), {})
