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
