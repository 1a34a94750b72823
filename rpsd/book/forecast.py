"""A stored book model, opened for the kernel; nothing of what fits models is imported here."""

from typing import Final

import numpy as np

from rpsd.book.features import FEATURES, GRAPH, SCHEMA
from rpsd.core.book import BookForecast, Grid, Integers
from rpsd.core.errors import CorruptData
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.kernels import forecast as kernels
from rpsd.kernels.forecast import Forecaster, Packed

KIND: Final = "book"
_ARRAYS: Final = ("odd", "even", "weights", "threshold", "nodes", "cuts", "roots", "direction", "move", "slopes")


def mirror() -> tuple[Integers, Vector]:
    """Where column j of the mirrored book comes from (27,), and its sign (27,)."""
    places = {feature.name: j for j, feature in enumerate(FEATURES)}
    other = {"_b": "_a", "_a": "_b"}
    source = [places[f.name[:-2] + other[f.name[-2:]]] if f.parity == "swap" else j for j, f in enumerate(FEATURES)]
    return np.array(source, np.int64), np.array([-1.0 if f.parity == "odd" else 1.0 for f in FEATURES])


def opened(packet: Packet) -> Forecaster:
    """A model of train.train as the kernel reads it, in fresh arrays. Raises CorruptData when it was trained on other features."""
    if packet.head.get("kind") != KIND or packet.head.get("graph") != GRAPH:
        raise CorruptData("the model is not of the features of this version; train it again")
    odd, even, weights, threshold, nodes, cuts, roots, direction, move, slopes = (np.array(packet.arrays[name]) for name in _ARRAYS)
    head = packet.head
    return Forecaster(
        odd,
        even,
        weights,
        threshold,
        nodes,
        cuts,
        roots,
        int(head["direction_trees"]),
        float(head["base"]),
        *mirror(),
        float(head["logistic_share"]),
        direction,
        move,
        slopes,
    )


def as_packet(model: Forecaster, head: dict[str, object]) -> Packet:
    """The inverse of `opened`, with what else the head says."""
    arrays = {name: np.asarray(getattr(model, name)) for name in _ARRAYS}
    own: dict[str, object] = {"kind": KIND, "schema": SCHEMA, "graph": GRAPH}
    own |= {"direction_trees": model.direction_trees, "base": model.base, "logistic_share": model.logistic_share}
    return Packet({**own, **head}, arrays)


def probabilities(features: Grid, model: Forecaster | Packed) -> Grid:
    """Down, flat, up (n, 3) for features (n, 27); rows sum to one, and a mirrored book's rows are these reversed, bit for bit.

    Causal: each row by itself. O(n) times the size of the model: a microsecond a row, and some for a call; a model that is asked for single
    rows is best given packed.
    """
    return scored(features, model)[0]


def scored(features: Grid, model: Forecaster | Packed) -> tuple[Grid, Grid]:
    """Probabilities (n, 3), and the scores (n, 2) before calibration: log-odds of up against down, of a move against none."""
    x = np.array(features, np.float64, order="C", ndmin=2)
    out, scores = np.empty((len(x), 3)), np.empty((len(x), 2))
    integers, numbers = model if isinstance(model, Packed) else kernels.packed(model)
    kernels.forecast(x, integers, numbers, out, scores)
    return out, scores


def as_forecast(row: Vector) -> BookForecast:
    """One row of probabilities in words."""
    down, flat, up = row.tolist()
    return BookForecast(down, flat, up)
