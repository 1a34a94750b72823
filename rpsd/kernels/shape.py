"""What a book looks like at one moment: thirteen features of its two sides, see `sides`."""

from collections.abc import Callable

import numpy as np

from rpsd.kernels.jit import kernel
from rpsd.kernels.sides import ASKS, BOOK, COUNTS, LEVELS, Side


def reference_shape(book: tuple[Side, Side], top: float) -> list[float]:
    """Features 0 to 12 of a book (bids, asks) in places, `top` being the mean size at the best quotes."""
    places, sizes = ([np.array([level[j] for level in side]) for side in book] for j in (0, 1))
    ratio: Callable[[float, float], float] = lambda x, y: x / y if y > 0.0 else 0.0  # noqa: E731
    b, a = (np.pad(side, (0, LEVELS - side.size)) for side in sizes)
    imbalance = [
        ratio((w * (b - a)).sum(), (w * (b + a)).sum()) for w in (*(np.arange(LEVELS) < k for k in (1, 3, 5, 10)), 0.6 ** np.arange(LEVELS))
    ]
    n = min(5, *(len(side) for side in book))
    spread, micro5 = 0.0, 0.0
    if n > 0:
        spread, mid = places[0][0] + places[1][0], 0.5 * (places[1][0] - places[0][0])
        micro5 = ratio(((places[1][:n] - mid) * b[:n] - (places[0][:n] + mid) * a[:n]).sum(), (b[:n] + a[:n]).sum())
    slopes = [np.log1p(ratio(ratio(q.sum(), s[-1] - s[0] + 1.0), top)) if s.size else 0.0 for s, q in zip(places, sizes, strict=True)]
    gaps = [s[1] - s[0] if s.size > 1 else 0.0 for s in places]
    return [spread, *imbalance, 0.5 * spread * imbalance[0], micro5, ratio(b[0] + a[0], (b + a).sum()), *slopes, *gaps]


@kernel
def _sums(state, at):  # type: ignore[no-untyped-def]
    """Size of a side over its first 3, 5 and 10 levels, and weighted by 0.6^k."""
    three = state[at + LEVELS] + state[at + LEVELS + 1] + state[at + LEVELS + 2]
    five = three + state[at + LEVELS + 3] + state[at + LEVELS + 4]
    ten, weighted, weight = five, 0.0, 1.0
    for k in range(5, LEVELS):
        ten += state[at + LEVELS + k]
    for k in range(LEVELS):
        weighted += weight * state[at + LEVELS + k]
        weight *= 0.6
    return three, five, ten, weighted


@kernel
def _imbalance(b, a):  # type: ignore[no-untyped-def]
    """(b - a) / (b + a), 0 where both are 0."""
    return (b - a) / (b + a) if b + a > 0.0 else 0.0


@kernel
def _micro5(state):  # type: ignore[no-untyped-def]
    """Ticks from the mid to the mean of the quotes of five levels, each weighted by the size on the other side."""
    levels = min(5, int(min(state[COUNTS], state[COUNTS + 1])))
    up, down, total = 0.0, 0.0, 0.0
    for k in range(levels):
        b, a = state[LEVELS + k], state[ASKS + LEVELS + k]
        up += (2.0 * state[ASKS + k] - state[ASKS] + state[0]) * b
        down += (2.0 * state[k] - state[0] + state[ASKS]) * a
        total += b + a
    return 0.5 * (up - down) / total if total > 0.0 else 0.0


@kernel
def _slope(state, at, levels, depth, top):  # type: ignore[no-untyped-def]
    """log1p of the side's depth per tick in units of the mean size at the best quotes."""
    if levels == 0 or top <= 0.0:
        return 0.0
    return np.log1p(depth / (state[at + levels - 1] - state[at] + 1.0) / top)


@kernel
def shape(state, top, out):  # type: ignore[no-untyped-def]
    """`reference_shape` of the book in the state into out (13,)."""
    n_b, n_a = int(state[COUNTS]), int(state[COUNTS + 1])
    b, a = state[LEVELS], state[ASKS + LEVELS]
    b3, b5, b10, weighted_b = _sums(state, 0)
    a3, a5, a10, weighted_a = _sums(state, ASKS)
    spread = state[ASKS] + state[0] if n_b > 0 and n_a > 0 else 0.0
    out[0] = spread
    out[1] = _imbalance(b, a)
    out[2] = _imbalance(b3, a3)
    out[3] = _imbalance(b5, a5)
    out[4] = _imbalance(b10, a10)
    out[5] = _imbalance(weighted_b, weighted_a)
    out[6] = 0.5 * spread * out[1]
    out[7] = _micro5(state)
    out[8] = (b + a) / (b10 + a10) if b10 + a10 > 0.0 else 0.0
    out[9] = _slope(state, 0, n_b, b10, top)
    out[10] = _slope(state, ASKS, n_a, a10, top)
    out[11] = state[1] - state[0] if n_b > 1 else 0.0
    out[12] = state[ASKS + 1] - state[ASKS] if n_a > 1 else 0.0


def warm() -> None:
    """Compile or load every kernel of this file."""
    shape(np.zeros(BOOK), 1.0, np.empty(13))
