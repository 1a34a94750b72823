"""How well models of an order book foretell the moves after their training, move by move."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rpsd.book import labels
from rpsd.book.features import BookMemory, run
from rpsd.book.forecast import opened, probabilities
from rpsd.core.book import Event, Grid, Tape
from rpsd.core.market import Times
from rpsd.core.model import Packet
from rpsd.core.parameters import LabelParameters, build

_LEAST: Final = 1e-12  # probability below which the log loss does not look


def live_scores(tapes: Sequence[tuple[Tape, float]], models: Sequence[Packet]) -> tuple[Times, Grid]:
    """Times (m,) in ns UTC of the moves on tapes with their ticks, and mean log probabilities (m, models) in nats of what came, by move.

    All models are judged by the label of the first, alpha included. Counted are the events after the latest training of them whose label
    is known; those that share a move are one row, at the time of its last event. The last move of a tape may be unfinished and is left
    out. Features begin anew with each tape. Causal: an event's probabilities rest on what came before it. O(n) times the models.
    Raises CorruptData for a model of other features. Source: Dawid (1984), JRSS A 147, 278-292.
    """
    first, since_ns = models[0].head, max(int(model.head["trained_until_ns"]) for model in models)
    label, known = build(LabelParameters, first["label"]), [opened(model) for model in models]
    times, values = [np.empty(0, np.int64)], [np.empty((0, len(models)))]
    for tape, tick in tapes:
        x, tops, _ = run(tape, tick, BookMemory.fresh())
        t = np.maximum.accumulate(tape.t)
        found = labels.labelled(t, tops, tick, label, float(first["alpha"]))
        places = np.flatnonzero(found.known & (t > since_ns) & (tape.kind != Event.TRADE))
        places = places[found.cluster[places] < found.cluster[places[-1]]] if places.size else places
        if places.size:
            came = found.y[places] + 1
            said = [np.log(np.maximum(probabilities(x[places], one)[np.arange(places.size), came], _LEAST)) for one in known]
            begins = np.flatnonzero(np.diff(found.cluster[places], prepend=-1))
            sizes = np.diff(begins, append=places.size)
            times.append(t[places[begins + sizes - 1]])
            values.append(np.add.reduceat(np.column_stack(said), begins, axis=0) / sizes[:, None])
    t, rows = np.concatenate(times), np.vstack(values)
    order = np.argsort(t, kind="stable")
    return t[order], rows[order]
