"""A strategy on the tape of a book: what is sent, when it arrives, and what it trades with.

Orders do not change the book that is replayed, so sizes must be small against it. The rules are those of the readable form, which stands
first: a message decided after an event arrives `latency` later and meets the last book known by then; a taker walks the levels of the
other side; a resting order waits behind the size that was there when it arrived, and only prints at its price consume that queue, unless
cancellations are credited. Source for the queue: Moallemi and Yuan (2017), "A model for queue position valuation", section 2, with
cancellations taken to stand behind the order.
"""

from typing import Any, Final

import numpy as np

from rpsd.kernels.jit import kernel

NONE: Final = 0
TAKE: Final = 1  # enter across the spread
POST: Final = 2  # enter by waiting at the best quote
LEAVE: Final = 3  # wait at the other best quote with what is held
CANCEL: Final = 4
CROSS: Final = 5  # close across the spread
_TRADE: Final = 2
_DEPTH: Final = 0
_SAME: Final = 1e-9  # prices of one tick differ by less than this share, prices of two ticks by more
_DUST: Final = 1e-9  # share of an order that rounding may leave of a position; what fills less is no fill

MAKER, LATENCY, HOLD, SIZE, CREDIT = 0, 1, 2, 3, 4
"""Places in the plan (5,): 1 for a maker, ns, ns, size of an order, 1 when cancellations ahead are credited."""
AT, EVENT, SIDE, QUANTITY, PRICE, MID, TOUCH, DECIDED, MADE, TRIP = range(10)
"""Columns of a fill: ns since the first event, the event whose book it met, +1 bought or -1 sold, size, mean price, mid, best price of the
side it traded with (of a maker its own), mid when it was decided, 1 for a maker's, number of the round trip."""
SENT, REFUSED, CANCELLED, FORCED = range(4)
"""Places in the tally (4,): entries sent, entries the book refused when they arrived, cancelled, closings beyond the known depth."""


