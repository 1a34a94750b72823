"""The fused order book of one symbol and its 27 features: one kernel for files and for live events.

Both sides run through the same code, see `sides`, and what they give is only ever compared as one side minus the other or their sum: a
mirrored book gives exactly mirrored features. The readable form (`reference_*`, Python) stands above the kernel.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import NO_SEQUENCE, Event, Grid, Tape
from rpsd.core.market import Times, Vector
from rpsd.kernels.jit import kernel
from rpsd.kernels.shape import reference_shape, shape
from rpsd.kernels.sides import ASKS, BOOK, COUNTS, FAR, LARGEST_PLACE, LARGEST_SIZE, LEVELS, Side, put, reference_put, reference_take, take

FEATURES: Final = 27
NEVER: Final = -(2**63)
DECAYS: Final = (0.2, 1.0, 10.0)
"""Seconds in which a decayed sum falls to 1/e: fast, medium, slow."""
_TOP_EVENTS: Final = 1000  # events over which the size at the best quotes is averaged
_DEPTH: Final = int(Event.DEPTH)
_QUOTE: Final = int(Event.QUOTE)

# places in the state: the book, then
_TOP: Final = BOOK  # mean size at the best quotes
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
    state[:LEVELS] = state[ASKS : ASKS + LEVELS] = FAR
    marks[_QUOTE_SEQUENCE] = NO_SEQUENCE
    return state, marks


def reference_flow(old: tuple[Side, Side], new: tuple[Side, Side], k: int) -> float:
    """Order flow of level k, in sizes, from the book `old` (bids, asks) to `new`; below the best, unknown levels contribute nothing.

    Source: Cont, Kukanov and Stoikov (2014), J. Financial Econometrics 12, 47-88, equation 10; for k > 0 Xu, Gould and Howison (2019).
    """
    parts = []
    for before, now in zip(old, new, strict=True):
        (place, size), (place_before, size_before) = ((side[k] if k < len(side) else (FAR, 0.0)) for side in (now, before))
        unknown = k > 0 and max(place, place_before) == FAR
        parts.append(0.0 if unknown else size * (place <= place_before) - size_before * (place >= place_before))
    return parts[0] - parts[1]


def reference_motion(past: list[tuple[int, list[float], float]], top: float) -> list[float]:
    """Features 13 to 26 from all events since the last interruption: clock in ns, order flow of levels 0 to 5, move of the mid."""
    t, flow, moves = np.array([p[0] for p in past]), np.array([p[1] for p in past]), np.array([p[2] for p in past])
    fast, medium, slow = (np.exp(-1e-9 * (t[-1] - t) / seconds) for seconds in DECAYS)
    ofi = flow / top if top > 0.0 else 0.0 * flow
    below = [medium @ ofi[:, k] for k in (1, 2, 3, 5)]
    last = np.flatnonzero(moves)[-1:]
    since = [np.log1p(1e-6 * float(t[-1] - t[j])) for j in last] or [0.0]
    sums = [ofi[-1, 0], fast @ ofi[:, 0], medium @ ofi[:, 0], slow @ ofi[:, 0], *below, fast @ moves, slow @ moves]
    return [*sums, np.sqrt(slow @ moves**2 / DECAYS[2]), np.log1p(medium.sum()), *since, *([np.sign(moves[j]) for j in last] or [0.0])]


def reference_books(tape: Tape, tick: float) -> list[tuple[Side, Side]]:
    """The fused book (bids, asks) in places after each event of a tape.

    A quote becomes the top of the book; a book replaces it all, but where it is older than the last quote that goes on top again.
    """
    book: tuple[Side, Side] = ([], [])
    books, quoted = [], -1
    signed = (-1.0 / tick, 1.0 / tick)
    for i in range(tape.n):
        r = tape.row[i]
        if tape.kind[i] == Event.DEPTH:
            bids, asks = (reference_take(s[r], n, per) for s, n, per in zip((tape.bids, tape.asks), tape.counts[r], signed, strict=True))
            book = (bids, asks)
        elif tape.kind[i] == Event.QUOTE:
            quoted = i
        if quoted == i or (tape.kind[i] == Event.DEPTH and quoted >= 0 and _older(tape, i, quoted)):
            pairs = tape.quotes[tape.row[quoted]].reshape(2, 1, 2)
            bids, asks = (reference_put(s, *reference_take(q, 1, per)[0]) for s, q, per in zip(book, pairs, signed, strict=True))
            book = (bids, asks)
        books.append(book)
    return books


def _older(tape: Tape, book: int, quote: int) -> bool:
    """Whether the event `book` tells of an earlier time than the event `quote`: by update id where both have one."""
    numbered = NO_SEQUENCE not in (tape.sequence[book], tape.sequence[quote])
    return bool(tape.sequence[book] < tape.sequence[quote] if numbered else tape.t[book] < tape.t[quote])


def reference_depth(tape: Tape, tick: float, pause_ns: int) -> Grid:
    """Features (n, 27) after each event of a tape. A pause of the clock longer than pause_ns ends all flow. O(n^2)."""
    before: tuple[Side, Side] | None = None
    mid, top, seen, past = np.nan, 0.0, 0, []  # type: ignore[var-annotated]
    rows, clock = np.empty((tape.n, FEATURES)), np.maximum.accumulate(tape.t)
    for i, book in enumerate(reference_books(tape, tick)):
        flow, move = [0.0] * 6, 0.0
        if i > 0 and clock[i] - clock[i - 1] > pause_ns:
            past, mid, before = [], np.nan, None
        if tape.kind[i] != Event.TRADE:
            seen = min(seen + 1, _TOP_EVENTS)
            top += (sum(side[0][1] for side in book if side) / 2.0 - top) / seen
            flow = [reference_flow(before, book, k) for k in range(6)] if before is not None else flow
            before = book
            if book[0] and book[1]:
                now = 0.5 * (book[1][0][0] - book[0][0][0])
                move, mid = 0.0 if np.isnan(mid) else now - mid, now
        past.append((int(clock[i]), flow, move))
        rows[i] = [*reference_shape(book, top), *reference_motion(past, top)]
    return rows


@kernel
def _put_quote(state):  # type: ignore[no-untyped-def]
    """The last quote becomes the top of the book."""
    for side in range(2):
        at, quoted = side * ASKS, _QUOTED + 2 * side
        state[COUNTS + side] = put(state, at, int(state[COUNTS + side]), state[quoted], state[quoted + 1])


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
    return (state[at + LEVELS + k] if now <= before else 0.0) - (old[at + LEVELS + k] if now >= before else 0.0)


@kernel
def _follow(state, marks, old):  # type: ignore[no-untyped-def]
    """Add what the event did to the sums, the book before it being `old`; returns the order flow of the best level."""
    size = 0.5 * (state[LEVELS] + state[ASKS + LEVELS])
    state[_SEEN] = min(state[_SEEN] + 1.0, float(_TOP_EVENTS))
    state[_TOP] += (size - state[_TOP]) / state[_SEEN]
    e = 0.0
    if state[_KNOWN] == 1.0:
        e = _flow(state, old, 0, 0) - _flow(state, old, ASKS, 0)
        for j in range(3):
            state[_OFI + j] += e
            state[_OFI_BELOW + j] += _flow(state, old, 0, j + 1) - _flow(state, old, ASKS, j + 1)
        state[_OFI_BELOW + 3] += _flow(state, old, 0, 5) - _flow(state, old, ASKS, 5)
    state[_KNOWN] = 1.0
    if state[COUNTS] > 0.0 and state[COUNTS + 1] > 0.0:
        mid = state[ASKS] - state[0]
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
    old = np.empty(4 * LEVELS)
    for i in range(t.size):
        _pass_time(state, marks, t[i], pause_ns)
        state[_RATE] += 1.0
        e, r = 0.0, row[i]
        if kind[i] <= _QUOTE:
            for j in range(4 * LEVELS):
                old[j] = state[j]
            if kind[i] == _DEPTH:
                state[COUNTS] = take(state, 0, bids, r, counts[r, 0], -per_tick)
                state[COUNTS + 1] = take(state, ASKS, asks, r, counts[r, 1], per_tick)
                numbered = sequence[i] != NO_SEQUENCE and marks[_QUOTE_SEQUENCE] != NO_SEQUENCE
                if sequence[i] < marks[_QUOTE_SEQUENCE] if numbered else t[i] < marks[_QUOTE_T]:
                    _put_quote(state)
            else:
                marks[_QUOTE_T], marks[_QUOTE_SEQUENCE] = t[i], sequence[i]
                for j in range(4):
                    value = quotes[r, j] if j % 2 else np.rint(quotes[r, j] * (per_tick if j else -per_tick))
                    state[_QUOTED + j] = min(max(value, -LARGEST_PLACE), LARGEST_PLACE) if j % 2 == 0 else min(value, LARGEST_SIZE)
                _put_quote(state)
            e = _follow(state, marks, old)
        shape(state, state[_TOP], out[i])
        _motion(state, marks, e, out[i])
        for side in range(2):
            place = state[side * ASKS] if side else -state[0]
            known = state[COUNTS + side] > 0.0
            tops[i, 2 * side] = (place / whole if exact else place * tick) if known else 0.0
            tops[i, 2 * side + 1] = state[side * ASKS + LEVELS] if known else 0.0


def sides(state: Vector) -> tuple[Grid, Grid]:
    """Places and sizes (2, levels) of the bids and of the asks in the state."""
    n_b, n_a = int(state[COUNTS]), int(state[COUNTS + 1])
    bids, asks = state[:ASKS].reshape(2, LEVELS), state[ASKS:COUNTS].reshape(2, LEVELS)
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
