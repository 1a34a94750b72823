"""Packets of the regime room in the shape of the contract."""

from collections.abc import Collection, Mapping, Sequence
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
    return {**current, "since": moment(since)}


def fit_facts(packet: Packet) -> dict[str, Any]:
    """What every answer tells of the fit itself."""
    names = ("log_likelihood", "aic", "bic", "converged", "iterations", "annualisation", "selection", "warnings")
    return {name: packet.head[name] for name in names}


def forecast_rows(transition_matrix: Array, p: Array, steps: int, labels: Sequence[str]) -> list[dict[str, Any]]:
    """State probabilities 1 to `steps` bars after the one that p (k,) describes."""
    told = []
    for step in range(1, steps + 1):
        p = p @ transition_matrix
        told.append({"step": step, "probabilities": dict(zip(labels, p.tolist(), strict=True))})
    return told


def pictured(packet: Packet, t: Times, prices: Array, include: Collection[str]) -> dict[str, Any]:
    """What pictures are drawn from, as far as it is asked for: names of core.regime.INCLUDED; columns beside `regimes`, row by row.

    `prices` alone has a row for every bar of the range, with its time.
    """
    head, arrays, told = packet.head, packet.arrays, dict[str, Any]()
    if "prices" in include:
        told["prices"] = {"t": instant.texts(t), "close": prices.tolist()}
    if "probabilities" in include:
        told["probabilities"] = dict(zip(head["labels"], arrays["probabilities"].T.tolist(), strict=True))
    if "residuals" in include:
        picture = dict(zip(("expected", "observed", "lower", "upper"), arrays["qq"].tolist(), strict=True))
        told["residuals"] = {**head["residuals"], "values": arrays["residuals"].tolist(), "qq": picture}
    if "viterbi" in include:
        told["viterbi"] = {"states": arrays["viterbi"].tolist(), "causal": False}
    return told


def detected(ticker: str, interval: str, packet: Packet, ahead: int) -> dict[str, Any]:
    """The answer of a detection with a forecast of so many bars, but for pictures, cache and processing_time."""
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
        "forecast": forecast_rows(arrays["transition_matrix"], arrays["probabilities"][-1], ahead, head["labels"]),
        **fit_facts(packet),
        "model": head["model"],
        "model_version": None,
    }
