"""What models say of tapes that they were not fitted to: one that is given, or new ones, each fitted to all that came before."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from rpsd.book import forecast, train
from rpsd.book.backtest import Stretch
from rpsd.book.features import BookMemory, run
from rpsd.core import instant
from rpsd.core.book import Tape
from rpsd.core.model import Packet
from rpsd.core.parameters import BookParameters, LabelParameters

Report = Callable[[float, str], None]
REFITS: Final = 3
"""Fits of a walk-forward, each of which speaks for one part of the tested events."""
_LEAST_BOOTSTRAP: Final = 20  # nobody reads the intervals of these fits


def by_model(tapes: list[tuple[Tape, float]], model: Packet) -> list[Stretch]:
    """The stretches of tapes with their ticks under one model; features begin anew with each. Raises CorruptData."""
    opened = forecast.opened(model)
    found = []
    for tape, tick in tapes:
        features, tops, _ = run(tape, tick, BookMemory.fresh())
        found.append(Stretch(tape, tops, forecast.probabilities(features, opened)))
    return found


def walk_forward(
    tapes: list[tuple[Tape, float]], label: LabelParameters, params: BookParameters, *, seed: int, report: Report
) -> tuple[list[Stretch], list[dict[str, Any]]]:
    """The last params.test_share of the events, in parts, each with what a model says that was fitted to the events before it alone.

    Answer: the stretches, and of each fit {"trained_until", "trained_events", "tested_events", "predictor"}. Causal: probabilities
    rest on earlier events, and so do the fits. Raises what train.train raises, above all TooShort. Cost: REFITS fits.
    Source: López de Prado (2018), Advances in Financial Machine Learning, section 11.5.
    """
    bounds = np.linspace((1.0 - params.test_share), 1.0, REFITS + 1) * sum(tape.n for tape, _ in tapes)
    known = [run(tape, tick, BookMemory.fresh())[:2] for tape, tick in tapes]
    said, fits = [np.full((tape.n, 3), np.nan) for tape, _ in tapes], []
    begins, ends = (bounds.astype(np.int64)[part].tolist() for part in (slice(None, -1), slice(1, None)))
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):

        def told(share: float, words: str, number: int = number) -> None:
            report((number + share) / REFITS, f"fit {number + 1} of {REFITS}: {words}")

        before = [(part, tapes[i][1]) for i, part, _ in _cut(tapes, 0, begin)]
        model = train.train(before, label, replace(params, bootstrap=_LEAST_BOOTSTRAP), seed=seed, report=told)
        opened = forecast.opened(model)
        until = instant.text(max(int(part.t.max()) for part, _ in before))
        fits.append({"trained_until": until, "trained_events": begin, "tested_events": end - begin, "predictor": model.head["predictor"]})
        for i, _, rows in _cut(tapes, begin, end):
            said[i][rows] = forecast.probabilities(known[i][0][rows], opened)
    tested = _cut(tapes, begins[0], ends[-1])
    return [Stretch(part, known[i][1][rows], said[i][rows]) for i, part, rows in tested], fits


def _cut(tapes: list[tuple[Tape, float]], begin: int, end: int) -> list[tuple[int, Tape, slice]]:
    """The events numbered begin to end of all tapes together: number of the tape, its part, the part's rows."""
    found, first = [], 0
    for number, (tape, _) in enumerate(tapes):
        low, high = max(begin - first, 0), min(end - first, tape.n)
        if low < high:
            place = np.arange(tape.n)
            found.append((number, tape.taken((place >= low) & (place < high)), slice(low, high)))
        first += tape.n
    return found
