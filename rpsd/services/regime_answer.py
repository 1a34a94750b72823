"""Packets of the regime room in the shape of the contract."""

from collections.abc import Mapping
from typing import Any

from rpsd.core import instant
from rpsd.core.market import Times
from rpsd.core.model import Array, Packet


def moment(ns: int | None) -> str | None:
    """ISO 8601, or None."""
    return None if ns is None else instant.text(ns)


def path_rows(t: Times, states: Array, probabilities: Array, names: list[str]) -> list[dict[str, Any]]:
    """One row a bar: t, state, regime and the probability of that state."""
    likelihoods = probabilities[range(states.size), states].tolist()
    return [
        {"t": at, "state": state, "regime": names[state], "probability": p}
        for at, state, p in zip(instant.texts(t), states.tolist(), likelihoods, strict=True)
    ]


def current_of(head: Mapping[str, Any]) -> dict[str, Any]:
    """The current regime of a head's `current`, its moment in ISO 8601."""
    current = dict(head)
    since = current.pop("since_ns")
    current.pop("since_index", None)
    return {**current, "since": moment(since)}


def fit_facts(packet: Packet) -> dict[str, Any]:
    """What every answer tells of the fit itself."""
    names = ("log_likelihood", "aic", "bic", "converged", "iterations", "annualisation", "selection", "warnings")
    return {name: packet.head[name] for name in names}


def detected(ticker: str, interval: str, packet: Packet) -> dict[str, Any]:
    """The answer of a detection, but for cache and processing_time."""
    head, arrays = packet.head, packet.arrays
    return {
        "ticker": ticker,
        "interval": interval,
        "regime_type": head["regime_type"],
        "n_states": head["n_states"],
        "mode": head["mode"],
        "causal": head["causal"],
        "causal_from": moment(head["causal_from_ns"]),
        "trained_from": moment(head["trained_from_ns"]),
        "trained_until": moment(head["trained_until_ns"]),
        "current": current_of(head["current"]),
        "regimes": path_rows(arrays["t"], arrays["states"], arrays["probabilities"], head["labels"]),
        "states": head["states"],
        "transition_matrix": arrays["transition_matrix"].tolist(),
        "stationary": arrays["stationary"].tolist(),
        **fit_facts(packet),
        "model": head["model"],
        "model_version": None,
    }
