"""The verdict on each record of an order book's tape: alone, against the tick and the spread so far, against time and clock.

The stateless rules stand in readable form above the kernel (`reference_rule`), the rules of time as well (`reference_order`). State is two
small vectors, so that a tape may be judged in any pieces.
Sources: the rules are those of rpsd.core.book.Rule; running medians by steps: Robbins and Monro (1951), Ann. Math. Stat. 22, 400-407.
"""

import math
from typing import Final

import numpy as np

from rpsd.core.book import NO_SEQUENCE, Cube, Event, Integers, Rule
from rpsd.core.market import Vector, read_only
from rpsd.kernels import tick
from rpsd.kernels.jit import kernel

# Places in the vector of integers.
LAST_T: Final = 0  # three: one for each kind of event
LAST_SEQUENCE: Final = 3  # three
LAST_MARK: Final = 6  # three
SIDES: Final = 9  # of the last book or quote: 1 bid, 2 ask, 3 both, 0 neither or nothing yet
CROSSED_RUN: Final = 10
WIDE_RUN: Final = 11
CLOCK_RUN: Final = 12
TICK: Final = 13  # as many as rpsd.kernels.tick keeps
RING_AT: Final = TICK + tick.INTEGERS
RING: Final = RING_AT + 1  # the marks of the last records
RING_SIZE: Final = 16
INTEGERS: Final = RING + RING_SIZE
# Places in the vector of floats.
SPREAD: Final = 0  # running median, in price; 0: none yet
LATENCY: Final = 1  # running median, ns; NaN: none yet
TOP: Final = 2  # two: the best bid and ask of the last record
FLOATS: Final = 4

WITNESSES: Final = 64
"""Records in a row that overrule what was believed of the clock or the spread."""
BOTH: Final = 3
"""Of SIDES: the book can be traded on."""
AUCTION_RUN: Final = 3
"""Crossed or locked records in a row that make an auction."""
_SPREAD_STEP: Final = 0.02  # the median spread moves by so much of itself a record
_LATENCY_STEP: Final = 128  # the median latency moves by staleness over this a record
_SPREAD_FLOOR: Final = 1e-4  # of the mid: a spread of one tick is no yardstick where the tick is tiny
NO_TIME: Final = -(2**63)
"""What numpy makes of "not a time"; also the time before the first record."""
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)

_ACCEPTED, _NOT_FINITE, _ZERO_PRICE, _NEGATIVE, _EMPTY = (
    int(rule) for rule in (Rule.ACCEPTED, Rule.NOT_FINITE, Rule.ZERO_PRICE, Rule.NEGATIVE_SIZE, Rule.EMPTY)
)
_UNSORTED, _CROSSED, _LOCKED, _OFF_TICK, _WIDE = (
    int(rule) for rule in (Rule.UNSORTED, Rule.CROSSED, Rule.LOCKED, Rule.OFF_TICK, Rule.WIDE_SPREAD)
)
_DUPLICATE, _OUT_OF_ORDER, _JUMP, _STALE = (int(rule) for rule in (Rule.DUPLICATE, Rule.OUT_OF_ORDER, Rule.CLOCK_JUMP, Rule.STALE))
_TRADE: Final = int(Event.TRADE)


def fresh() -> tuple[Integers, Vector]:
    """The state (INTEGERS,) and (FLOATS,) before the first record."""
    state, floats = np.zeros(INTEGERS, np.int64), np.zeros(FLOATS)
    state[LAST_T : LAST_T + 3] = NO_TIME
    state[LAST_SEQUENCE : LAST_SEQUENCE + 3] = NO_SEQUENCE
    floats[LATENCY] = math.nan
    return state, floats


