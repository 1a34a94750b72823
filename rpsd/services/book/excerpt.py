"""How a record of a book begins, in words: what lists of faults and errors show of it."""

from rpsd.core.book import NO_SEQUENCE, Event, Tape, Updates
from rpsd.core.market import Vector


def excerpt(tape: Tape, at: int) -> str:
    """Event `at` of a tape in a few words."""
    row, kind = int(tape.row[at]), tape.kind[at]
    if kind == Event.TRADE:
        price, size, side = tape.trades[row]
        return f"trade {price:.12g} x {size:.12g}, side {side:g}"
    if kind == Event.QUOTE:
        return f"quote bid {_level(tape.quotes[row, :2])}, ask {_level(tape.quotes[row, 2:])}"
    bids, asks = (int(count) for count in tape.counts[row])
    return f"book bid {_best(tape.bids[row], bids)}, ask {_best(tape.asks[row], asks)} ({bids} + {asks} levels)"


def message_excerpt(updates: Updates, at: int) -> str:
    """Message `at` of a feed of updates in a few words."""
    changes = int(updates.start[at + 1] - updates.start[at])
    if updates.is_snapshot[at]:
        return f"snapshot {_id(updates.last[at])}, {changes} levels"
    return f"update {_id(updates.first[at])} to {_id(updates.last[at])} after {_id(updates.previous[at])}, {changes} changes"


def _id(number: int) -> str:
    return "-" if number == NO_SEQUENCE else str(int(number))


def _best(side: Vector, levels: int) -> str:
    return _level(side[0]) if levels else "none"


def _level(level: Vector) -> str:
    return f"{level[0]:.12g} x {level[1]:.12g}"
