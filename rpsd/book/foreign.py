"""Whether a model of an order book that comes from outside can serve: every index is looked at, for the kernel trusts them all."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from rpsd.book import integrated
from rpsd.book.features import FEATURES
from rpsd.book.forecast import KIND, opened, probabilities
from rpsd.book.further import TABLE, WEIGHTS
from rpsd.core.book import Integers
from rpsd.core.errors import BadModelFile, CorruptData
from rpsd.core.foreign import array, number, only, require, table, tame, whole
from rpsd.core.model import Packet

_EVER_NS: Final = 2**62
_MOST_NODES: Final = 4_000_000
_LARGEST: Final = 1e9  # of any log-odds, and far beyond what a fit ends in: sums of such stay finite
_ARRAYS: Final = frozenset({"odd", "even", "weights", "threshold", "nodes", "cuts", "roots", "direction", "move", "slopes"})
_KNOWN: Final = _ARRAYS | {WEIGHTS, TABLE, "trial"}


def require_book(packet: Packet, label: Mapping[str, Any]) -> None:
    """Raise BadModelFile, telling what is wrong, unless the packet is a model of train.train of that label that the kernel can be given."""
    head = packet.head
    tame(head, "the head of the model")
    only(packet, _KNOWN)
    require(head.get("kind") == KIND, "the packet is no model of an order book")
    require(head.get("label") == dict(label), "the model does not foretell what its name says")
    for name in ("trained_from_ns", "trained_until_ns"):
        whole(head, name, -_EVER_NS, _EVER_NS)
    require(head["trained_from_ns"] <= head["trained_until_ns"], "the training window ends before it begins")
    tick = number(head, "tick", or_none=True)
    require(tick is None or tick > 0.0, "the tick is not above zero")
    number(head, "alpha")
    for name in ("predictor", "calibration"):
        require(isinstance(head.get(name), str), f"{name} is missing")
    table(head, "evaluation")
    _forecaster(packet)
    _further(packet)
    if "trial" in packet.arrays:
        _trial(packet)


def _forecaster(packet: Packet) -> None:
    """The arrays of the kernel, and what it says of a few rows."""
    head, features = packet.head, len(FEATURES)
    odd, even = _columns(packet, "odd", features), _columns(packet, "even", features)
    array(packet, "weights", (odd.size,))
    threshold = array(packet, "threshold", (None,))
    require(threshold.size in (0, even.size + 1), "the threshold does not fit its columns")
    _trees(packet, features)
    number(head, "base")
    number(head, "logistic_share", 0.0, 1.0)
    for name, least in (("direction", 1), ("move", 0)):
        knots = array(packet, name, (None, 2))
        rising = (np.diff(knots[:, 0]) > 0.0).all()
        require(len(knots) >= least and rising, f"the knots of the {name} do not rise")
    array(packet, "slopes", (2,))
    for name in ("weights", "threshold", "cuts", "direction", "move", "slopes"):
        require((np.abs(packet.arrays[name]) <= _LARGEST).all(), f"{name} holds numbers that no fit ends in")
    rows = np.vstack([np.zeros(features), np.ones(features), -np.ones(features)])
    said = probabilities(rows, opened(packet))
    is_sum = np.isfinite(said).all() and (said >= 0.0).all() and np.allclose(said.sum(axis=1), 1.0, rtol=0.0, atol=1e-9)
    require(is_sum, "the model gives no probabilities")


def _columns(packet: Packet, name: str, features: int) -> Integers:
    found = array(packet, name, (None,), "<i8")
    require(found.size <= features and ((found >= 0) & (found < features)).all(), f"{name} names features that there are not")
    return found


def _trees(packet: Packet, features: int) -> None:
    """Nodes whose children lie behind them, so that no walk from a root ends outside or never."""
    nodes = array(packet, "nodes", (None, 3), "<i8")
    count = len(nodes)
    array(packet, "cuts", (count,))
    roots = array(packet, "roots", (None,), "<i8")
    require(count <= _MOST_NODES and roots.size <= max(count, 0), "there are too many trees")
    require(((roots >= 0) & (roots < count)).all(), "a tree begins outside of the nodes")
    whole(packet.head, "direction_trees", 0, roots.size)
    column, children = nodes[:, 0], nodes[:, 1:]
    inner = column >= 0
    require(((column >= -1) & (column < features)).all(), "a node asks for a feature that there is not")
    behind = (children > np.arange(count)[:, None]) & (children < count)
    require(behind[inner].all(), "a tree leads outside of the nodes, or in a circle")


def _further(packet: Packet) -> None:
    if WEIGHTS in packet.arrays:
        array(packet, WEIGHTS, (len(integrated.COLUMNS),))
    if TABLE in packet.arrays:
        held = array(packet, TABLE, (None, None))
        require(0 < held.size <= 10_000, "the table of the micro-price is empty or too large")


def _trial(packet: Packet) -> None:
    """The model of the test block, with which the next training compares."""
    try:
        trial = Packet.unpack(array(packet, "trial", (None,), "|u1").tobytes())
    except CorruptData as error:
        raise BadModelFile("the trial fit within the model cannot be read") from error
    tame(trial.head, "the head of the trial fit")
    only(trial, _ARRAYS)
    whole(trial.head, "trial_until_ns", -_EVER_NS, _EVER_NS)
    require(trial.head.get("label") == packet.head["label"] and trial.head.get("kind") == KIND, "the trial fit is of another model")
    require(trial.head.get("graph") == packet.head.get("graph"), "the trial fit is of other features")
    _forecaster(trial)
