"""Evenly spread pieces of a long series, for figures that do not need all of it."""

from itertools import pairwise
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector

_SHORTEST: Final = 16  # samples of a piece

Pieces = tuple[tuple[int, int], ...]
"""First sample and end of each piece, in order; none reaches across a session."""


def spread(starts: Times, most: int, width: int) -> Pieces:
    """The sessions themselves when they hold at most `most` samples, else pieces of at most `width`, about `most` samples in all."""
    bounds = starts.tolist()
    if bounds[-1] <= most:
        return tuple(pairwise(bounds))
    pieces = [(c, min(c + width, b)) for a, b in pairwise(bounds) for c in range(a, b, width) if b - c >= _SHORTEST]
    count = max(most * len(pieces) // bounds[-1], 1)
    return tuple(pieces[i] for i in np.linspace(0, len(pieces) - 1, count).astype(np.int64).tolist())


def taken(v: Vector, pieces: Pieces) -> tuple[Vector, Times]:
    """The pieces of v (n,) one after another (m,), and where each begins, m at the end (k + 1,)."""
    starts = np.cumsum([0, *(b - a for a, b in pieces)])
    if starts[-1] == v.size:
        return v, starts
    return np.concatenate([v[a:b] for a, b in pieces]), starts
