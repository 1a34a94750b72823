"""Lists of price and size as the arrays of tapes and updates."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from rpsd.core.book import NO_SEQUENCE, Cube, Grid, Integers, Updates, check_room
from rpsd.core.market import Times

Side = Sequence[Sequence[float]]
"""Price and size of each level of one side."""


def pairs(sides: Sequence[Side]) -> tuple[Grid, Integers]:
    """All levels (k, 2) one behind the other, and how many each record has (n,); O(k)."""
    lengths = np.fromiter(map(len, sides), np.int64, len(sides))
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(sides)), np.float64, 2 * int(lengths.sum()))
    return flat.reshape(-1, 2), lengths


def filled(flat: npt.NDArray[np.float64], lengths: Integers, levels: int) -> npt.NDArray[np.float64]:
    """The cells (k, …) of all records laid out by record (n, levels, …), zeros where a record has fewer levels."""
    if (lengths == levels).all():
        return flat.reshape(-1, levels, *flat.shape[1:])
    laid = np.zeros((lengths.size, levels, *flat.shape[1:]))
    laid[np.arange(levels) < lengths[:, None]] = flat
    return laid


def cubes(bids: Sequence[Side], asks: Sequence[Side]) -> tuple[Cube, Cube, Integers]:
    """Bids and asks (n, L, 2) of n records, L the most levels among them and at least 1, and the counts (n, 2).

    Raises BodyTooLarge.
    """
    if len(bids) == 1:
        return _of_one(bids[0], asks[0])
    sides = [pairs(bids), pairs(asks)]
    counts = np.stack([lengths for _, lengths in sides], 1)
    levels = max(1, int(counts.max(initial=0)))
    check_room(len(counts), levels, int(counts.sum()))
    of_bids, of_asks = (filled(flat, lengths, levels) for flat, lengths in sides)
    return of_bids, of_asks, counts


def _of_one(bids: Side, asks: Side) -> tuple[Cube, Cube, Integers]:
    """`cubes` of one record, as forecasts are asked for: what serves many at once costs one record more than its levels do."""
    counts = len(bids), len(asks)
    both = np.zeros((2, 1, max(1, *counts), 2))
    for side, levels in zip(both, (bids, asks), strict=True):
        if levels:
            side[0, : len(levels)] = levels
    return both[0], both[1], np.array([counts])


def column(given: Iterable[int | None], n: int, missing: int) -> Integers:
    """Integers (n,), `missing` for None."""
    return np.fromiter((missing if value is None else value for value in given), np.int64, n)


def messages(
    t: Times, received: Times, ids: Sequence[Any], is_snapshot: Sequence[bool], bids: Sequence[Side], asks: Sequence[Side]
) -> Updates:
    """Updates of m messages; ids = (first, last, previous) of each, None where the feed has none."""
    m = t.size
    (flat_bids, of_bids), (flat_asks, of_asks) = pairs(bids), pairs(asks)
    start = np.concatenate([[0], np.cumsum(of_bids + of_asks)])
    levels, side = np.empty((int(start[-1]), 2)), np.empty(int(start[-1]), np.int8)
    for flat, lengths, begins, sign in ((flat_bids, of_bids, start[:-1], 1), (flat_asks, of_asks, start[:-1] + of_bids, -1)):
        place = np.repeat(begins - np.cumsum(lengths) + lengths, lengths) + np.arange(flat.shape[0])
        levels[place], side[place] = flat, sign
    first, last, previous = (column((one[at] for one in ids), m, NO_SEQUENCE) for at in range(3))
    price, size = np.ascontiguousarray(levels[:, 0]), np.ascontiguousarray(levels[:, 1])
    return Updates(t, received, first, last, previous, np.array(is_snapshot, np.bool_), start, side, price, size)
