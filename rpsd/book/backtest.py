"""A model's probabilities put to a test with costs: latency, the book's depth, queues, fees, and what doing nothing would have earned."""

from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.book import ledger as accounts
from rpsd.core import instant
from rpsd.core.book import Codes, Fees, Grid, Integers, Tape
from rpsd.core.errors import TooShort
from rpsd.core.market import SECOND_NS, Times, Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import BacktestParameters
from rpsd.kernels import backtest as kernel

Directions = npt.NDArray[np.int8]
BASELINES: Final = ("do_nothing", "queue_imbalance", "coin", "foresight")
"""What the model is set beside, under the same latency, costs and rules: no trade; (1 + imbalance of the best sizes) / 2 as probability
of up; the model's moments with the direction of a coin; and trades that are known to pay, which is what could be earned at most."""
_DOWN, _UP = 0, 2
_MS: Final = 1e6


def run(tape: Tape, tops: Grid, probabilities: Grid, params: BacktestParameters, fees: Fees, *, seed: int = 0) -> Packet:
    """Trade on probabilities (n, 3) down, flat, up after each of n events with tops (n, 4) bid, size, ask, size, 0 where a side is empty.

    A direction is taken where its probability reaches `threshold`; what is sent after an event arrives `latency_ms` later and meets the
    last book known by then (the clock is the running maximum of the tape's times). taker: walks the levels of the other side, holds for
    hold_ms or until the opposite decision, leaves the same way. maker: joins the best quote and is filled only by prints or books through
    its price, or by prints at it that have consumed the queue ahead; where the model is silent it waits at the other quote to leave, on
    the opposite decision or after hold_ms it crosses the spread. At the end it is flat, at the last book. One position at a time;
    orders do not change the replayed book. Money is in units of price times size: for an inverse contract read the basis points.

    Answer: a head of JSON (see the manual's chapter books), arrays trip_t (m, 2) int64 and trips (m, 9) of ledger.rounds, and curve_t (c,),
    curve (c, 2): gross and net after each round trip. Raises TooShort without two events or without any book that could be traded with.
    The decisions are as causal as the probabilities; seed moves the bootstrap and the coin. O(n).
    Source: Moallemi and Yuan (2017) for the queue; Perold (1988), Journal of Portfolio Management 14, 4-9, for the parts of the cost.
    """
    market = _Market.of(tape, tops)
    direction = directions(probabilities, params.threshold)
    rng = np.random.default_rng(seed)
    traded, tally = market.replay(direction, params)
    account = accounts.ledger(traded, fees)
    told = accounts.totals(account)
    stretch = accounts.stretch_ns(params.hold_ms, params.latency_ms)
    chance = accounts.interval(account, market.elapsed, stretch, rng)
    word, words = accounts.verdict(told, chance, params.threshold, fees)
    baselines = [market.judged(name, rival, params, fees) for name, rival in _rivals(market, direction, params, fees, rng)]
    trip_t, trips = accounts.rounds(account, market.start_ns)
    head = {
        "verdict": word,
        "words": words,
        "parameters": asdict(params),
        "fees": asdict(fees),
        "events": tape.n,
        "first": instant.text(market.start_ns),
        "last": instant.text(market.start_ns + int(market.elapsed[-1])),
        "seconds": float(market.elapsed[-1]) / SECOND_NS,
        "decided_events": int((direction != 0).sum()),
        "orders": dict(zip(("entries", "refused", "cancelled", "beyond_depth"), tally.tolist(), strict=True)),
        **told,
        **accounts.details(account),
        "interval": chance,
        "baselines": baselines,
        "seed": seed,
    }
    curve = np.column_stack([np.cumsum(account.gross), np.cumsum(account.net)])
    return Packet(head, {"trip_t": trip_t, "trips": trips, "curve_t": trip_t[:, 1].copy(), "curve": curve})


def fills(tape: Tape, tops: Grid, probabilities: Grid, params: BacktestParameters) -> Grid:
    """The fills (k, 10) of `run`, whose columns are those of rpsd.kernels.backtest. Raises TooShort."""
    return _Market.of(tape, tops).replay(directions(probabilities, params.threshold), params)[0]


def directions(probabilities: Grid, threshold: float) -> Directions:
    """+1, -1 or 0 (n,) for probabilities (n, 3): the side that reaches the threshold and exceeds the other; NaN decides nothing."""
    down, up = probabilities[:, _DOWN], probabilities[:, _UP]
    return ((up >= threshold) & (up > down)).astype(np.int8) - ((down >= threshold) & (down > up)).astype(np.int8)