def reference_rule(bids: Cube, asks: Cube) -> Rule:
    """What a book of levels (a, 2) and (b, 2), the best first, breaks by itself; levels of size zero count as absent.

    >>> reference_rule(np.array([[99.0, 1.0]]), np.array([[98.0, 1.0]])).word
    'crossed'
    """
    both = np.concatenate([bids, asks])
    left, right = bids[bids[:, 1] != 0.0, 0], asks[asks[:, 1] != 0.0, 0]
    if not np.isfinite(both).all():
        return Rule.NOT_FINITE
    if (both[:, 0] <= 0.0).any():
        return Rule.ZERO_PRICE
    if (both[:, 1] < 0.0).any():
        return Rule.NEGATIVE_SIZE
    if (np.diff(left) >= 0.0).any() or (np.diff(right) <= 0.0).any():
        return Rule.UNSORTED
    if left.size and right.size and left[0] >= right[0]:
        return Rule.CROSSED if left[0] > right[0] else Rule.LOCKED
    return Rule.ACCEPTED if left.size + right.size else Rule.EMPTY


def reference_order(t: int, last_t: int, sequence: int, last_sequence: int, latency: float, usual: float, staleness: int) -> Rule:
    """What a record's time says, given the last of its kind and the usual latency (NaN: unknown); all in ns."""
    numbered = NO_SEQUENCE not in (sequence, last_sequence)
    if numbered and sequence == last_sequence:
        return Rule.DUPLICATE
    if t < last_t or (numbered and sequence < last_sequence):
        return Rule.OUT_OF_ORDER
    if latency < usual - staleness:
        return Rule.CLOCK_JUMP
    return Rule.STALE if latency > usual + staleness else Rule.ACCEPTED


@kernel
def _within(count, room):  # type: ignore[no-untyped-def]
    """How many levels are given, no more than there is room for."""
    return min(max(count, 0), room)


@kernel
def _values(levels, count):  # type: ignore[no-untyped-def]
    """The first rule on values alone that a side breaks, or 0."""
    worst = 99
    for k in range(count):
        price, size = levels[k, 0], levels[k, 1]
        if not (math.isfinite(price) and math.isfinite(size)):
            return _NOT_FINITE
        if price <= 0.0:
            worst = min(worst, _ZERO_PRICE)
        elif size < 0.0:
            worst = min(worst, _NEGATIVE)
    return 0 if worst == 99 else worst


@kernel
def _shape(levels, count, sign):  # type: ignore[no-untyped-def]
    """(whether prices strictly fall away from the best, the best price or 0, levels with a size)."""
    best, last, given, falls = 0.0, 0.0, 0, True
    for k in range(count):
        if levels[k, 1] == 0.0:
            continue
        price = levels[k, 0]
        if given == 0:
            best = price
        elif sign * price >= sign * last:
            falls = False
        last = price
        given += 1
    return falls, best, given


@kernel
def _alone(bids, asks, many_bids, many_asks, shape):  # type: ignore[no-untyped-def]
    """`reference_rule`; shape (4,) takes the best bid and ask (0 where there is none) and the levels with a size of each side."""
    left, right = _values(bids, many_bids), _values(asks, many_asks)
    if left or right:
        return min(left, right) if left and right else max(left, right)
    falls, bid, given_bids = _shape(bids, many_bids, 1.0)
    rises, ask, given_asks = _shape(asks, many_asks, -1.0)
    shape[0], shape[1], shape[2], shape[3] = bid, ask, given_bids, given_asks
    if given_bids + given_asks == 0:
        return _EMPTY
    if not (falls and rises):
        return _UNSORTED
    if given_bids and given_asks and bid >= ask:
        return _CROSSED if bid > ask else _LOCKED
    return _ACCEPTED


@kernel
def _too_wide(spread, mid, medians, state, floats):  # type: ignore[no-untyped-def]
    """Whether the spread is so many running medians; moves the median."""
    usual = floats[SPREAD]
    if usual == 0.0:
        floats[SPREAD] = spread
        return False
    wide = spread > medians * max(usual, _SPREAD_FLOOR * mid)
    if not wide:
        state[WIDE_RUN] = 0
        floats[SPREAD] = usual * (1.0 + _SPREAD_STEP) if spread > usual else usual / (1.0 + _SPREAD_STEP) if spread < usual else usual
        return False
    state[WIDE_RUN] += 1
    if state[WIDE_RUN] < WITNESSES:
        return True
    state[WIDE_RUN] = 0
    floats[SPREAD] = spread
    return False


