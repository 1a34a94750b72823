"""A model's probabilities put to a test with costs: latency, the book's depth, queues, fees, and what doing nothing would have earned."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.book import ledger as accounts
from rpsd.core import instant
from rpsd.core.book import Codes, Fees, Grid, Integers, Tape
from rpsd.core.errors import TooShort
from rpsd.core.market import SECOND_NS, Times
from rpsd.core.model import Packet
from rpsd.core.parameters import BacktestParameters
from rpsd.kernels import backtest as kernel

Directions = npt.NDArray[np.int8]
BASELINES: Final = ("do_nothing", "queue_imbalance", "coin", "foresight")
"""What the model is set beside, under the same latency, costs and rules: no trade; (1 + imbalance of the best sizes) / 2 as probability
of up; the model's moments with the direction of a coin; and trades that are known to pay, which is what could be earned at most."""
_DOWN, _UP = 0, 2
_MS: Final = 1e6


@dataclass(frozen=True, slots=True)
class Stretch:
    """A tape of n events without a gap, its tops (n, 4) bid, size, ask, size, 0 where a side is empty, and what a model says after each.

    `probabilities` (n, 3): down, flat, up.
    """

    tape: Tape
    tops: Grid
    probabilities: Grid


def run(tape: Tape, tops: Grid, probabilities: Grid, params: BacktestParameters, fees: Fees, *, seed: int = 0) -> Packet:
    """run_all on one stretch."""
    return run_all([Stretch(tape, tops, probabilities)], params, fees, seed=seed)


def run_all(stretches: Sequence[Stretch], params: BacktestParameters, fees: Fees, *, seed: int = 0) -> Packet:
    """Trade on what a model says after each event of the stretches, which follow one another in time; between them nothing is held.

    A direction is taken where its probability reaches `threshold`; what is sent after an event arrives `latency_ms` later and meets the
    last book known by then (the clock is the running maximum of the tape's times). taker: walks the levels of the other side, holds for
    hold_ms or until the opposite decision, leaves the same way. maker: joins the best quote and is filled only by prints or books through
    its price, or by prints at it that have consumed the queue ahead; where the model is silent it waits at the other quote to leave, on
    the opposite decision or after hold_ms it crosses the spread. At the end it is flat, at the last book. One position at a time;
    orders do not change the replayed book. Money is in units of price times size: for an inverse contract read the basis points.

    Answer: a head of JSON (see the manual's chapter books), arrays trip_t (m, 2) int64 and trips (m, 9) of ledger.rounds, and curve_t (m,),
    curve (m, 2): gross and net after each round trip. Raises TooShort without two events or without any book that could be traded with.
    The decisions are as causal as the probabilities; seed moves the bootstrap and the coin. O(n).
    Source: Moallemi and Yuan (2017) for the queue; Perold (1988), Journal of Portfolio Management 14, 4-9, for the parts of the cost.
    """
    stretches, markets = _markets(stretches)
    decided = [directions(one.probabilities, params.threshold) for one in stretches]
    traded = [market.replay(direction, params) for market, direction in zip(markets, decided, strict=True)]
    account, shift = _joined(markets, [fills for fills, _ in traded], fees)
    tally = np.sum([one for _, one in traded], axis=0)
    open_ns = sum(market.length for market in markets)
    rng = np.random.default_rng(seed)
    told = accounts.totals(account)
    chance = accounts.interval(account, open_ns, accounts.stretch_ns(params.hold_ms, params.latency_ms), rng)
    word, words = accounts.verdict(told, chance, params.threshold, fees)
    trip_t, trips = accounts.rounds(account, shift)
    head = {
        "verdict": word,
        "words": words,
        "parameters": asdict(params),
        "fee_bps": {"taker": fees.taker_bps, "maker": fees.maker_bps},
        "events": sum(one.tape.n for one in stretches),
        "first": instant.text(markets[0].start_ns),
        "last": instant.text(markets[-1].start_ns + int(markets[-1].length)),
        "seconds": open_ns / SECOND_NS,
        "decided_events": sum(int(np.count_nonzero(one)) for one in decided),
        "orders": dict(zip(("entries", "refused", "cancelled", "beyond_depth"), tally.tolist(), strict=True)),
        **told,
        **accounts.details(account),
        "interval": chance,
        "baselines": _baselines(markets, decided, params, fees, rng),
        "seed": seed,
    }
    curve = np.column_stack([np.cumsum(account.gross), np.cumsum(account.net)])
    return Packet(head, {"trip_t": trip_t, "trips": trips, "curve_t": trip_t[:, 1].copy(), "curve": curve})


def fills(tape: Tape, tops: Grid, probabilities: Grid, params: BacktestParameters) -> Grid:
    """The fills (k, 10) of `run`, whose columns are those of rpsd.kernels.backtest. Raises TooShort."""
    _, [market] = _markets([Stretch(tape, tops, probabilities)])
    return market.replay(directions(probabilities, params.threshold), params)[0]


def directions(probabilities: Grid, threshold: float) -> Directions:
    """+1, -1 or 0 (n,) for probabilities (n, 3): the side that reaches the threshold and exceeds the other; NaN decides nothing."""
    down, up = probabilities[:, _DOWN], probabilities[:, _UP]
    return ((up >= threshold) & (up > down)).astype(np.int8) - ((down >= threshold) & (down > up)).astype(np.int8)