class Reference:
    """The readable form, one method for each thing that happens; arguments as `simulate`."""

    def __init__(self, elapsed: Any, touch: Any, is_open: Any, bids: Any, asks: Any, plan: Any) -> None:
        self.elapsed, self.touch, self.is_open, self.sides = elapsed, touch, is_open, {1: asks, -1: bids}
        self.maker, self.latency, self.hold, self.size, self.credit = plan
        self.fills: list[tuple[float, ...]] = []
        self.tally = [0, 0, 0, 0]
        self.position, self.trips, self.entered, self.deep = 0.0, 0, 0.0, -1
        self.message: tuple[int, int, float, float, float] | None = None  # what, side, arrival, limit, mid when decided
        self.resting: dict[str, Any] = {}

    def run(self, kind: Any, row: Any, trades: Any, direction: Any) -> "Reference":
        """Replay the tape."""
        for j in range(self.elapsed.size):
            if self.message and self.message[2] < self.elapsed[j]:
                self.arrive(j - 1)
            if kind[j] == _DEPTH:
                self.deep = row[j]
            if self.resting:
                self.meet(j, trades[row[j]] if kind[j] == _TRADE else None)
            if not self.message:
                self.decide(j, direction[j])
        self.resting = {}
        if self.position:
            last = self.elapsed.size - 1
            self.walk(last, self.elapsed[last], self.middle(last), abs(self.position), forced=True)
        return self

    def middle(self, j: int) -> float:
        return float(0.5 * (self.touch[j, 0] + self.touch[j, 2]))

    def levels(self, j: int, side: int) -> list[tuple[float, float]]:
        """The side that an order of this side would trade with: the best quote, then what the last depth says lies behind it."""
        column = 2 if side > 0 else 0
        best, size = self.touch[j, column : column + 2]
        behind = self.sides[side][self.deep] if self.deep >= 0 else []
        return [(best, size)] + [(p, q) for p, q in behind if p > 0 and side * (p - best) > _SAME * best]

    def walk(self, j: int, time: float, decided: float, quantity: float, side: int = 0, forced: bool = False) -> None:
        """Trade with one level after the other; what is left when the known book ends is not traded, or at its last price if forced."""
        side = side or (-1 if self.position > 0 else 1)
        left, value = quantity, 0.0
        for price, size in self.levels(j, side):
            taken = min(left, size)
            left, value, last = left - taken, value + taken * price, price
        if forced and left > 0:
            left, value = 0.0, value + left * last
            self.tally[FORCED] += 1
        if quantity - left > _DUST * self.size:
            self.fill(j, time, side, quantity - left, value / (quantity - left), self.touch[j, 2 if side > 0 else 0], decided, 0)

    def fill(self, j: int, time: float, side: int, quantity: float, price: float, best: float, decided: float, made: int) -> None:
        if self.position == 0:
            self.trips, self.entered = self.trips + 1, time
        self.position += side * quantity
        if abs(self.position) <= _DUST * self.size:
            self.position = 0.0
        self.fills.append((time, j, side, quantity, price, self.middle(j), best, decided, made, self.trips - 1))

    def arrive(self, j: int) -> None:
        """A message reaches the exchange and meets the book after event j."""
        assert self.message is not None
        (what, side, time, limit, decided), self.message = self.message, None
        if what == CANCEL:
            self.tally[CANCELLED] += bool(self.resting)
            self.resting = {}
        elif not self.is_open[j]:
            self.tally[REFUSED] += what in (TAKE, POST)
        elif what == TAKE:
            self.walk(j, time, decided, self.size, side)
        elif what == CROSS:
            self.resting = {}
            if self.position:
                self.walk(j, time, decided, abs(self.position))
        elif side * (self.touch[j, 2 if side > 0 else 0] - limit) <= _SAME * limit:  # it would trade at once
            self.tally[REFUSED] += what == POST
        elif what == POST or self.position:
            left = self.size if what == POST else abs(self.position)
            ahead = sum(q for p, q in self.levels(j, -side) if abs(p - limit) <= _SAME * limit)
            self.resting = {"side": side, "price": limit, "left": left, "ahead": ahead, "since": time, "decided": decided}

    def meet(self, j: int, trade: Any) -> None:
        """What an event after its arrival does to the resting order."""
        order = self.resting
        side, price, near = order["side"], order["price"], _SAME * order["price"]
        filled = 0.0
        if trade is not None and side * (trade[0] - price) < -near:
            filled = order["left"]
        elif trade is not None and abs(trade[0] - price) <= near and trade[2] != side:
            order["ahead"] -= trade[1]
            filled = min(max(-order["ahead"], 0.0), order["left"])
            order["ahead"] = max(order["ahead"], 0.0)
        elif trade is None and self.is_open[j] and side * (self.touch[j, 2 if side > 0 else 0] - price) <= near:
            filled = order["left"]
        elif trade is None and self.is_open[j] and self.credit:
            best = self.touch[j, 0 if side > 0 else 2]
            if side * (best - price) <= near:  # the order stands at the best price, or before it
                shown = sum(q for p, q in self.levels(j, -side) if abs(p - price) <= near)
                order["ahead"] = min(order["ahead"], shown)
        if filled > _DUST * self.size:
            order["left"] -= filled
            self.fill(j - 1, self.elapsed[j], side, filled, price, price, order["decided"], 1)
            if order["left"] <= _DUST * self.size:
                self.resting = {}

    def decide(self, j: int, direction: int) -> None:
        """What to send after event j, if anything."""
        now, held = self.elapsed[j], int(np.sign(self.position))
        what, side = NONE, 0
        if held and (direction == -held or now >= self.entered + self.hold):
            what = CROSS
        elif held and self.maker and not direction and self.is_open[j] and self.resting.get("side", 0) != -held:
            what, side = LEAVE, -held
        elif not held and self.resting and (direction == -self.resting["side"] or now >= self.resting["since"] + self.hold):
            what = CANCEL
        elif not held and not self.resting and direction and self.is_open[j]:
            what, side = POST if self.maker else TAKE, direction
            self.tally[SENT] += 1
        if what:
            self.message = (what, side, now + self.latency, self.touch[j, 0 if side > 0 else 2], self.middle(j))


# Places of the kernel's state (16,): what Reference keeps in its attributes.
_WHAT, _WANTED, _ARRIVES, _LIMIT, _MID = 0, 1, 2, 3, 4
_WAITS, _WAITS_AT, _LEFT, _AHEAD, _SINCE, _THOUGHT = 5, 6, 7, 8, 9, 10
_POSITION, _TRIPS, _ENTERED, _COUNT = 11, 12, 13, 14
_STATES: Final = 16