@kernel
def _order(kind, t, sequence, mark, state):  # type: ignore[no-untyped-def]
    """DUPLICATE, OUT_OF_ORDER or 0; a mark of 0 is none."""
    last = state[LAST_SEQUENCE + kind]
    numbered = NO_SEQUENCE not in (sequence, last)
    if mark != 0 and (mark == state[LAST_MARK + kind] or t < state[LAST_T + kind] or numbered):  # a size may go and come back at one time
        for k in range(RING_SIZE):
            if state[RING + k] == mark:
                return _DUPLICATE
    if numbered and sequence == last:
        return _DUPLICATE
    return _OUT_OF_ORDER if t < state[LAST_T + kind] or (numbered and sequence < last) else 0


@kernel
def _clock(t, received, now, staleness, state, floats):  # type: ignore[no-untyped-def]
    """CLOCK_JUMP, STALE or 0. A record that brings no time of its reception is held against `now` (0: unknown) for jumps alone."""
    if received <= 0:
        return _JUMP if now > 0 and t - now > staleness else 0
    latency, usual = float(received - t), floats[LATENCY]
    verdict = _JUMP if latency < usual - staleness else _STALE if latency > usual + staleness else 0
    state[CLOCK_RUN] = state[CLOCK_RUN] + 1 if verdict else 0
    if math.isnan(usual) or state[CLOCK_RUN] >= WITNESSES:
        state[CLOCK_RUN] = 0
        floats[LATENCY] = latency
        return 0
    if verdict == 0 and latency != usual:
        floats[LATENCY] += staleness / _LATENCY_STEP if latency > usual else -staleness / _LATENCY_STEP
    return verdict


@kernel
def _mark(t, received, sequence, kind, bids, asks, many_bids, many_asks):  # type: ignore[no-untyped-def]
    """A hash of everything the record says, never 0; the numbers of the levels come as their bits."""
    total = np.uint64(kind + 1)
    for word in (t, received, sequence, many_bids, many_asks):
        total = (total ^ np.uint64(word)) * _GOLDEN
        total ^= total >> _HALF
    for k in range(many_bids):
        total = (total ^ np.uint64(bids[k, 0])) * _GOLDEN
        total = ((total ^ (total >> _HALF)) ^ np.uint64(bids[k, 1])) * _GOLDEN
        total ^= total >> _HALF
    for k in range(many_asks):
        total = (total ^ np.uint64(asks[k, 0])) * _GOLDEN
        total = ((total ^ (total >> _HALF)) ^ np.uint64(asks[k, 1])) * _GOLDEN
        total ^= total >> _HALF
    return np.int64(total | np.uint64(1))


@kernel
def _judge_book(bids, asks, many_bids, many_asks, limits, state, floats, shape):  # type: ignore[no-untyped-def]
    """The rule that a book or quote breaks by itself, by its tick or its spread; limits (tick or 0, spread medians)."""
    rule = _alone(bids, asks, many_bids, many_asks, shape)
    if rule in (_CROSSED, _LOCKED):
        state[CROSSED_RUN] += 1
    if rule != _ACCEPTED:
        return rule
    if limits[0] > 0.0:
        off = tick.breaks(bids, asks, many_bids, many_asks, limits[0])
    else:
        news = shape[0] != floats[TOP] or shape[1] != floats[TOP + 1]
        off = not tick.learns(bids, asks, many_bids, many_asks, np.int64(shape[2] + shape[3]), news, state[TICK:RING_AT])
    if off:
        return _OFF_TICK
    both = shape[2] > 0.0 and shape[3] > 0.0
    return _WIDE if both and _too_wide(shape[1] - shape[0], 0.5 * (shape[0] + shape[1]), limits[1], state, floats) else _ACCEPTED


@kernel
def _accept(kind, t, sequence, mark, shape, state, floats):  # type: ignore[no-untyped-def]
    """Remember an accepted record. Returns whether what came before it was an auction."""
    state[LAST_T + kind] = t
    if sequence != NO_SEQUENCE:
        state[LAST_SEQUENCE + kind] = sequence
    if mark != 0:
        state[LAST_MARK + kind] = mark
        state[RING + state[RING_AT]] = mark
        state[RING_AT] = (state[RING_AT] + 1) % RING_SIZE
    if kind == _TRADE:
        return False
    floats[TOP], floats[TOP + 1] = shape[0], shape[1]
    state[SIDES] = (1 if shape[2] > 0.0 else 0) + (2 if shape[3] > 0.0 else 0)
    auction = state[CROSSED_RUN] >= AUCTION_RUN
    state[CROSSED_RUN] = 0
    return auction


