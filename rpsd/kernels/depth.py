"""The fused order book of one symbol and its 27 features: one kernel for files and for live events.

A side is kept as places s rising away from the best, s = price / tick of an ask and -price / tick of a bid, rounded to whole numbers: both
sides run through the same code, so a mirrored book gives exactly mirrored features. A level that is not known has s = FAR and no size.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import FEATURE_LEVELS, NO_SEQUENCE, Event, Grid
from rpsd.core.market import Times, Vector
from rpsd.kernels.jit import kernel

FEATURES: Final = 27
FAR: Final = 2.0**60
"""Place of a level that is not known."""
NEVER: Final = -(2**63)
DECAYS: Final = (0.2, 1.0, 10.0)
"""Seconds in which a decayed sum falls to 1/e: fast, medium, slow."""
_LARGEST_SIZE: Final = 1e100  # sums and ratios of sizes stay finite
_LARGEST_PLACE: Final = 2.0**50  # twice a place and sums of two are still exact
_TOP_EVENTS: Final = 1000  # events over which the size at the best quotes is averaged
_DEPTH: Final = int(Event.DEPTH)
_QUOTE: Final = int(Event.QUOTE)
_L: Final = FEATURE_LEVELS

# places in the state: two sides of _L places and _L sizes, then
_ASKS: Final = 2 * _L
_LEVELS: Final = 4 * _L  # known levels of each side
_TOP: Final = _LEVELS + 2  # mean size at the best quotes
_SEEN: Final = _TOP + 1  # events that it averages, at most _TOP_EVENTS
_OFI: Final = _SEEN + 1  # decayed sums of the best level's order flow: fast, medium, slow
_OFI_BELOW: Final = _OFI + 3  # medium, of the levels 1, 2, 3 and 5 places below the best
_MOM: Final = _OFI_BELOW + 4  # fast, slow
_SQUARES: Final = _MOM + 2
_RATE: Final = _SQUARES + 1
_DIRECTION: Final = _RATE + 1
_MID: Final = _DIRECTION + 1  # twice the mid in ticks
_MID_KNOWN: Final = _MID + 1
_KNOWN: Final = _MID_KNOWN + 1  # a book was seen since the last interruption
_QUOTED: Final = _KNOWN + 1  # the last quote: place and size of the bid, of the ask
NUMBERS: Final = _QUOTED + 4
"""Numbers in the state."""

# places in the marks
_CLOCK: Final = 0
_QUOTE_T: Final = 1
_QUOTE_SEQUENCE: Final = 2
_MOVED: Final = 3
MARKS: Final = 4
"""Integers beside the state: times in ns, and an update id."""


def start() -> tuple[Vector, Times]:
    """State (NUMBERS,) and marks (MARKS,) before the first event."""
    state, marks = np.zeros(NUMBERS), np.full(MARKS, NEVER)
    state[:_L] = state[_ASKS : _ASKS + _L] = FAR
    marks[_QUOTE_SEQUENCE] = NO_SEQUENCE
    return state, marks


@kernel
def _take(state, at, levels, i, count, per_tick):  # type: ignore[no-untyped-def]
    """A side of the book becomes that of levels[i]; a negative per_tick turns bids into places."""
    n = min(count, _L, levels.shape[1])
    for k in range(n):
        state[at + k] = min(max(np.rint(levels[i, k, 0] * per_tick), -_LARGEST_PLACE), _LARGEST_PLACE)
        state[at + _L + k] = min(max(levels[i, k, 1], 0.0), _LARGEST_SIZE)
    for k in range(n, _L):
        state[at + k], state[at + _L + k] = FAR, 0.0
    return n


@kernel
def _put(state, at, n, place, size):  # type: ignore[no-untyped-def]
    """The best level of a side of n levels becomes (place, size): levels before it go. Returns how many levels there are."""
    if size <= 0.0:
        for k in range(_L):
            state[at + k], state[at + _L + k] = FAR, 0.0
        return 0
    gone = 0
    while gone < n and state[at + gone] < place:
        gone += 1
    left = n - gone
    if left == 0 or state[at + gone] != place:
        gone, left = gone - 1, min(left + 1, _L)
    if gone < 0:
        for k in range(left - 1, 0, -1):
            state[at + k], state[at + _L + k] = state[at + k - 1], state[at + _L + k - 1]
    elif gone > 0:
        for k in range(left):
            state[at + k], state[at + _L + k] = state[at + k + gone], state[at + _L + k + gone]
        for k in range(left, _L):
            state[at + k], state[at + _L + k] = FAR, 0.0
    state[at], state[at + _L] = place, size
    return left


@kernel
def _put_quote(state):  # type: ignore[no-untyped-def]
    """The last quote becomes the top of the book."""
    for side in range(2):
        at, quoted = side * _ASKS, _QUOTED + 2 * side
        state[_LEVELS + side] = _put(state, at, int(state[_LEVELS + side]), state[quoted], state[quoted + 1])


@kernel
def _interrupt(state, marks):  # type: ignore[no-untyped-def]
    """Forget all flow, but not the book: what comes next is compared with nothing before."""
    for j in range(_OFI, _KNOWN + 1):
        state[j] = 0.0
    marks[_MOVED] = NEVER


@kernel
def _pass_time(state, marks, t, pause_ns):  # type: ignore[no-untyped-def]
    """Set the clock to t where that is later, and let the sums decay; powers of one exponential serve all three decays."""
    elapsed = t - marks[_CLOCK]
    if marks[_CLOCK] == NEVER:
        marks[_CLOCK] = t
        return
    if elapsed <= 0:
        return
    marks[_CLOCK] = t
    if elapsed > pause_ns:
        _interrupt(state, marks)
        return
    slow = np.exp(-1e-10 * elapsed)
    slow2 = slow * slow
    slow4 = slow2 * slow2
    medium = slow4 * slow4 * slow2
    medium2 = medium * medium
    fast = medium2 * medium2 * medium
    state[_OFI] *= fast
    state[_OFI + 1] *= medium
    state[_OFI + 2] *= slow
    for j in range(_OFI_BELOW, _OFI_BELOW + 4):
        state[j] *= medium
    state[_MOM] *= fast
    state[_MOM + 1] *= slow
    state[_SQUARES] *= slow
    state[_RATE] *= medium


@kernel
def _flow(state, old, at, k):  # type: ignore[no-untyped-def]
    """What one side contributes to the order flow of its level k, the book before being `old`."""
    now, before = state[at + k], old[at + k]
    if k > 0 and max(now, before) == FAR:
        return 0.0  # a level that was cut off or not yet known has not been traded or cancelled
    return (state[at + _L + k] if now <= before else 0.0) - (old[at + _L + k] if now >= before else 0.0)


@kernel
def _follow(state, marks, old):  # type: ignore[no-untyped-def]
    """Add what the event did to the sums, the book before it being `old`; returns the order flow of the best level."""
    size = 0.5 * (state[_L] + state[_ASKS + _L])
    state[_SEEN] = min(state[_SEEN] + 1.0, float(_TOP_EVENTS))
    state[_TOP] += (size - state[_TOP]) / state[_SEEN]
    e = 0.0
    if state[_KNOWN] == 1.0:
        e = _flow(state, old, 0, 0) - _flow(state, old, _ASKS, 0)
        for j in range(3):
            state[_OFI + j] += e
            state[_OFI_BELOW + j] += _flow(state, old, 0, j + 1) - _flow(state, old, _ASKS, j + 1)
        state[_OFI_BELOW + 3] += _flow(state, old, 0, 5) - _flow(state, old, _ASKS, 5)
    state[_KNOWN] = 1.0
    if state[_LEVELS] > 0.0 and state[_LEVELS + 1] > 0.0:
        mid = state[_ASKS] - state[0]
        move = 0.5 * (mid - state[_MID])
        if state[_MID_KNOWN] == 1.0 and move != 0.0:
            state[_MOM] += move
            state[_MOM + 1] += move
            state[_SQUARES] += move * move
            state[_DIRECTION] = 1.0 if move > 0.0 else -1.0
            marks[_MOVED] = marks[_CLOCK]
        state[_MID], state[_MID_KNOWN] = mid, 1.0
    return e


@kernel
def _sums(state, at):  # type: ignore[no-untyped-def]
    """Size of a side over its first 3, 5 and 10 levels, and weighted by 0.6^k."""
    three = state[at + _L] + state[at + _L + 1] + state[at + _L + 2]
    five = three + state[at + _L + 3] + state[at + _L + 4]
    ten, weighted, weight = five, 0.0, 1.0
    for k in range(5, _L):
        ten += state[at + _L + k]
    for k in range(_L):
        weighted += weight * state[at + _L + k]
        weight *= 0.6
    return three, five, ten, weighted


@kernel
def _imbalance(b, a):  # type: ignore[no-untyped-def]
    """(b - a) / (b + a), 0 where both are 0."""
    return (b - a) / (b + a) if b + a > 0.0 else 0.0


@kernel
def _micro5(state):  # type: ignore[no-untyped-def]
    """Ticks from the mid to the mean of the quotes of five levels, each weighted by the size on the other side."""
    levels = min(5, int(min(state[_LEVELS], state[_LEVELS + 1])))
    up, down, total = 0.0, 0.0, 0.0
    for k in range(levels):
        b, a = state[_L + k], state[_ASKS + _L + k]
        up += (2.0 * state[_ASKS + k] - state[_ASKS] + state[0]) * b
        down += (2.0 * state[k] - state[0] + state[_ASKS]) * a
        total += b + a
    return 0.5 * (up - down) / total if total > 0.0 else 0.0


@kernel
def _slope(state, at, levels, depth):  # type: ignore[no-untyped-def]
    """log1p of the side's depth per tick in units of the mean size at the best quotes."""
    if levels == 0 or state[_TOP] <= 0.0:
        return 0.0
    return np.log1p(depth / (state[at + levels - 1] - state[at] + 1.0) / state[_TOP])


