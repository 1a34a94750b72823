"""A model of an order book from outside: no index that the kernel would follow may lead astray."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from rpsd.book.forecast import as_packet, mirror
from rpsd.book.foreign import require_book
from rpsd.core.errors import BadModelFile
from rpsd.core.model import Packet
from rpsd.core.parameters import LabelParameters
from rpsd.kernels.forecast import Forecaster

LABEL = asdict(LabelParameters())
HEAD: dict[str, Any] = {"predictor": "blend", "calibration": "platt", "tick": 0.1, "alpha": 0.5, "evaluation": {}, "label": LABEL}
NODES = np.array([[0, 1, 2], [-1, 0, 0], [3, 3, 4], [-1, 0, 0], [-1, 0, 0]], np.int64)


def sound() -> Packet:
    """A line of two features with trees of two for the direction and of one for the move."""
    line = np.array([[0.0, 0.0], [1.0, 1.0]])
    model = Forecaster(
        np.array([1, 2], np.int64),
        np.array([0], np.int64),
        np.array([1.0, 0.5]),
        np.array([0.1, 0.2]),
        NODES,
        np.array([0.0, -1.0, 0.5, 1.0, 2.0]),
        np.array([0, 2], np.int64),
        1,
        0.1,
        *mirror(),
        0.5,
        line,
        line,
        np.ones(2),
    )
    packet = as_packet(model, HEAD | {"trained_from_ns": 0, "trained_until_ns": 9, "trial_until_ns": 5})
    kept = {"integrated": np.full(5, 0.2), "micro_price": np.zeros((5, 3))}
    return Packet(packet.head, {**packet.arrays, **kept, "trial": np.frombuffer(packet.pack(), np.uint8)})


def test_a_sound_model_passes() -> None:
    require_book(sound(), LABEL)


def nodes(row: int, column: int, value: int) -> np.ndarray:
    made = NODES.copy()
    made[row, column] = value
    return made


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("nodes", nodes(0, 0, 27), "a feature"),
        ("nodes", nodes(0, 0, -2), "a feature"),
        ("nodes", nodes(0, 1, 0), "circle"),  # a child of its own
        ("nodes", nodes(2, 1, 0), "circle"),
        ("nodes", nodes(0, 2, 5), "outside"),
        ("nodes", nodes(0, 2, -1), "outside"),
        ("nodes", NODES[:, :2], "shape"),
        ("nodes", NODES.astype(float), "float64"),
        ("cuts", np.zeros(4), "shape"),
        ("cuts", np.full(5, np.nan), "NaN"),
        ("roots", np.array([0, 5]), "begins outside"),
        ("roots", np.array([-1, 0]), "begins outside"),
        ("roots", np.zeros(9, np.int64), "too many"),
        ("odd", np.array([1, 27]), "odd"),
        ("odd", np.array([-1, 2]), "odd"),
        ("even", np.array([0, 1]), "threshold"),
        ("weights", np.zeros(3), "shape"),
        ("threshold", np.zeros(1), "threshold"),
        ("direction", np.zeros((0, 2)), "direction"),
        ("direction", np.zeros((2, 2)), "direction"),
        ("move", np.zeros((2, 3)), "shape"),
        ("slopes", np.full(2, np.inf), "infinity"),
        ("weights", np.full(2, 1e308), "no fit ends in"),
        ("integrated", np.zeros(4), "shape"),
        ("micro_price", np.zeros((0, 3)), "micro-price"),
        ("trial", np.zeros(3, np.uint8), "trial"),
        ("surplus", np.zeros(3), "surplus"),
    ],
)
def test_an_array_that_would_lead_the_kernel_astray_is_refused(name: str, array: np.ndarray, reason: str) -> None:
    packet = sound()
    with np.errstate(all="ignore"), pytest.raises(BadModelFile, match=reason):
        require_book(Packet(packet.head, {**packet.arrays, name: array}), LABEL)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("direction_trees", value) for value in (3, -1, None, 1.0)),
        *(("base", value) for value in (None, "1", True)),
        *(("logistic_share", value) for value in (-0.1, 1.5)),
        *(("tick", value) for value in (0, -1.0, "x")),
        *(("label", value) for value in (None, {}, {**LABEL, "horizon": 7})),
        *(("evaluation", value) for value in (None, [])),
        ("kind", "hmm"),
        ("predictor", 7),
        ("trained_from_ns", 10),
        ("alpha", None),
    ],
)
def test_a_head_that_serving_would_stumble_over_is_refused(word: str, value: object) -> None:
    packet = sound()
    with pytest.raises(BadModelFile):
        require_book(Packet({**packet.head, word: value}, packet.arrays), LABEL)


def test_an_array_that_is_missing_is_named() -> None:
    packet = sound()
    for name in ("odd", "nodes", "roots", "slopes"):
        with pytest.raises(BadModelFile, match=f"{name} is missing"):
            require_book(Packet(packet.head, {word: array for word, array in packet.arrays.items() if word != name}), LABEL)


def test_the_trial_within_is_looked_at_as_closely() -> None:
    packet = sound()
    trial = Packet.unpack(packet.arrays["trial"].tobytes())
    worse = Packet(trial.head, {**trial.arrays, "roots": np.array([0, 99])})
    with pytest.raises(BadModelFile, match="begins outside"):
        require_book(Packet(packet.head, {**packet.arrays, "trial": np.frombuffer(worse.pack(), np.uint8)}), LABEL)
