"""Laws of the backtest: nothing before its latency, money adds up, foresight pays, chance loses its costs, a prefix stays what it was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.book import backtest, ledger
from rpsd.core.book import Event, Fees, Tape, fused
from rpsd.core.errors import TooShort
from rpsd.core.parameters import BacktestParameters, build
from rpsd.kernels.backtest import AT, DECIDED, EVENT, MADE, MID, PRICE, QUANTITY, SIDE, TOUCH, TRIP
from tests.unit.book.walking import drawn, guesses, quoted

FREE = Fees(0.0, 0.0)
STRATEGIES = st.sampled_from(["taker", "maker"])


def _params(**given_: object) -> BacktestParameters:
    return build(BacktestParameters, given_)


def _fills(tape: Tape, tops: np.ndarray, probabilities: np.ndarray, params: BacktestParameters) -> np.ndarray:
    return backtest.fills(tape, tops, probabilities, params)


def _up(*decisions: int) -> np.ndarray:
    """Probabilities that decide up (1), down (-1) or nothing (0)."""
    d = np.array(decisions)
    return np.column_stack([np.where(d < 0, 0.9, 0.05), np.where(d == 0, 0.9, 0.05), np.where(d > 0, 0.9, 0.05)])


def test_a_taker_pays_the_other_side_as_it_is_when_the_order_arrives() -> None:
    """Decided at 0 ms, there at 10 ms: the ask of 101 that came at 8 ms, not the 100.5 that was seen. Closed at 1,025 ms on the bid."""
    tape, tops = quoted(
        (0, 100, 5, 100.5, 5), (8, 100.5, 5, 101, 5), (1015, 102, 5, 102.5, 5), (1020, 101.5, 5, 102, 5), (2000, 90, 5, 91, 5)
    )
    report = backtest.run(tape, tops, _up(1, 0, 0, 0, 0), _params(), Fees(10.0, 0.0)).head
    fees = (101 + 101.5) * 1e-3
    assert report["gross"] == pytest.approx(101.75 - 100.75)
    assert (report["spread"], report["impact"]) == (pytest.approx(0.5), 0.0)
    assert report["fees"] == pytest.approx(fees)
    assert report["net"] == pytest.approx(101.5 - 101 - fees)
    assert report["break_even_fee_bps"] == pytest.approx(0.5 / 202.5 * 1e4)
    assert report["latency_cost"] == pytest.approx((100.75 - 100.25) - (101.75 - 102.25))
    assert report["trades"] == 1


def test_a_large_order_walks_the_levels_and_what_the_book_does_not_hold_is_not_bought() -> None:
    bids = np.array([[[99.0, 2.0], [98.0, 2.0]]])
    asks = np.array([[[100.0, 2.0], [101.0, 3.0]]])
    books = Tape.of_books(np.array([0]), bids, asks, np.array([[2, 2]]))
    quotes = Tape.of_quotes(np.array([20_000_000]), np.array([[99.0, 2.0, 100.0, 2.0]]))
    tape, tops = fused([books, quotes]), np.array([[99.0, 2.0, 100.0, 2.0]] * 2)
    found = _fills(tape, tops, _up(1, 0), _params(size=10.0))
    assert found[:, QUANTITY].tolist() == [5.0, 5.0]
    assert found[0, PRICE] == pytest.approx((2 * 100 + 3 * 101) / 5)
    report = backtest.run(tape, tops, _up(1, 0), _params(size=10.0), FREE).head
    assert report["impact"] == pytest.approx(3.0 + 3.0)  # three a level beyond the best, and leaving: two, and one more at the last price
    assert report["orders"]["beyond_depth"] == 1


def _maker_tape(*prints: tuple[float, float, float, int]) -> tuple[Tape, np.ndarray]:
    """A still book of 99 x 5, 100 x 5 every 100 ms for a second, and prints (milliseconds, price, size, side)."""
    at = np.arange(11) * 100_000_000
    book = [99.0, 5.0, 100.0, 5.0]
    trades = np.array([row[1:] for row in prints], np.float64).reshape(-1, 3)
    times = np.array([row[0] * 1e6 for row in prints]).astype(np.int64)
    tape = fused([Tape.of_quotes(at, np.array([book] * 11)), Tape.of_trades(times, trades)])
    return tape, np.array([book] * tape.n)


@pytest.mark.parametrize(
    ("prints", "filled"),
    [
        ([(50, 99.0, 5.0, -1)], 0.0),  # the queue ahead is used up, no more
        ([(50, 99.0, 5.4, -1)], 0.4),
        ([(50, 99.0, 3.0, -1), (60, 99.0, 3.0, 0)], 1.0),
        ([(50, 99.0, 9.0, 1)], 0.0),  # a buyer took: not from the bids
        ([(5, 99.0, 9.0, -1)], 0.0),  # before the order was there
        ([(50, 98.5, 0.1, -1)], 1.0),  # through its price
    ],
)
def test_a_maker_is_filled_by_what_the_queue_ahead_leaves(prints: list[tuple[float, float, float, int]], filled: float) -> None:
    tape, tops = _maker_tape(*prints)
    decisions = np.zeros(tape.n, int)
    decisions[0] = 1
    found = _fills(tape, tops, _up(*decisions), _params(strategy="maker"))
    made = found[found[:, MADE] > 0]
    assert made[:, QUANTITY].sum() == pytest.approx(filled)
    assert set(made[:, PRICE]) <= {99.0}


def test_a_maker_is_filled_when_the_other_side_comes_to_its_price_and_earns_the_spread() -> None:
    tape, tops = quoted((0, 99, 5, 100, 5), (50, 98, 5, 99, 5), (100, 98, 5, 99, 5), (150, 101, 5, 102, 5))
    report = backtest.run(tape, tops, _up(1, 1, 1, 1), _params(strategy="maker"), Fees(5.0, -1.0))
    assert report.arrays["trips"][0, :4].tolist() == [1.0, 1.0, 99.0, 101.0]
    assert report.head["spread"] == pytest.approx(-0.5 + 0.5)
    assert report.head["fees"] == pytest.approx(-99e-4 + 5 * 101e-4)


def test_credited_cancellations_shorten_the_queue() -> None:
    tape, tops = quoted((0, 99, 5, 100, 5), (50, 99, 1, 100, 5), (200, 99, 1, 100, 5))
    prints = Tape.of_trades(np.array([100_000_000]), np.array([[99.0, 2.0, -1.0]]))
    tape, tops = fused([tape, prints]), np.insert(tops, 2, tops[1], axis=0)
    strict, kind = (_fills(tape, tops, _up(1, 0, 0, 0), _params(strategy="maker", credit_cancellations=c)) for c in (False, True))
    assert strict.size == 0
    assert kind[0, [PRICE, QUANTITY, MADE]].tolist() == [99.0, 1.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(20, 300), seed=st.integers(0, 2**16), strategy=STRATEGIES, latency=st.sampled_from([0.0, 35.0, 400.0]),
    size=st.sampled_from([0.7, 9.0]), taker=st.floats(0, 20), maker=st.floats(-3, 10),
)  # fmt: skip
def test_net_is_gross_less_its_costs_and_what_the_cash_says(
    n: int, seed: int, strategy: str, latency: float, size: float, taker: float, maker: float
) -> None:
    tape, tops = drawn(n, seed)
    params, fees = _params(strategy=strategy, latency_ms=latency, size=size), Fees(taker, maker)
    found = _fills(tape, tops, guesses(n, seed), params)
    report = backtest.run(tape, tops, guesses(n, seed), params, fees).head
    paid = found[:, QUANTITY] * found[:, PRICE] * np.where(found[:, MADE] > 0, maker, taker) * 1e-4
    cash = -(found[:, SIDE] * found[:, QUANTITY] * found[:, PRICE]).sum() - paid.sum()
    assert report["net"] == pytest.approx(cash, abs=1e-6)
    assert report["net"] == pytest.approx(report["gross"] - report["spread"] - report["impact"] - report["fees"], abs=1e-6)
    assert report["impact"] >= -1e-9
    assert abs((found[:, SIDE] * found[:, QUANTITY]).sum()) < 1e-6  # flat at the end
    if report["trades"]:
        fee = report["break_even_fee_bps"]
        assert backtest.run(tape, tops, guesses(n, seed), params, Fees(fee, fee)).head["net"] == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(20, 300), seed=st.integers(0, 2**16), strategy=STRATEGIES, latency=st.sampled_from([0.0, 35.0, 400.0]))
def test_no_fill_before_its_latency_and_none_at_a_price_that_was_not_there(n: int, seed: int, strategy: str, latency: float) -> None:
    tape, tops = drawn(n, seed)
    found = _fills(tape, tops, guesses(n, seed), _params(strategy=strategy, latency_ms=latency))
    clock = np.maximum.accumulate(tape.t) - tape.t[0]
    decided = backtest.directions(guesses(n, seed), 0.6)
    earliest = clock[np.flatnonzero(decided)[0]] + latency * 1e6 if decided.any() else np.inf
    last = clock[-1]
    for fill in found:
        event = int(fill[EVENT])
        assert fill[AT] >= min(earliest, last)
        assert clock[event] <= fill[AT]  # the book that it met was known
        assert fill[MADE] or event == n - 1 or fill[AT] < clock[event + 1] or fill[AT] == last  # and it was the last one
        if not fill[MADE]:
            assert fill[SIDE] * (fill[PRICE] - fill[TOUCH]) >= -1e-9
        assert np.isfinite(fill[[MID, DECIDED, PRICE]]).all()


@settings(max_examples=40, deadline=None)
@given(n=st.integers(60, 300), cut=st.floats(0.2, 0.9), seed=st.integers(0, 2**16), strategy=STRATEGIES)
def test_the_fills_of_a_prefix_are_those_of_the_whole(n: int, cut: float, seed: int, strategy: str) -> None:
    """But for the last closing, which a prefix needs to be flat."""
    tape, tops = drawn(n, seed)
    keep = np.arange(n) < int(cut * n)
    params = _params(strategy=strategy)
    whole = _fills(tape, tops, guesses(n, seed), params)
    part = _fills(tape.taken(keep), tops[keep], guesses(n, seed)[keep], params)
    now = float((np.maximum.accumulate(tape.t) - tape.t[0])[keep.sum() - 1])
    held = abs((part[:-1, SIDE] * part[:-1, QUANTITY]).sum()) > 1e-9 if len(part) else False
    ours = part[:-1] if held and part[-1, AT] == now else part
    assert np.array_equal(ours, whole[: len(ours)])


def test_perfect_foresight_earns_and_a_coin_loses_its_costs() -> None:
    """On a walk whose moves are larger than its spread; over many draws the coin's gross is nothing, so its net is what it paid."""
    gains, losses, paid = [], [], []
    for seed in range(12):
        tape, tops = drawn(3000, seed, spread=1)
        rng = np.random.default_rng(seed)
        up = np.repeat(rng.random(3000 // 30 + 1), 30)[:3000]
        report = backtest.run(tape, tops, np.column_stack([1 - up, 0 * up, up]), _params(hold_ms=400.0), Fees(1.0, 1.0)).head
        rivals = {row["name"]: row for row in report["baselines"]}
        assert rivals["do_nothing"] == {
            "name": "do_nothing", "trades": 0, "gross": 0.0, "spread": 0.0, "impact": 0.0, "fees": 0.0, "net": 0.0, "turnover": 0.0,
            "break_even_fee_bps": None,
        }  # fmt: skip
        free = backtest.run(tape, tops, np.column_stack([1 - up, 0 * up, up]), _params(hold_ms=400.0), FREE).head
        gains += [{row["name"]: row for row in free["baselines"]}["foresight"]["net"], rivals["foresight"]["net"]]
        losses.append(report["net"])
        paid.append(report["spread"] + report["impact"] + report["fees"])
        assert report["trades"] > 50
    assert min(gains) > 0.0
    error = np.std(np.array(losses) + paid) / np.sqrt(len(losses))
    assert np.mean(losses) == pytest.approx(-np.mean(paid), abs=3 * error)
    assert np.mean(losses) < 0.0


def test_the_report_says_when_nothing_was_earned() -> None:
    tape, tops = drawn(2000, 3)
    silent = backtest.run(tape, tops, np.full((2000, 3), 1 / 3), _params(), FREE)
    assert (silent.head["verdict"], silent.head["trades"], silent.arrays["curve"].shape) == ("no_trades", 0, (0, 2))
    lost = backtest.run(tape, tops, guesses(2000, 3), _params(), Fees(5.0, 5.0)).head
    assert lost["verdict"] == "not_profitable"
    assert lost["words"].startswith("Not profitable: ")
    assert "Doing nothing would have been better." in lost["words"]
    low, high = lost["interval"]["net"] or (lost["net"], lost["net"])
    assert low <= lost["net"] <= high


def test_luck_is_told_from_profit() -> None:
    chance = {"level": 0.95, "net": [-1.0, 9.0]}
    told = {"trades": 3, "net": 4.0, "break_even_fee_bps": 2.0}
    words = [ledger.verdict(told, chance | {"net": net}, 0.6, FREE) for net in ([-1.0, 9.0], None, [1.0, 9.0])]
    assert [word for word, _ in words] == ["not_shown", "not_shown", "profitable"]
    assert words[0][1] == "Not shown to be profitable: 3 trades earned 4.0000 net, but the 95% interval reaches from -1.0000 to 9.0000."


def test_the_interval_of_many_draws_holds_the_mean() -> None:
    """Independent trades of mean 0: the interval of the sum holds 0 about nineteen times in twenty."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        fills = np.zeros((400, 10))
        fills[:, AT] = np.arange(400) * 1e9
        fills[:, TRIP] = np.arange(400) // 2
        fills[:, SIDE] = np.tile([1.0, -1.0], 200)
        fills[:, [QUANTITY, PRICE, MID, TOUCH]] = 1.0
        moved = 100.0 + np.repeat(np.cumsum(rng.normal(size=201)), 2)[1:-1]
        for column in (PRICE, MID, TOUCH, DECIDED):
            fills[:, column] = moved
        found = ledger.interval(ledger.ledger(fills, FREE), fills[-1, AT], 1e10, rng)
        assert found["net"] is not None
        held += found["net"][0] <= 0.0 <= found["net"][1]
    assert held >= 51


def test_a_tape_without_a_book_to_trade_with_is_refused() -> None:
    tape, tops = quoted((0, 99, 5, 0, 0), (50, 99, 5, 0, 0))
    with pytest.raises(TooShort):
        backtest.run(tape, tops, _up(1, 1), _params(), FREE)


def test_what_was_given_is_left_alone_and_the_answer_repeats() -> None:
    tape, tops = drawn(800, 9)
    probabilities, before = guesses(800, 9), tops.copy()
    first, second = (backtest.run(tape, tops, probabilities, _params(), Fees(1.0, 0.5), seed=4) for _ in range(2))
    assert first.pack() == second.pack()
    assert np.array_equal(tops, before)
    assert (tape.kind == Event.DEPTH).any()


@settings(max_examples=20, deadline=None)
@given(n=st.integers(30, 200), seed=st.integers(0, 2**16), strategy=STRATEGIES)
def test_stretches_add_up_and_nothing_is_held_between_them(n: int, seed: int, strategy: str) -> None:
    params, fees, parts = _params(strategy=strategy), Fees(2.0, 1.0), []
    for k in range(3):
        tape, tops = drawn(n, seed + k)
        later = Tape(tape.kind, tape.t + k * 10**15, *(getattr(tape, name) for name in Tape.__slots__[2:]))
        parts.append(backtest.Stretch(later, tops, guesses(n, seed + k)))
    whole = backtest.run_all(parts, params, fees)
    single = [backtest.run(one.tape, one.tops, one.probabilities, params, fees) for one in parts]
    for name in ("trades", "gross", "spread", "impact", "fees", "net", "turnover", "seconds", "events", "decided_events"):
        assert whole.head[name] == pytest.approx(sum(one.head[name] for one in single), abs=1e-6)
    for name in ("trip_t", "trips"):
        assert np.allclose(whole.arrays[name], np.concatenate([one.arrays[name] for one in single]), rtol=1e-12, atol=1e-6)