@kernel
def _shape(state, out):  # type: ignore[no-untyped-def]
    """Features 0 to 12 of a row: what the book looks like."""
    n_b, n_a = int(state[_LEVELS]), int(state[_LEVELS + 1])
    b, a = state[_L], state[_ASKS + _L]
    b3, b5, b10, weighted_b = _sums(state, 0)
    a3, a5, a10, weighted_a = _sums(state, _ASKS)
    spread = state[_ASKS] + state[0] if n_b > 0 and n_a > 0 else 0.0
    out[0] = spread
    out[1] = _imbalance(b, a)
    out[2] = _imbalance(b3, a3)
    out[3] = _imbalance(b5, a5)
    out[4] = _imbalance(b10, a10)
    out[5] = _imbalance(weighted_b, weighted_a)
    out[6] = 0.5 * spread * out[1]
    out[7] = _micro5(state)
    out[8] = (b + a) / (b10 + a10) if b10 + a10 > 0.0 else 0.0
    out[9] = _slope(state, 0, n_b, b10)
    out[10] = _slope(state, _ASKS, n_a, a10)
    out[11] = state[1] - state[0] if n_b > 1 else 0.0
    out[12] = state[_ASKS + 1] - state[_ASKS] if n_a > 1 else 0.0


@kernel
def _motion(state, marks, e, out):  # type: ignore[no-untyped-def]
    """Features 13 to 26 of a row: what has been happening."""
    share = 1.0 / state[_TOP] if state[_TOP] > 0.0 else 0.0
    out[13] = e * share
    for j in range(7):
        out[14 + j] = state[_OFI + j] * share
    out[21], out[22] = state[_MOM], state[_MOM + 1]
    out[23] = np.sqrt(0.1 * state[_SQUARES])
    out[24] = np.log1p(state[_RATE])
    out[25] = np.log1p(1e-6 * (marks[_CLOCK] - marks[_MOVED])) if marks[_MOVED] != NEVER else 0.0
    out[26] = state[_DIRECTION]