class _Market:
    """A tape as the kernel takes it: plain writable arrays, and the last book that could be traded with after each event."""

    def __init__(self, tape: Tape, start_ns: int, elapsed: Vector, touch: Grid, is_open: Codes) -> None:
        self.start_ns, self.elapsed, self.touch, self.is_open = start_ns, elapsed, touch, is_open
        columns = (tape.kind, tape.row.astype(np.int64))
        self._events = tuple(np.array(column) for column in columns)
        self._books = tuple(np.array(table, np.float64, order="C") for table in (tape.bids, tape.asks, tape.trades))

    @classmethod
    def of(cls, tape: Tape, tops: Grid) -> "_Market":
        """Raises TooShort."""
        both = (tops[:, 1] > 0.0) & (tops[:, 3] > 0.0) & (tops[:, 2] > tops[:, 0]) & (tops[:, 0] > 0.0)
        if tape.n < 2 or not both.any():
            raise TooShort("no book of the tape can be traded with: two events and one book with both sides are needed")
        clock: Times = np.maximum.accumulate(tape.t)
        known = np.maximum.accumulate(np.where(both, np.arange(tape.n), -1))
        touch = np.array(tops[np.maximum(known, int(np.argmax(both)))], np.float64, order="C")  # before the first book nothing is decided
        return cls(tape, int(clock[0]), (clock - clock[0]).astype(np.float64), touch, both.astype(np.uint8))

    def replay(self, direction: Directions, params: BacktestParameters) -> tuple[Grid, Integers]:
        """Fills (k, 10) and the tally (4,) of these decisions (n,)."""
        maker = float(params.strategy == "maker")
        plan = np.array([maker, params.latency_ms * _MS, params.hold_ms * _MS, params.size, float(params.credit_cancellations)])
        written, tally = np.empty((2 * self.elapsed.size + 2, 10)), np.zeros(4, np.int64)
        decided = np.ascontiguousarray(direction, np.int8)
        bids, asks, trades = self._books
        count = kernel.simulate(self.elapsed, *self._events, self.touch, self.is_open, bids, asks, trades, decided, plan, written, tally)
        return written[:count].copy(), tally

    def judged(self, name: str, direction: Directions, params: BacktestParameters, fees: Fees) -> dict[str, Any]:
        """The totals of a baseline as JSON."""
        return {"name": name, **accounts.totals(accounts.ledger(self.replay(direction, params)[0], fees))}


def _rivals(
    market: _Market, direction: Directions, params: BacktestParameters, fees: Fees, rng: np.random.Generator
) -> list[tuple[str, Directions]]:
    """The decisions (n,) of each of BASELINES."""
    size = market.touch[:, 1] + market.touch[:, 3]
    up = market.touch[:, 1] / size
    by_size = directions(np.column_stack([1.0 - up, np.zeros(up.size), up]), params.threshold)
    blocks = (market.elapsed // (params.hold_ms * _MS)).astype(np.int64)
    starts = np.cumsum(np.diff(blocks, prepend=blocks[0]) != 0)
    coin = rng.integers(0, 2, int(starts[-1]) + 1)[starts] * 2 - 1  # one toss a holding time, else the coin would contradict itself
    tossed = np.where(direction != 0, coin, 0).astype(np.int8)
    return list(zip(BASELINES, (np.zeros_like(direction), by_size, tossed, foresight(market, params, fees)), strict=True))


def foresight(market: _Market, params: BacktestParameters, fees: Fees) -> Directions:
    """Decisions (n,) that know the future: only trades at the best quotes that pay after fees if held for the whole hold_ms."""
    at, latency, hold = market.elapsed, params.latency_ms * _MS, params.hold_ms * _MS
    entry = np.searchsorted(at, at + latency, "right") - 1
    leave = np.minimum(np.searchsorted(at, at + latency + hold), at.size - 1)
    leave = np.searchsorted(at, at[leave] + latency, "right") - 1
    rate = fees.taker_bps * 1e-4
    bid, ask = market.touch[:, 0], market.touch[:, 2]
    buy = bid[leave] * (1.0 - rate) > ask[entry] * (1.0 + rate)
    sell = bid[entry] * (1.0 - rate) > ask[leave] * (1.0 + rate)
    return buy.astype(np.int8) - sell.astype(np.int8)
