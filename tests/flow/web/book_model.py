"""A model of order books by hand, in the registry as a training leaves it there: the fuller side wins."""

from collections.abc import Mapping

import numpy as np

from rpsd.book.features import FEATURES
from rpsd.book.forecast import as_packet, mirror
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.kernels.forecast import Forecaster
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.wiring import Services

PLACE = {feature.name: j for j, feature in enumerate(FEATURES)}


def packet(weight: float = 2.0, tick: float | None = 0.1) -> Packet:
    """Log-odds of up: `weight` times the signed logarithm of the queue imbalance."""
    none, line = np.empty(0, np.int64), np.array([[0.0, 0.0], [1.0, 1.0]])
    odd = np.array([PLACE["qi1"]], np.int64)
    model = Forecaster(
        odd,
        none,
        np.array([weight]),
        np.empty(0),
        np.empty((0, 3), np.int64),
        np.empty(0),
        none,
        0,
        0.0,
        *mirror(),
        1.0,
        line,
        np.empty((0, 2)),
        np.array([1.0, 1.0]),
    )
    head = {"predictor": "logistic", "calibration": "platt", "tick": tick, "alpha": 0.0, "evaluation": {}, "label": {}}
    return as_packet(model, head | {"trained_from_ns": 0, "trained_until_ns": 1})


def serve(
    services: Services,
    name: str,
    weight: float = 2.0,
    tick: float | None = 0.1,
    *,
    promoted: bool = True,
    kept: Mapping[str, Vector] | None = None,
) -> int:
    """Register a version of the model, with further arrays in its packet if there are any; its number."""
    made = packet(weight, tick)
    made = Packet(made.head, {**made.arrays, **(kept or {})})
    card = {"data_fingerprint": "0" * 64, "evaluation": {}, "gate": {"promoted": promoted, "reason": "by hand"}}
    return services.model.register(Candidate(name, made, card, Verdict(promoted, "by hand")), "test").version
