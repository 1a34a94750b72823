"""What a model of an order book sees and how its forecasts fare, event by event, so that two windows of it can be compared."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rpsd.book import labels
from rpsd.book.features import FEATURES, BookMemory, run
from rpsd.book.forecast import opened, probabilities
from rpsd.core.book import Event, Tape
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import LabelParameters, build

BRIER: Final = "forecast.brier"
"""The squared distance of the probabilities from what came, summed over down, flat and up."""
BIAS: Final = "forecast.up"
"""One where the move was up, else zero, less the probability of up: zero on average while the model is calibrated."""


def watched(state: Packet, tapes: Sequence[tuple[Tape, float]], most: int) -> tuple[Times, dict[str, Vector], dict[str, Vector]]:
    """Times (m,) of at most `most` events evenly taken from tapes with their ticks; features and forecasts (m,) of each by name.

    Only events whose label is known, and no trades, as in the training. Features begin anew with each tape. Hindsight as far as a label
    looks ahead. O(n). Raises CorruptData for a model of other features. Source: Brier (1950), Monthly Weather Review 78, 1-3.
    """
    head, model = state.head, opened(state)
    label = build(LabelParameters, head["label"])
    times, rows, came = [np.empty(0, np.int64)], [np.empty((0, len(FEATURES)))], [np.empty(0, np.int64)]
    for tape, tick in tapes:
        x, tops, _ = run(tape, tick, BookMemory.fresh())
        t = np.maximum.accumulate(tape.t)
        found = labels.labelled(t, tops, tick, label, float(head["alpha"]))
        places = np.flatnonzero(found.known & (tape.kind != Event.TRADE))
        times.append(t[places])
        rows.append(x[places])
        came.append(found.y[places])
    t, x, y = np.concatenate(times), np.vstack(rows), np.concatenate(came)
    order = np.argsort(t, kind="stable")
    kept = order[:: max(1, -(-order.size // most))]
    t, x, y = t[kept], np.ascontiguousarray(x[kept]), y[kept]
    p = probabilities(x, model)
    outcome = np.eye(3)[y + 1]
    seen = {feature.name: np.ascontiguousarray(x[:, i]) for i, feature in enumerate(FEATURES)}
    return t, seen, {BRIER: ((p - outcome) ** 2).sum(axis=1), BIAS: outcome[:, 2] - p[:, 2]}
