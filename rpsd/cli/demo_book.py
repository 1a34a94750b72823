"""The order book of `rpsd demo`: six minutes of a real feed, what the features say of them, and a model that foretells the next move."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpsd.cli.book_sides import sides
from rpsd.cli.live import BY
from rpsd.cli.output import indented, step

if TYPE_CHECKING:
    from rpsd.core.book import Tape
    from rpsd.services.wiring import Services

BOOK, BOOK_TICK = "BTC-USDT", 0.1
MODEL = f"book:{BOOK}:next_mid_move"
_LAST_SECONDS = 20  # what the forecast of the demo looks back on: twice the slowest feature


@dataclass(frozen=True, slots=True)
class BookFound:
    """The stored book, the regressions of the mid's moves on order flow over ten seconds, how the training went, and a forecast or None."""

    info: dict[str, Any]
    r2: float
    r2_next: float
    trained: dict[str, Any]
    forecast: dict[str, Any] | None


def feed(services: "Services") -> BookFound:
    """Store the bundled capture of BTC-USDT; a second demo finds it there. Then train on it, and foretell its end."""
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
    with step(f"train the book model of {BOOK}") as say:
        trained = services.book_training.train(MODEL, {}, by=BY)
        serves = trained["stage"] == "production"
        say(f"version {trained['version']}, {'in production' if serves else 'kept back by the gate'}")
    return BookFound(info, found.r2, found.r2_next, trained, _foretold(services, tape) if serves else None)


def _foretold(services: "Services", tape: "Tape") -> dict[str, Any]:
    """What the model says of the last book of the capture, whose next move nobody knows."""
    import numpy as np  # commands begin without it

    clock = np.maximum.accumulate(tape.t)
    end = tape.taken(clock > clock[-1] - _LAST_SECONDS * 1_000_000_000)
    answer = services.forecast.of(end, services.forecast.question(BOOK, MODEL))
    told: dict[str, Any] = json.loads(answer.text)
    return told


def summary(found: BookFound) -> str:
    """The book as it stood at the end, and what can be known from it."""
    info = found.info
    lines = [
        f"  spread {info['features']['spread_t']:g} × the tick of {info['tick']:g}; queue imbalance {info['features']['qi1']:+.2f}; "
        f"{info['events']:,} events, {sum(info['faults'].values())} bad"
    ]
    if (told := found.forecast) is not None:
        chances = ", ".join(f"{word} {told['probabilities'][word]:.1%}" for word in ("up", "down"))
        after = f"  the next move of the mid: {chances} ({told['model_name']}, version {told['model_version']})"
    else:
        after = f"  no forecast: {found.trained['reason']}"
    return "\n".join([*lines, indented(sides(info, 3)), "", after])


def in_words(found: BookFound) -> str:
    """What order flow explains, what it does not foretell, and what the model adds."""
    scores = found.trained["evaluation"]["scores"]
    model, imbalance = scores["model"], scores["queue_imbalance"]
    kept_back = "" if found.forecast else f" The gate kept it back: {found.trained['reason']}."
    return (
        f"In words: who adds and takes at the best quotes explains {found.r2:.0%} of how the mid moves within ten seconds, and "
        f"{found.r2_next:.0%} of how it moves in the next ten. The first is no forecast. The model foretells the very next move: on "
        f"events it had not seen it ordered them with an AUC of {model['auc']['value']:.3f} ({model['auc']['low']:.3f} to "
        f"{model['auc']['high']:.3f}), queue imbalance alone with {imbalance['auc']['value']:.3f}; its probabilities were off by "
        f"{model['ece']['value']:.3f} on average.{kept_back} That is no strategy: a move is about one tick, and fees are many. "
        f"`rpsd books backtest {BOOK} --taker-fee-bps 4.5 --maker-fee-bps 1.8 --size 0.01` shows it."
    )
