"""Whether a regime model that comes from outside can serve: every part of it is looked at, then it takes a few steps."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadModelFile, CorruptData, RpsdError
from rpsd.core.foreign import array, number, only, require, table, tame, whole, words
from rpsd.core.market import INTERVALS, Vector
from rpsd.core.model import Packet
from rpsd.core.observed import MOST_OBSERVED, observed, sources
from rpsd.core.result import Matrix
from rpsd.regime import standing
from rpsd.regime.labels import NAMES
from rpsd.regime.observer import Observer
from rpsd.regime.run import ENGINES
from rpsd.regime.state import SCALE

_EVER_NS: Final = 2**62
_MOST_RECORD: Final = 100_000
_FIT: Final = ("startprob", "transmat", "location", "dispersion", "df", "means", "variances", "weights", "trace")
_KNOWN: Final = frozenset({*_FIT, "stationary", "alpha", "carry", "pits", "trial"})
_SHARE_ERROR: Final = 1e-6


def require_regime(packet: Packet, regime_type: str, interval: str, states: int | None) -> None:
    """Raise BadModelFile, telling what is wrong, unless the packet is a model of train_many for that name that `standing` can go on with.

    `states`: how many the name says, None where the data chose.
    """
    head = packet.head
    tame(head, "the head of the model")
    only(packet, _KNOWN)
    k, d = _sizes(head, states)
    require(head.get("regime_type") == regime_type and head.get("interval") == interval, "the model is not of the kind that its name says")
    _told(head, k)
    _fit(packet, k, d)
    _record(packet, k, d)
    _steps(packet)


def _sizes(head: Mapping[str, Any], states: int | None) -> tuple[int, int]:
    """States and columns."""
    k, d = whole(head, "k", 1, max(NAMES)), whole(head, "d", 1, MOST_OBSERVED)
    require(states in (None, k) and head.get("n_states") == k, f"the model has {k} states, and its name or its head says otherwise")
    try:
        seen = observed(words(head, "columns", MOST_OBSERVED))
    except BadModelFile:
        raise
    except RpsdError as error:
        raise BadModelFile(f"columns: {error.detail}") from error
    require(len(seen) == d, f"the model sees {len(seen)} columns, and d is {d}")
    return k, d


def _told(head: Mapping[str, Any], k: int) -> None:
    """What the answers quote from the head."""
    require(words(head, "labels", k) == list(NAMES[k]), "the labels are not the names of so many states")
    require(head.get("scale") == SCALE and head.get("engine") in list(ENGINES), "the scale or the engine is none of this release")
    for name in ("carry_ns", "trained_from_ns", "trained_until_ns"):
        whole(head, name, -_EVER_NS, _EVER_NS)
    require(head["trained_from_ns"] <= head["trained_until_ns"], "the training window ends before it begins")
    whole(head, "n", 1, 2**40)
    number(head, "step_ns", 1.0, float(_EVER_NS), or_none=True)
    for name in ("log_likelihood", "penalised", "aic", "bic"):
        number(head, name)
    whole(head, "iterations", 0, 2**31)
    require(isinstance(head.get("converged"), bool) and isinstance(head.get("collapsed"), list), "converged or collapsed is missing")
    current = table(head, "current")
    whole(current, "state", 0, k - 1)
    whole(current, "since_ns", -_EVER_NS, _EVER_NS)
    whole(current, "bars_in_regime", 1, 2**40)
    for name, most in (("states", k), ("warnings", 50), ("selection", 50)):
        rows = head.get(name)
        require(
            isinstance(rows, list) and len(rows) <= most and all(isinstance(row, dict) for row in rows), f"{name} is no list of objects"
        )
    require(len(head["states"]) == k, f"{len(head['states'])} rows of states for {k}")
    table(head, "annualisation")
    require("evaluation" in head and (head["evaluation"] is None or isinstance(head["evaluation"], dict)), "evaluation is no object")
    require(head.get("drift") is None or isinstance(table(head, "drift").get("significant"), bool), "drift does not say whether it is one")


def _fit(packet: Packet, k: int, d: int) -> None:
    """The parameters."""
    for name in ("startprob", "alpha", "stationary"):
        _shares(name, array(packet, name, (k,)).reshape(1, k))
    _shares("transmat", array(packet, "transmat", (k, k)))
    array(packet, "location", (k, d))
    dispersion = array(packet, "dispersion", (k, d, d))
    is_even = np.allclose(dispersion, dispersion.transpose(0, 2, 1), rtol=1e-9, atol=0.0)
    require(is_even and np.linalg.eigvalsh(dispersion).min() > 0.0, "a dispersion is no covariance: not symmetric and positive")
    require((array(packet, "df", (k,), or_infinite=True) > 0.0).all(), "degrees of freedom are not above zero")
    array(packet, "means", (k,))
    require((array(packet, "variances", (k,)) > 0.0).all(), "a variance is not above zero")
    require((array(packet, "weights", (k,)) >= 0.0).all(), "a weight is below zero")
    array(packet, "trace", (None,))


def _record(packet: Packet, k: int, d: int) -> None:
    """What a retrain goes on from, and what the next bar needs."""
    head = packet.head
    array(packet, "carry", Observer.of(head["columns"]).start().memory.shape)
    pits = array(packet, "pits", (None,))
    require(pits.size <= _MOST_RECORD and ((pits >= 0.0) & (pits <= 1.0)).all(), "pits are no probabilities")
    if "trial" not in packet.arrays:
        return
    whole(head, "trial_until_ns", -_EVER_NS, _EVER_NS)
    try:
        trial = Packet.unpack(array(packet, "trial", (None,), "|u1").tobytes())
    except CorruptData as error:
        raise BadModelFile("the trial fit within the model cannot be read") from error
    tame(trial.head, "the head of the trial fit")
    require(trial.head.get("k") == k and trial.head.get("columns") == head["columns"], "the trial fit is of another model")
    only(trial, frozenset(_FIT))
    ends = {name: packet.arrays[name] for name in ("alpha", "stationary")}
    _fit(Packet(trial.head, {**trial.arrays, **ends}), k, d)


def _steps(packet: Packet) -> None:
    """The filter over three bars that cannot be mistaken: its answers are probabilities."""
    at = standing.beginning(packet)
    t = at.carry.t + np.arange(1, 4, dtype=np.int64) * INTERVALS[packet.head["interval"]]
    memory = at.carry.memory
    price = float(memory[2]) if memory[0] else 1.0
    require(price > 0.0, "the last price is not above zero")
    names = sources(observed(packet.head["columns"]))
    cells: dict[str, Vector] = {name: np.full(3, price) for name in names}
    alpha: Matrix = standing.advance(packet, at, t, price * np.array([1.0, 1.01, 0.99]), cells)[2]
    require(np.isfinite(alpha).all(), "the filter gives no probabilities")
    _shares("the filter's answer", alpha)


def _shares(name: str, rows: Matrix) -> None:
    """Rows of shares that sum to one."""
    fits = (rows >= 0.0).all() and np.allclose(rows.sum(axis=1), 1.0, rtol=0.0, atol=_SHARE_ERROR)
    require(fits, f"{name} holds no shares that sum to one")