@kernel
def judge(times, kind, row, books, quotes, trades, limits, now, staleness, state, floats, codes, breaks, ticks):  # type: ignore[no-untyped-def]
    """The verdict on n events into codes (n,); ticks (n,): that in force, 0 while unknown; breaks (n,): an auction has ended.

    times (n, 3): t, received, sequence. books, quotes and trades: each bids, asks (m, L, 2), their bits as integers, and counts (m, 2).
    limits (2,): the tick or 0 and the spread in medians. state (INTEGERS,) and floats (FLOATS,) are moved on.
    """
    shape = np.zeros(4)
    for i in range(kind.size):
        table = books if kind[i] == 0 else quotes if kind[i] == 1 else trades
        r, t, received, sequence = row[i], times[i, 0], times[i, 1], times[i, 2]
        bids, asks = table[0][r], table[1][r]
        many_bids, many_asks = _within(table[4][r, 0], bids.shape[0]), _within(table[4][r, 1], bids.shape[0])
        if t == NO_TIME:
            codes[i] = _NOT_FINITE
            continue
        rule = (
            _values(bids, many_bids) if kind[i] == _TRADE else _judge_book(bids, asks, many_bids, many_asks, limits, state, floats, shape)
        )
        mark = 0
        if rule in (_ACCEPTED, _EMPTY):
            if kind[i] != _TRADE or sequence != NO_SEQUENCE:  # prints without numbers may be equal and yet two
                mark = _mark(t, received, sequence, kind[i], table[2][r], table[3][r], many_bids, many_asks)
            late = _order(kind[i], t, sequence, mark, state)
            late = late if late else _clock(t, received, now, staleness, state, floats)
            rule = late if late else rule
        codes[i] = rule
        ticks[i] = limits[0] if limits[0] > 0.0 else tick.value(state[TICK:RING_AT], tick.DECIMALS)
        if rule in (_ACCEPTED, _EMPTY):
            breaks[i] = _accept(kind[i], t, sequence, mark, shape, state, floats)


@kernel
def blemished(bids, asks, counts, most, rows):  # type: ignore[no-untyped-def]
    """Whether any book (m, L, 2) has a level of size zero, or more than `most`; marks these in rows (m,)."""
    found = False
    for r in range(counts.shape[0]):
        for side in range(2):
            levels, many = (bids if side == 0 else asks), _within(counts[r, side], bids.shape[1])
            rows[r] = rows[r] or many > most
            for k in range(many):
                rows[r] = rows[r] or levels[r, k, 1] == 0.0
        found = found or rows[r]
    return found


@kernel
def mend(levels, counts, side, most):  # type: ignore[no-untyped-def]
    """Drop levels of size zero and those beyond `most` from one side (m, L, 2) of books, in place."""
    for r in range(levels.shape[0]):
        kept = 0
        for k in range(_within(counts[r, side], levels.shape[1])):
            if levels[r, k, 1] != 0.0 and kept < most:
                levels[r, kept, 0], levels[r, kept, 1] = levels[r, k, 0], levels[r, k, 1]
                kept += 1
        levels[r, kept:] = 0.0
        counts[r, side] = kept


def warm() -> None:
    """Compile or load every kernel of this file."""
    state, floats = fresh()
    cube, counts = np.ones((1, 1, 2)), np.ones((1, 2), np.int64)
    mend(cube, counts, 0, 1)
    table = (cube, cube + 1.0, cube.view(np.int64), cube.view(np.int64), counts)
    times, kind, row = np.ones((1, 3), np.int64), np.zeros(1, np.uint8), np.zeros(1, np.int64)
    for array in (*table, kind, row):
        read_only(array)
    limits, results = np.array([0.0, 50.0]), (np.zeros(1, np.uint8), np.zeros(1, np.bool_), np.zeros(1))
    blemished(table[0], table[1], table[4], 1, np.zeros(1, np.bool_))
    judge(times, kind, row, table, table, table, limits, 0, 1, state, floats, *results)
