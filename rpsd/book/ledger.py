"""What the fills of a backtest come to: profit by its parts, round by round, with an interval and a verdict in words."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.book import Fees, Grid, Integers
from rpsd.core.market import SECOND_NS, Vector
from rpsd.kernels.backtest import AT, DECIDED, MADE, MID, PRICE, QUANTITY, SIDE, TOUCH, TRIP

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
LEAST_STRETCHES: Final = 10
"""Stretches of time below which no interval is told."""
MEMORY_SECONDS: Final = 10.0
"""The slowest decay of the features: what a model knew fades within a stretch."""
_BPS: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Ledger:
    """k fills and the m round trips they make, from flat to flat; money in the unit of price times size.

    Per round trip (m,): `first`, `last` the numbers of its first and last fill, `gross` at mids, `spread` and `impact` paid (a maker
    earns the spread: negative), `fees` paid, `net`, computed from the cash that changed hands, `value` of its entry. In all: `turnover`,
    the value of every fill, `made` that of a maker's, `delay` what the mid moved against the strategy between decisions and fills.
    """

    fills: Grid
    first: Integers
    last: Integers
    gross: Vector
    spread: Vector
    impact: Vector
    fees: Vector
    net: Vector
    value: Vector
    turnover: float
    delay: float
    made: float


def ledger(fills: Grid, fees: Fees) -> Ledger:
    """The accounts of fills (k, 10), whose columns are those of the kernel, in order of time.

    Of a fill of q at price p on side s, mid m and best price b: spread q s (b - m), impact q s (p - b), fee |q p| times the rate. Of a
    round trip: gross is minus the sum of s q m, net minus the sum of s q p less fees. So net = gross - spread - impact - fees.
    """
    trip = fills[:, TRIP].astype(np.int64)
    m = int(trip[-1]) + 1 if trip.size else 0
    numbers = np.arange(m)
    first, last = np.searchsorted(trip, numbers), np.searchsorted(trip, numbers, "right") - 1
    signed, value = fills[:, SIDE] * fills[:, QUANTITY], fills[:, QUANTITY] * fills[:, PRICE]
    anchor = fills[first, MID][trip] if m else np.empty(0)  # prices count from here, so that little is lost in sums
    made = fills[:, MADE] > 0.0
    paid = value * np.where(made, fees.maker_bps, fees.taker_bps) * _BPS

    def summed(amounts: Vector) -> Vector:
        return np.bincount(trip, amounts, minlength=m).astype(np.float64)

    gross = summed(-signed * (fills[:, MID] - anchor))
    spread = summed(signed * (fills[:, TOUCH] - fills[:, MID]))
    impact = summed(signed * (fills[:, PRICE] - fills[:, TOUCH]))
    cash, costs = summed(-signed * (fills[:, PRICE] - anchor)), summed(paid)
    entered = summed(np.where(fills[:, SIDE] == fills[first, SIDE][trip], value, 0.0)) if m else np.empty(0)
    totals = float(value.sum()), float(_delay(fills).sum()), float(value[made].sum())
    return Ledger(fills, first, last, gross, spread, impact, costs, cash - costs, entered, *totals)


def _delay(fills: Grid) -> Vector:
    """What the mid moved against each fill between its decision and the fill."""
    return np.asarray(fills[:, SIDE] * fills[:, QUANTITY] * (fills[:, MID] - fills[:, DECIDED]), np.float64)


def totals(account: Ledger) -> dict[str, Any]:
    """The sums of a strategy as JSON: trades, money by its parts, and the fee per side at which the net would be zero."""
    parts = {name: float(getattr(account, name).sum()) for name in ("gross", "spread", "impact", "fees", "net")}
    before_fees = parts["gross"] - parts["spread"] - parts["impact"]
    return {
        "trades": int(account.first.size),
        **parts,
        "turnover": account.turnover,
        "break_even_fee_bps": before_fees / account.turnover / _BPS if account.turnover > 0.0 else None,
    }


def details(account: Ledger) -> dict[str, Any]:
    """More about the trades of a model, as JSON; None where there are none."""
    m = account.first.size
    if not m:
        return {"wins": None, "per_trade_bps": None, "latency_cost": 0.0, "maker_share": None, "max_drawdown": 0.0}
    entered = float(account.value.sum())
    equity = np.concatenate([[0.0], np.cumsum(account.net)])
    parts = ("gross", "spread", "impact", "fees", "net")
    return {
        "wins": float((account.net > 0.0).mean()),
        "per_trade_bps": {name: float(getattr(account, name).sum()) / entered / _BPS for name in parts},
        "latency_cost": account.delay,
        "maker_share": account.made / account.turnover,
        "max_drawdown": float((np.maximum.accumulate(equity) - equity).max()),
    }


def stretch_ns(hold_ms: float, latency_ms: float) -> float:
    """Length of the stretches of time that the bootstrap draws: ten seconds, or twice as long as a trade lasts."""
    return max(MEMORY_SECONDS * SECOND_NS, 2.0 * (hold_ms + 2.0 * latency_ms) * 1e6)


def interval(account: Ledger, open_ns: float, stretch: float, rng: np.random.Generator) -> dict[str, Any]:
    """A 95 % interval of the net by a bootstrap over stretches of time, drawn with all trades that were entered in them.

    `open_ns`: how long the tape is, `stretch`: how long a stretch. Neighbouring trades share what moved the market, so single trades would
    give too narrow an interval. Bounds are None below ten stretches or without trades. Cost: RESAMPLES draws of all stretches.
    Source: Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90, 414-427, section 2.
    """
    count = int(open_ns // stretch) + 1
    told: dict[str, Any] = {"level": LEVEL, "stretches": count, "stretch_seconds": stretch / SECOND_NS, "net": None, "net_bps": None}
    if count < LEAST_STRETCHES or not account.first.size:
        return told
    place = (account.fills[account.first, AT] // stretch).astype(np.int64)
    net, value = (np.bincount(place, amounts, minlength=count) for amounts in (account.net, account.value))
    sums, ratios = np.empty(RESAMPLES), np.full(RESAMPLES, np.nan)
    for i in range(RESAMPLES):
        drawn = rng.integers(count, size=count)
        sums[i], entered = net[drawn].sum(), value[drawn].sum()
        if entered > 0.0:
            ratios[i] = sums[i] / entered / _BPS
    tails = [0.5 * (1.0 - LEVEL), 0.5 * (1.0 + LEVEL)]
    told["net"] = np.quantile(sums, tails).tolist()
    told["net_bps"] = np.nanquantile(ratios, tails).tolist() if np.isfinite(ratios).any() else None
    return told


def verdict(told: dict[str, Any], chance: dict[str, Any], threshold: float, fees: Fees) -> tuple[str, str]:
    """A word and a sentence on totals `told` with the interval `chance`: doing nothing earns 0 and is what a strategy must beat."""
    trades, net, fee = told["trades"], told["net"], told["break_even_fee_bps"]
    if not trades:
        return "no_trades", f"Nothing was traded: no probability reached {threshold:g} while the book could be traded with."
    many = "1 trade" if trades == 1 else f"{trades:,} trades"
    if net <= 0.0:
        asked = f"{fees.taker_bps:g} as a taker and {fees.maker_bps:g} as a maker are asked"
        even = f"it would break even at fees of {fee:.3g} bps a side, where {asked}"
        why = "it loses before any fee is paid" if fee <= 0.0 else even
        return "not_profitable", f"Not profitable: {many} lost {_money(-net)} net; {why}. Doing nothing would have been better."
    if chance["net"] is None:
        return "not_shown", f"Not shown to be profitable: {many} earned {_money(net)} net, on too short a tape to tell it from luck."
    low, high = chance["net"]
    reach = f"the {chance['level']:.0%} interval reaches from {_money(low)} to {_money(high)}"
    if low <= 0.0:
        return "not_shown", f"Not shown to be profitable: {many} earned {_money(net)} net, but {reach}."
    paid = f"after fees of {fees.taker_bps:g} bps as a taker and {fees.maker_bps:g} as a maker"
    return "profitable", f"Profitable on this tape {paid}: {many} earned {_money(net)}; {reach}. A replay knows no reaction of the market."


def _money(amount: float) -> str:
    """Five significant digits, without an exponent where that is short."""
    if amount == 0.0 or 1e-4 <= abs(amount) < 1e12:
        digits = max(0, 4 - math.floor(math.log10(abs(amount)))) if amount else 0
        return f"{amount:,.{digits}f}"
    return f"{amount:.5g}"


def rounds(account: Ledger, shift: Integers) -> tuple[Integers, Grid]:
    """Times (m, 2) in ns UTC of entry and exit, and (m, 9) of each round trip; `shift` (k,) is added to the times of the fills.

    Columns: side, size entered, mean price of the entry, mean price of the exit, gross, spread, impact, fees, net.
    """
    fills, m = account.fills, account.first.size
    if not m:
        return np.empty((0, 2), np.int64), np.empty((0, 9))
    trip = fills[:, TRIP].astype(np.int64)
    side = fills[account.first, SIDE]
    enters = fills[:, SIDE] == side[trip]
    means = []
    for chosen in (enters, ~enters):
        size = np.bincount(trip, np.where(chosen, fills[:, QUANTITY], 0.0), minlength=m)
        means += [size, np.bincount(trip, np.where(chosen, fills[:, QUANTITY] * fills[:, PRICE], 0.0), minlength=m) / size]
    times = np.column_stack([fills[ends, AT].astype(np.int64) + shift[ends] for ends in (account.first, account.last)])
    parts = (account.gross, account.spread, account.impact, account.fees, account.net)
    return times, np.column_stack([side, means[0], means[1], means[3], *parts])