class _Market:
    """A stretch as the kernel takes it: plain writable arrays, and the last book that could be traded with after each event."""

    def __init__(self, stretch: Stretch, is_open: Codes) -> None:
        tape, tops = stretch.tape, stretch.tops
        clock: Times = np.maximum.accumulate(tape.t)
        known = np.maximum.accumulate(np.where(is_open, np.arange(tape.n), -1))
        self.is_open = is_open.astype(np.uint8)
        self.touch = np.array(
            tops[np.maximum(known, int(np.argmax(is_open)))], np.float64, order="C"
        )  # before the first nothing is decided
        self.start_ns, self.elapsed = int(clock[0]), (clock - clock[0]).astype(np.float64)
        self.length = float(self.elapsed[-1])
        self._events = np.array(tape.kind), np.array(tape.row, np.int64)
        self._books = tuple(np.array(table, np.float64, order="C") for table in (tape.bids, tape.asks, tape.trades))

    def replay(self, direction: Directions, params: BacktestParameters) -> tuple[Grid, Integers]:
        """Fills (k, 10) and the tally (4,) of these decisions (n,)."""
        maker = float(params.strategy == "maker")
        plan = np.array([maker, params.latency_ms * _MS, params.hold_ms * _MS, params.size, float(params.credit_cancellations)])
        written, tally = np.empty((2 * self.elapsed.size + 2, 10)), np.zeros(4, np.int64)
        decided = np.array(direction, np.int8)
        count = kernel.simulate(self.elapsed, *self._events, self.touch, self.is_open, *self._books, decided, plan, written, tally)
        return written[:count].copy(), tally


def _markets(stretches: Sequence[Stretch]) -> tuple[list[Stretch], list[_Market]]:
    """The stretches that can be traded on. Raises TooShort when there is none."""
    kept, found = [], []
    for one in stretches:
        bid, bid_size, ask, ask_size = one.tops.T
        is_open = (bid_size > 0.0) & (ask_size > 0.0) & (ask > bid) & (bid > 0.0)
        if one.tape.n > 1 and is_open.any():
            kept.append(one)
            found.append(_Market(one, is_open))
    if not found:
        raise TooShort("no book of the tape can be traded with: two events and one book with both sides are needed")
    return kept, found


def _joined(markets: list[_Market], traded: list[Grid], fees: Fees) -> tuple[accounts.Ledger, Integers]:
    """The accounts of all stretches on a clock that stands still between them, and what turns it into ns UTC for each fill (k,)."""
    whole, shifts, before, events, trips = [], [], 0.0, 0, 0
    for market, found in zip(markets, traded, strict=True):
        moved = found.copy()
        moved[:, [kernel.AT, kernel.EVENT, kernel.TRIP]] += (before, events, trips)
        whole.append(moved)
        shifts.append(np.full(len(found), market.start_ns - int(before), np.int64))
        before, events = before + market.length, events + market.elapsed.size
        trips = int(moved[-1, kernel.TRIP]) + 1 if len(moved) else trips
    return accounts.ledger(np.concatenate(whole), fees), np.concatenate(shifts)


def _baselines(
    markets: list[_Market], decided: list[Directions], params: BacktestParameters, fees: Fees, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """The totals of each of BASELINES as JSON."""
    rivals = [_rivals(market, direction, params, fees, rng) for market, direction in zip(markets, decided, strict=True)]
    rows = []
    for number, name in enumerate(BASELINES):
        traded = [market.replay(rival[number], params)[0] for market, rival in zip(markets, rivals, strict=True)]
        rows.append({"name": name, **accounts.totals(_joined(markets, traded, fees)[0])})
    return rows


def _rivals(
    market: _Market, direction: Directions, params: BacktestParameters, fees: Fees, rng: np.random.Generator
) -> tuple[Directions, ...]:
    """The decisions (n,) of each of BASELINES on one stretch."""
    up = market.touch[:, 1] / (market.touch[:, 1] + market.touch[:, 3])
    by_size = directions(np.column_stack([1.0 - up, np.zeros(up.size), up]), params.threshold)
    blocks = (market.elapsed // (params.hold_ms * _MS)).astype(np.int64)
    starts = np.cumsum(np.diff(blocks, prepend=blocks[0]) != 0)
    coin = rng.integers(0, 2, int(starts[-1]) + 1)[starts] * 2 - 1  # one toss a holding time, else the coin would contradict itself
    tossed = np.where(direction != 0, coin, 0).astype(np.int8)
    return np.zeros(direction.size, np.int8), by_size, tossed, _foresight(market, params, fees)


def _foresight(market: _Market, params: BacktestParameters, fees: Fees) -> Directions:
    """Decisions (n,) that know the future: only trades at the best quotes that pay after fees if held for the whole hold_ms."""
    at, latency, hold = market.elapsed, params.latency_ms * _MS, params.hold_ms * _MS
    entry = np.searchsorted(at, at + latency, "right") - 1
    leave = np.minimum(np.searchsorted(at, at + latency + hold), at.size - 1)
    leave = np.searchsorted(at, at[leave] + latency, "right") - 1
    rate = fees.taker_bps * 1e-4
    bid, ask = market.touch[:, 0], market.touch[:, 2]
    buy = bid[leave] * (1.0 - rate) > ask[entry] * (1.0 + rate)
    sell = bid[entry] * (1.0 - rate) > ask[leave] * (1.0 + rate)
    return np.asarray(buy.astype(np.int8) - sell.astype(np.int8), np.int8)