@kernel
def depth(kind, t, sequence, row, bids, asks, counts, quotes, tick, pause_ns, state, marks, out, tops):  # type: ignore[no-untyped-def]
    """`reference_depth` into out (n, 27) and tops (n, 4), on from state and marks. The arrays of the tape are read-only ones."""
    per_tick = 1.0 / tick
    whole = np.rint(per_tick)  # ticks in a unit of price: dividing by it gives back the decimal price that was sent
    exact = whole >= 1.0 and abs(per_tick - whole) < 1e-9 * whole
    old = np.empty(4 * _L)
    for i in range(t.size):
        _pass_time(state, marks, t[i], pause_ns)
        state[_RATE] += 1.0
        e, r = 0.0, row[i]
        if kind[i] <= _QUOTE:
            for j in range(4 * _L):
                old[j] = state[j]
            if kind[i] == _DEPTH:
                state[_LEVELS] = _take(state, 0, bids, r, counts[r, 0], -per_tick)
                state[_LEVELS + 1] = _take(state, _ASKS, asks, r, counts[r, 1], per_tick)
                numbered = sequence[i] != NO_SEQUENCE and marks[_QUOTE_SEQUENCE] != NO_SEQUENCE
                if sequence[i] < marks[_QUOTE_SEQUENCE] if numbered else t[i] < marks[_QUOTE_T]:
                    _put_quote(state)
            else:
                marks[_QUOTE_T], marks[_QUOTE_SEQUENCE] = t[i], sequence[i]
                for j in range(4):
                    value = quotes[r, j] if j % 2 else np.rint(quotes[r, j] * (per_tick if j else -per_tick))
                    state[_QUOTED + j] = min(max(value, -_LARGEST_PLACE), _LARGEST_PLACE) if j % 2 == 0 else min(value, _LARGEST_SIZE)
                _put_quote(state)
            e = _follow(state, marks, old)
        _shape(state, out[i])
        _motion(state, marks, e, out[i])
        for side in range(2):
            place = state[side * _ASKS] if side else -state[0]
            known = state[_LEVELS + side] > 0.0
            tops[i, 2 * side] = (place / whole if exact else place * tick) if known else 0.0
            tops[i, 2 * side + 1] = state[side * _ASKS + _L] if known else 0.0


def sides(state: Vector) -> tuple[Grid, Grid]:
    """Places and sizes (2, levels) of the bids and of the asks in the state."""
    n_b, n_a = int(state[_LEVELS]), int(state[_LEVELS + 1])
    bids, asks = state[:_ASKS].reshape(2, _L), state[_ASKS:_LEVELS].reshape(2, _L)
    return bids[:, :n_b], asks[:, :n_a]


def _frozen(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    for array in arrays:
        array.flags.writeable = False
    return arrays


def warm() -> None:
    """Compile or load every kernel of this file."""
    one = np.zeros(1, np.int64)
    events = _frozen(np.zeros(1, np.uint8), one, one.copy(), one.copy())
    tables = _frozen(np.ones((1, 1, 2)), np.ones((1, 1, 2)), np.ones((1, 2), np.int64), np.empty((0, 4)))
    depth(*events, *tables, 1.0, 1, *start(), np.empty((1, FEATURES)), np.empty((1, 4)))
