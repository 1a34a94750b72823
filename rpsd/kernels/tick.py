"""The tick of a book: the greatest common divisor of its prices as decimal numbers, believed once enough prices have spoken for it.

The readable form is `reference`. A believed tick is left for a finer one when so many more records fit the finer one than the old.
"""

from fractions import Fraction
from math import gcd
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

# Places in the vector of integers: the tick is GCD / 10^DECIMALS.
DECIMALS: Final = 0
GCD: Final = 1  # 0: unknown
EVIDENCE: Final = 2
RIVAL_DECIMALS: Final = 3
RIVAL_GCD: Final = 4
RIVAL_VOTES: Final = 5
INTEGERS: Final = 6

WITNESSES: Final = 64
"""Records off the tick, more than those on it, that make a finer tick believed."""
ENOUGH: Final = 100
"""Prices that make a tick believed: those of the record it came with, then two for each deep book, and for each quote that is new."""
ON_TICK: Final = 1e-3
"""Of a tick: how far from a multiple a price may lie."""
MOST_DECIMALS: Final = 10
_VOTE: Final = 4  # a record on the tick takes a quarter of a vote back
_EXACT: Final = 2.0**53
_MOST: Final = 2.0**62


def reference(prices: Vector) -> float:
    """The largest tick that divides all prices (n,), each read as the shortest decimal number that is the same float.

    >>> reference(np.array([61804.7, 61804.5, 61800.0]))
    0.1
    """
    exact = [Fraction(repr(float(price))) for price in prices]
    scale = 10**MOST_DECIMALS
    return float(Fraction(gcd(*(round(price * scale) for price in exact)), scale))


@kernel
def _gcd(a, b):  # type: ignore[no-untyped-def]
    """Greatest common divisor of two integers; 0 divides by everything."""
    while b:
        a, b = b, a % b
    return a


@kernel
def _join(price, state, at):  # type: ignore[no-untyped-def]
    """Make the tick at state[at] (decimals) and state[at + 1] (divisor) the largest that divides the price as well."""
    places, scale = 0, 1.0
    while places < MOST_DECIMALS and price * scale * 10.0 < _EXACT:
        if abs(price * scale - np.rint(price * scale)) <= 1e-15 * price * scale:
            break
        places += 1
        scale *= 10.0
    decimals, divisor = state[at], state[at + 1]
    if price * 10.0 ** max(places, decimals) >= _MOST or divisor * 10.0 ** max(places - decimals, 0) >= _MOST:
        return  # beyond int64: such a price says nothing of the tick
    whole = np.int64(np.rint(price * scale))
    while places < decimals:
        whole *= 10
        places += 1
    while decimals < places:
        divisor *= 10
        decimals += 1
    state[at], state[at + 1] = decimals, _gcd(divisor, whole)


@kernel
def _join_all(levels, count, state, at):  # type: ignore[no-untyped-def]
    for k in range(count):
        if levels[k, 1] != 0.0:
            _join(levels[k, 0], state, at)


@kernel
def _misses(levels, count, tick, most):  # type: ignore[no-untyped-def]
    """Whether a price with a size lies over `most` ticks from a multiple, below one tick, or where not every multiple is a float."""
    for k in range(count):
        steps = levels[k, 0] / tick
        if levels[k, 1] != 0.0 and not (abs(steps - np.rint(steps)) <= most and 0.5 < steps < _EXACT):
            return True
    return False


@kernel
def _fits(bids, asks, many_bids, many_asks, tick):  # type: ignore[no-untyped-def]
    """Whether every price with a size is a multiple of the tick."""
    return not (_misses(bids, many_bids, tick, ON_TICK) or _misses(asks, many_asks, tick, ON_TICK))


@kernel
def value(state, at):  # type: ignore[no-untyped-def]
    """The tick at state[at], 0 while unknown."""
    return state[at + 1] / 10.0 ** state[at] if state[at + 1] > 0 else 0.0


@kernel
def _adopts(bids, asks, many_bids, many_asks, state):  # type: ignore[no-untyped-def]
    """A record off the tick votes for the finer tick that fits it; whether that one is believed now."""
    rival = value(state, RIVAL_DECIMALS)
    if state[RIVAL_VOTES] > 0 and _fits(bids, asks, many_bids, many_asks, rival):
        state[RIVAL_VOTES] += _VOTE
    else:
        state[RIVAL_DECIMALS], state[RIVAL_GCD] = state[DECIMALS], state[GCD]
        _join_all(bids, many_bids, state, RIVAL_DECIMALS)
        _join_all(asks, many_asks, state, RIVAL_DECIMALS)
        state[RIVAL_VOTES] = _VOTE
    if state[RIVAL_VOTES] < WITNESSES * _VOTE:
        return False
    state[DECIMALS], state[GCD] = state[RIVAL_DECIMALS], state[RIVAL_GCD]
    state[RIVAL_VOTES], state[EVIDENCE] = 0, 0
    return True


@kernel
def learns(bids, asks, many_bids, many_asks, prices, news, state):  # type: ignore[no-untyped-def]
    """Take in a record of so many prices; False when it is off a believed tick, or no number of any.

    `news`: its best prices are not those before.
    """
    tick, decimals, divisor = value(state, DECIMALS), state[DECIMALS], state[GCD]
    fits = tick > 0.0 and _fits(bids, asks, many_bids, many_asks, tick)
    if state[EVIDENCE] >= ENOUGH:
        if not fits:
            return _adopts(bids, asks, many_bids, many_asks, state)
        state[RIVAL_VOTES] = max(0, state[RIVAL_VOTES] - 1)
    elif fits:
        state[EVIDENCE] += 2 if news or prices > 2 else 0
    elif tick > 0.0 or prices > 1:  # one price alone divides by itself
        _join_all(bids, many_bids, state, DECIMALS)
        _join_all(asks, many_asks, state, DECIMALS)
        finer = value(state, DECIMALS)  # and yet no number of it may be the price
        if finer > 0.0 and (_misses(bids, many_bids, finer, np.inf) or _misses(asks, many_asks, finer, np.inf)):
            state[DECIMALS], state[GCD] = decimals, divisor
            return False
        state[EVIDENCE] = prices
    return True


@kernel
def breaks(bids, asks, many_bids, many_asks, tick):  # type: ignore[no-untyped-def]
    """Whether the record is off the given tick."""
    return not _fits(bids, asks, many_bids, many_asks, tick)


def warm() -> None:
    """Compile or load every kernel of this file."""
    levels, state = np.array([[99.5, 1.0], [99.0, 1.0]]), np.zeros(INTEGERS, np.int64)
    levels.flags.writeable = False  # as those of a tape
    learns(levels, levels, 2, 2, 4, True, state)
    breaks(levels, levels, 2, 2, 0.5)
    value(state, DECIMALS)
