"""The order book of `rpsd demo`: six minutes of a real feed, and what the features say of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpsd.cli.book_sides import sides
from rpsd.cli.live import BY
from rpsd.cli.output import indented, step

if TYPE_CHECKING:
    from rpsd.services.wiring import Services

BOOK, BOOK_TICK = "BTC-USDT", 0.1


@dataclass(frozen=True, slots=True)
class BookFound:
    """The stored book, and the regressions of the mid's moves on order flow over ten seconds."""

    info: dict[str, Any]
    r2: float
    r2_next: float


def feed(services: "Services") -> BookFound:
    """Store the bundled capture of BTC-USDT; a second demo finds it there. Nothing is trained."""
    from rpsd import samples
    from rpsd.book.impact import impact
    from rpsd.core.errors import UnknownBook

    with step(f"feed the order book of {BOOK}") as say:
        tape = samples.book_tape()
        try:
            info = services.book.info(BOOK)
        except UnknownBook:
            fed = services.book.ingest(BOOK, tape, by=BY, tick=BOOK_TICK)
            info = services.book.info(BOOK)
            say(f"{fed['accepted']:,} events stored, none refused")
        else:
            say(f"{info['events']:,} events there already")
        found = impact(tape, BOOK_TICK)
    return BookFound(info, found.r2, found.r2_next)


def summary(found: BookFound) -> str:
    """The book as it stood at the end, and what can be known from it."""
    info = found.info
    lines = [
        f"  spread {info['features']['spread_t']:g} × the tick of {info['tick']:g}; queue imbalance {info['features']['qi1']:+.2f}; "
        f"{info['events']:,} events, {sum(info['faults'].values())} bad"
    ]
    return "\n".join([*lines, indented(sides(info, 3))])


def in_words(found: BookFound) -> str:
    """What order flow explains, and what it does not foretell."""
    return (
        f"In words: who adds and takes at the best quotes explains {found.r2:.0%} of how the mid moves within ten seconds, and "
        f"{found.r2_next:.0%} of how it moves in the next ten. The first is no forecast. A model of the very next tick can be trained on "
        "these events; the manual's chapter books_quality says how good it is, and what trading on it would have cost."
    )