@kernel
def simulate(elapsed, kind, row, touch, is_open, bids, asks, trades, direction, plan, fills, tally):  # type: ignore[no-untyped-def]
    """Replay a tape of n events; the number of fills written. O(n) but for the levels that orders walk.

    `elapsed` (n,) float64: ns since the first event, never falling. `kind`, `row` (n,), `bids`, `asks` (d, L, 2), `trades` (r, 3): as in
    Tape. `touch` (n, 4): bid, size, ask, size after each event, of the last book with both sides where this one has not. `is_open` (n,)
    uint8: both sides are there and not crossed. `direction` (n,) int8: what the model decides after each event, 0 for nothing. `plan`
    (5,). Writes `fills` (2 n + 2, 10) and `tally` (4,) int64, which begins at zero.
    """
    state = np.zeros(_STATES)
    deep = -1
    for j in range(elapsed.size):
        if state[_WHAT] != NONE and state[_ARRIVES] < elapsed[j]:
            _arrive(state, j - 1, deep, touch, is_open, bids, asks, plan, fills, tally)
        if kind[j] == _DEPTH:
            deep = row[j]
        if state[_WAITS] != 0.0:
            filled = _print(state, trades[row[j]]) if kind[j] == _TRADE else _pass(state, j, deep, touch, is_open, bids, asks, plan)
            if filled > _DUST * plan[SIZE]:
                side, price = state[_WAITS], state[_WAITS_AT]
                state[_LEFT] -= filled
                _fill(state, fills, plan, elapsed[j], j - 1, touch[j - 1], side, filled, price, price, state[_THOUGHT], 1.0)
                if state[_LEFT] <= _DUST * plan[SIZE]:
                    state[_WAITS] = 0.0
        if state[_WHAT] == NONE:
            _decide(state, elapsed[j], touch[j], is_open[j], direction[j], plan, tally)
    if state[_POSITION] != 0.0:
        j = elapsed.size - 1
        mid = 0.5 * (touch[j, 0] + touch[j, 2])
        side = -1.0 if state[_POSITION] > 0.0 else 1.0
        if _walk(state, fills, plan, elapsed[j], j, touch[j], asks if side > 0 else bids, deep, side, abs(state[_POSITION]), mid, True):
            tally[FORCED] += 1
    return int(state[_COUNT])


@kernel
def _decide(state, now, touch, is_open, direction, plan, tally):  # type: ignore[no-untyped-def]
    """Reference.decide."""
    what, side, waits = NONE, 0.0, state[_WAITS]
    held = np.sign(state[_POSITION])
    if held != 0.0:
        if direction == -held or now >= state[_ENTERED] + plan[HOLD]:
            what = CROSS
        elif plan[MAKER] != 0.0 and direction == 0 and is_open and waits != -held:
            what, side = LEAVE, -held
    elif waits != 0.0:
        if direction == -waits or now >= state[_SINCE] + plan[HOLD]:
            what = CANCEL
    elif direction != 0 and is_open:
        what, side = POST if plan[MAKER] != 0.0 else TAKE, float(direction)
        tally[SENT] += 1
    if what != NONE:
        state[_WHAT], state[_WANTED], state[_ARRIVES] = what, side, now + plan[LATENCY]
        state[_LIMIT], state[_MID] = touch[0 if side > 0.0 else 2], 0.5 * (touch[0] + touch[2])


@kernel
def _arrive(state, j, deep, touch, is_open, bids, asks, plan, fills, tally):  # type: ignore[no-untyped-def]
    """Reference.arrive."""
    what, side, limit = int(state[_WHAT]), state[_WANTED], state[_LIMIT]
    state[_WHAT] = NONE
    if what == CANCEL:
        tally[CANCELLED] += state[_WAITS] != 0.0
        state[_WAITS] = 0.0
    elif not is_open[j]:
        tally[REFUSED] += what in (TAKE, POST)
    elif what in (TAKE, CROSS):
        quantity = plan[SIZE]
        if what == CROSS:
            state[_WAITS] = 0.0
            quantity, side = abs(state[_POSITION]), -np.sign(state[_POSITION])
        if quantity > 0.0:
            levels = asks if side > 0.0 else bids
            _walk(state, fills, plan, state[_ARRIVES], j, touch[j], levels, deep, side, quantity, state[_MID], False)
    elif side * (touch[j, 2 if side > 0.0 else 0] - limit) <= _SAME * limit:
        tally[REFUSED] += what == POST
    elif what == POST or state[_POSITION] != 0.0:
        state[_WAITS], state[_WAITS_AT], state[_SINCE], state[_THOUGHT] = side, limit, state[_ARRIVES], state[_MID]
        state[_LEFT] = plan[SIZE] if what == POST else abs(state[_POSITION])
        state[_AHEAD] = _resting(touch[j], bids if side > 0.0 else asks, deep, side, limit)


