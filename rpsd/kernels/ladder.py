"""A book of full depth, kept by level updates that must follow one another without a gap.

A side is its levels with the best last: keys (+price of a bid, -price of an ask) ascending, and sizes; what happens near the best moves few
of them. The readable form, a dictionary of prices, is `Reference`.
Source of the sequence rules: Binance API documentation, "How to manage a local order book correctly", spot and futures.
"""

import math
from typing import Final

import numpy as np

from rpsd.core.book import NO_SEQUENCE, Rule
from rpsd.kernels.jit import kernel

_GAP, _DUPLICATE, _NOT_FINITE, _ZERO_PRICE, _NEGATIVE = (
    int(rule) for rule in (Rule.GAP, Rule.DUPLICATE, Rule.NOT_FINITE, Rule.ZERO_PRICE, Rule.NEGATIVE_SIZE)
)
LAST: Final = 0
"""Place of the last update id in the marks of a ladder."""
IS_FRESH: Final = 1
"""1 after a snapshot, before the first update on it."""
MARKS: Final = 2


class Reference:
    """Price -> size of each side; +1 bids, -1 asks."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[float, float]] = {1: {}, -1: {}}

    def set(self, side: int, price: float, size: float) -> None:
        """The size that now rests at the price; 0 takes the level away."""
        self.sides[side].pop(price, None)
        if size > 0.0:
            self.sides[side][price] = size

    def top(self, side: int, levels: int) -> list[tuple[float, float]]:
        """Price and size of the best levels."""
        return sorted(self.sides[side].items(), key=lambda level: -side * level[0])[:levels]


def reference_continues(first: int, last: int, previous: int, known: int, is_fresh: bool) -> Rule:
    """Whether the update follows the book that holds all up to the id `known`. NO_SEQUENCE: the feed does not say.

    Spot: U = known + 1, or less, since sizes are absolute. Futures: pu = known, and pu <= known < u for the first after a snapshot.
    """
    if NO_SEQUENCE in (last, known):
        return Rule.ACCEPTED
    if last <= known:
        return Rule.DUPLICATE
    if previous != NO_SEQUENCE:
        continues = previous <= known if is_fresh else previous == known
    else:
        continues = first == NO_SEQUENCE or first <= known + 1
    return Rule.ACCEPTED if continues else Rule.GAP


@kernel
def _continues(first, last, previous, marks):  # type: ignore[no-untyped-def]
    """`reference_continues` as a code."""
    known = marks[LAST]
    if NO_SEQUENCE in (last, known):
        return 0
    if last <= known:
        return _DUPLICATE
    if previous != NO_SEQUENCE:
        return 0 if previous == known or (previous < known and marks[IS_FRESH] == 1) else _GAP
    return 0 if first == NO_SEQUENCE or first <= known + 1 else _GAP


@kernel
def _fault(price, size, begin, stop):  # type: ignore[no-untyped-def]
    """The rule that a level change breaks, or 0."""
    for j in range(begin, stop):
        if not (math.isfinite(price[j]) and math.isfinite(size[j])):
            return _NOT_FINITE
    for j in range(begin, stop):
        if price[j] <= 0.0:
            return _ZERO_PRICE
    for j in range(begin, stop):
        if size[j] < 0.0:
            return _NEGATIVE
    return 0


@kernel
def _set(keys, sizes, many, key, size):  # type: ignore[no-untyped-def]
    """Set the size at a key among the first `many` of a side, 0 to take it away; returns how many there are then."""
    low, high = 0, many
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    if low < many and keys[low] == key:
        if size > 0.0:
            sizes[low] = size
            return many
        for k in range(low, many - 1):
            keys[k], sizes[k] = keys[k + 1], sizes[k + 1]
        return many - 1
    if size == 0.0:
        return many
    if many < keys.size:
        for k in range(many, low, -1):
            keys[k], sizes[k] = keys[k - 1], sizes[k - 1]
        keys[low], sizes[low] = key, size
        return many + 1
    for k in range(low - 1):  # no room: the level farthest from the best goes
        keys[k], sizes[k] = keys[k + 1], sizes[k + 1]
    if low > 0:
        keys[low - 1], sizes[low - 1] = key, size
    return many


@kernel
def _top(keys, sizes, many, sign, levels):  # type: ignore[no-untyped-def]
    """Write the best levels (L, 2) of a side; returns how many."""
    given = min(many, levels.shape[0])
    for k in range(given):
        levels[k, 0], levels[k, 1] = sign * keys[many - 1 - k], sizes[many - 1 - k]
    return given


@kernel
def walk(ids, start, side, price, size, begin, stop, marks, many, sides, bids, asks, counts, codes):  # type: ignore[no-untyped-def]
    """Apply the messages [begin, stop) in order, until one is missing or broken; returns the first that was not looked at.

    ids (m, 3): first, last, previous. start (m + 1,), side, price, size (k,): as in Updates. sides: keys and sizes of bids and of asks,
    with room; many (2,): how many are used. The best L levels after message i go to row i - begin of bids, asks (., L, 2) and counts.
    codes (m,): 0 applied; of the message that ended the walk the reason.
    """
    bid_keys, bid_sizes, ask_keys, ask_sizes = sides
    for i in range(begin, stop):
        codes[i] = _continues(ids[i, 0], ids[i, 1], ids[i, 2], marks)
        if codes[i] == 0:
            codes[i] = _fault(price, size, start[i], start[i + 1])
        if codes[i] == _DUPLICATE:
            continue
        if codes[i] != 0:
            return i + 1
        for j in range(start[i], start[i + 1]):
            if side[j] > 0:
                many[0] = _set(bid_keys, bid_sizes, many[0], price[j], size[j])
            else:
                many[1] = _set(ask_keys, ask_sizes, many[1], -price[j], size[j])
        if ids[i, 1] != NO_SEQUENCE:
            marks[LAST] = ids[i, 1]
        marks[IS_FRESH] = 0
        counts[i - begin, 0] = _top(bid_keys, bid_sizes, many[0], 1.0, bids[i - begin])
        counts[i - begin, 1] = _top(ask_keys, ask_sizes, many[1], -1.0, asks[i - begin])
    return stop


def warm() -> None:
    """Compile or load every kernel of this file."""
    ids, start, side = np.array([[1, 2, 0]]), np.array([0, 1]), np.array([1], np.int8)
    marks, many, sides = np.array([0, 1]), np.zeros(2, np.int64), tuple(np.zeros(4) for _ in range(4))
    tops, counts, codes = np.zeros((2, 1, 1, 2)), np.zeros((1, 2), np.int64), np.zeros(1, np.uint8)
    walk(ids, start, side, np.ones(1), np.ones(1), 0, 1, marks, many, sides, tops[0], tops[1], counts, codes)
