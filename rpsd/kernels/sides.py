"""The sides of an order book as places: s = price / tick of an ask and -price / tick of a bid, in whole numbers.

Places rise away from the best on either side, so one piece of code serves both, and a mirrored book gives exactly mirrored numbers. A side
is 2 LEVELS numbers of an array: the places, then the sizes; a level that is not known has the place FAR and no size.
"""

from typing import Final

import numpy as np

from rpsd.core.book import FEATURE_LEVELS, Grid
from rpsd.kernels.jit import kernel

LEVELS: Final = FEATURE_LEVELS
FAR: Final = 2.0**60
"""Place of a level that is not known."""
LARGEST_SIZE: Final = 1e100
"""Larger sizes count as this one, so that sums and ratios of sizes stay finite."""
LARGEST_PLACE: Final = 2.0**50
"""Twice a place and sums of two are still exact."""

ASKS: Final = 2 * LEVELS
"""Where the asks of a book begin in its array; the bids begin at 0."""
COUNTS: Final = 4 * LEVELS
"""Where the numbers of known levels stand, of bids and asks."""
BOOK: Final = COUNTS + 2
"""Numbers of a book."""

Side = list[tuple[float, float]]
"""Place and size of each level, the best first, as the readable forms keep them."""


def reference_take(levels: Grid, count: int, per_tick: float) -> Side:
    """The side that levels (L, 2) of price and size, `count` of them given, describe; a negative per_tick turns bids into places."""
    places = np.clip(np.rint(levels[:count, 0] * per_tick), -LARGEST_PLACE, LARGEST_PLACE)
    return list(zip(places.tolist(), np.clip(levels[:count, 1], 0.0, LARGEST_SIZE).tolist(), strict=True))[:LEVELS]


@kernel
def take(state, at, levels, i, count, per_tick):  # type: ignore[no-untyped-def]
    """`reference_take` of levels[i] into the side at state[at]; returns how many levels there are."""
    n = min(count, LEVELS, levels.shape[1])
    for k in range(n):
        state[at + k] = min(max(np.rint(levels[i, k, 0] * per_tick), -LARGEST_PLACE), LARGEST_PLACE)
        state[at + LEVELS + k] = min(max(levels[i, k, 1], 0.0), LARGEST_SIZE)
    for k in range(n, LEVELS):
        state[at + k], state[at + LEVELS + k] = FAR, 0.0
    return n


def reference_put(side: Side, place: float, size: float) -> Side:
    """The side once its best level is known to be (place, size): levels before it go, and all where it has no size."""
    return [(place, size), *(level for level in side if level[0] > place)][:LEVELS] if size > 0.0 else []


@kernel
def put(state, at, n, place, size):  # type: ignore[no-untyped-def]
    """`reference_put` of the side of n levels at state[at]; returns how many levels there are."""
    if size <= 0.0:
        for k in range(LEVELS):
            state[at + k], state[at + LEVELS + k] = FAR, 0.0
        return 0
    gone = 0
    while gone < n and state[at + gone] < place:
        gone += 1
    left = n - gone
    if left == 0 or state[at + gone] != place:
        gone, left = gone - 1, min(left + 1, LEVELS)
    if gone < 0:
        for k in range(left - 1, 0, -1):
            state[at + k], state[at + LEVELS + k] = state[at + k - 1], state[at + LEVELS + k - 1]
    elif gone > 0:
        for k in range(left):
            state[at + k], state[at + LEVELS + k] = state[at + k + gone], state[at + LEVELS + k + gone]
        for k in range(left, LEVELS):
            state[at + k], state[at + LEVELS + k] = FAR, 0.0
    state[at], state[at + LEVELS] = place, size
    return left


def warm() -> None:
    """Compile or load every kernel of this file."""
    state = np.empty(2 * LEVELS)
    levels = np.ones((1, 1, 2))
    levels.flags.writeable = False  # as the books of a tape are
    put(state, 0, take(state, 0, levels, 0, 1, 1.0), 0.0, 1.0)