@kernel
def _print(state, trade):  # type: ignore[no-untyped-def]
    """How much of the waiting order a print fills: all when it goes through its price, else what the queue ahead leaves of it."""
    side, price = state[_WAITS], state[_WAITS_AT]
    if side * (trade[0] - price) < -_SAME * price:
        return state[_LEFT]
    if abs(trade[0] - price) > _SAME * price or trade[2] == side:
        return 0.0
    ahead = state[_AHEAD] - trade[1]
    state[_AHEAD] = max(ahead, 0.0)
    return min(max(-ahead, 0.0), state[_LEFT])


@kernel
def _pass(state, j, deep, touch, is_open, bids, asks, plan):  # type: ignore[no-untyped-def]
    """How much of the waiting order a book fills: all when the other side has come to its price. May shorten the queue ahead."""
    side, price = state[_WAITS], state[_WAITS_AT]
    if not is_open[j]:
        return 0.0
    if side * (touch[j, 2 if side > 0.0 else 0] - price) <= _SAME * price:
        return state[_LEFT]
    if plan[CREDIT] != 0.0 and side * (touch[j, 0 if side > 0.0 else 2] - price) <= _SAME * price:
        state[_AHEAD] = min(state[_AHEAD], _resting(touch[j], bids if side > 0.0 else asks, deep, side, price))
    return 0.0


@kernel
def _resting(touch, levels, deep, side, price):  # type: ignore[no-untyped-def]
    """The size that the known book shows at a price on the side that a waiting order of `side` joins."""
    column = 0 if side > 0.0 else 2
    best = touch[column]
    total = touch[column + 1] if abs(best - price) <= _SAME * price else 0.0
    if deep >= 0:
        for k in range(levels.shape[1]):
            p = levels[deep, k, 0]
            if p > 0.0 and -side * (p - best) > _SAME * best and abs(p - price) <= _SAME * price:
                total += levels[deep, k, 1]
    return total


@kernel
def _walk(state, fills, plan, time, j, touch, levels, deep, side, quantity, decided, forced):  # type: ignore[no-untyped-def]
    """Reference.walk; whether the known book was too short for the quantity."""
    column = 2 if side > 0.0 else 0
    best = last = touch[column]
    taken = min(quantity, touch[column + 1])
    left, value = quantity - taken, taken * best
    if deep >= 0:
        for k in range(levels.shape[1]):
            p = levels[deep, k, 0]
            if p <= 0.0 or side * (p - best) <= _SAME * best:
                continue
            taken = min(left, levels[deep, k, 1])
            left, value, last = left - taken, value + taken * p, p
    short = left > 0.0
    if forced and short:
        left, value = 0.0, value + left * last
    if quantity - left > _DUST * plan[SIZE]:
        _fill(state, fills, plan, time, j, touch, side, quantity - left, value / (quantity - left), best, decided, 0.0)
    return short


@kernel
def _fill(state, fills, plan, time, j, touch, side, quantity, price, best, decided, made):  # type: ignore[no-untyped-def]
    """Reference.fill."""
    if state[_POSITION] == 0.0:
        state[_TRIPS] += 1.0
        state[_ENTERED] = time
    state[_POSITION] += side * quantity
    if abs(state[_POSITION]) <= _DUST * plan[SIZE]:
        state[_POSITION] = 0.0
    fill = fills[int(state[_COUNT])]
    fill[AT], fill[EVENT], fill[SIDE], fill[QUANTITY], fill[PRICE] = time, j, side, quantity, price
    fill[MID], fill[TOUCH], fill[DECIDED], fill[MADE], fill[TRIP] = 0.5 * (touch[0] + touch[2]), best, decided, made, state[_TRIPS] - 1.0
    state[_COUNT] += 1.0


def warm() -> None:
    """Compile or load the kernel on a tape of two quotes."""
    touch = np.array([[1.0, 1.0, 2.0, 1.0]] * 2)
    depths, fills, tally = np.empty((0, 1, 2)), np.empty((6, 10)), np.zeros(4, np.int64)
    events = np.ones(2, np.uint8), np.arange(2), touch, np.ones(2, np.uint8), depths, depths, np.empty((0, 3))
    simulate(np.arange(2.0), *events, np.ones(2, np.int8), np.array([0.0, 0.0, 1.0, 1.0, 0.0]), fills, tally)
