"""Books that come with a question: sound ones pass in some microseconds, the others meet the validator, which names what is wrong."""

from typing import Final

from rpsd.core.book import RULES, Rule, Tape
from rpsd.core.errors import BadBook, Fault

_MOST_NAMED: Final = 100
_USABLE: Final = (Rule.ACCEPTED, Rule.EMPTY, Rule.DUPLICATE)
"""A duplicate tells nothing new and is passed over."""
_OFF_TICK: Final = 1e-7  # ticks: no further from a whole number than the validator lets pass
_HUGE: Final = 1e300
_EXACT: Final = 2.0**53
"""Ticks up to which every whole number is a float."""


def judged(tape: Tape, tick: float) -> Tape:
    """The tape without duplicates and with what can be mended mended; judged by itself, whenever it was. Raises BadBook."""
    if is_plain(tape, tick):
        return tape
    from rpsd.book.validity import Limits, Watch, judge  # numerics wait for the warm-up

    told = judge(tape, Limits(tick), Watch.fresh())
    bad = [(row, Rule(code)) for row, code in enumerate(told.codes.tolist()) if code not in _USABLE]
    if bad:
        faults = [Fault(f"/snapshots/{row}", f"{rule.word}: {RULES[rule]}") for row, rule in bad[:_MOST_NAMED]]
        hint = "Send books that are valid; `errors` names those that are not, and why."
        raise BadBook(f"{len(bad)} of {tape.n} snapshots cannot be used: {faults[0].reason}", errors=faults, hint=hint)
    return told.kept


def is_plain(tape: Tape, tick: float) -> bool:
    """Whether the tape is one two-sided book in which the validator would find nothing to say or to mend.

    By itself, without what came before: time, spread and repetition are compared between books. O(levels), without any array operation.
    """
    if tape.n != 1 or not tape.counts.size:
        return False
    [(many_bids, many_asks)] = tape.counts.tolist()
    bids, asks = tape.bids[0, :many_bids].tolist(), tape.asks[0, :many_asks].tolist()
    if not bids or not asks or not bids[0][0] < asks[0][0]:
        return False
    return _is_plain_side(bids, -1.0, tick) and _is_plain_side(asks, 1.0, tick)


def _is_plain_side(levels: list[list[float]], away: float, tick: float) -> bool:
    """Whether prices are whole ticks that go `away` from the middle, and sizes are those of something."""
    before, nearest, farthest = -float("inf"), 0.5 * tick, _EXACT * tick
    for price, size in levels:
        place = away * price
        if not (0.0 < size < _HUGE and nearest < price < farthest and before < place):
            return False
        steps = price / tick
        if abs(steps - round(steps)) > _OFF_TICK:
            return False
        before = place
    return True
