"""What the channels of series and models say of a commit. Nothing is made of what nobody hears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core import instant
from rpsd.core.market import INTERVALS, Samples, Times
from rpsd.core.result import Matrix
from rpsd.services.channel import named
from rpsd.services.events import EventHub
from rpsd.store.blocks import Rows
from rpsd.store.derived import GroupInfo

MOST_ROWS: Final = 256
"""Newest rows that one event tells; `omitted` counts those before them, which the series and the history have."""
MOST_CELLS: Final = 64
"""Columns of the last bar that an event tells."""


@dataclass(frozen=True, slots=True)
class LiveValues:
    """Rows of a live column that a write added; `is_replay`: those from the first of them on took the place of what was told before."""

    symbol: str
    interval: str
    group: GroupInfo
    rows: Rows
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class LiveRegime:
    """Rows of a live regime that a write added: times t (n,), probabilities alpha (n, k) of the states that the labels name."""

    symbol: str
    interval: str
    regime_type: str
    model: str
    version: int
    labels: Sequence[str]
    t: Times
    alpha: Matrix


class Herald:
    """Publishes what was committed. Called by the writer thread after each commit, so that events come in the order of the commits."""

    def __init__(self, events: EventHub) -> None:
        self._events = events

    def samples(self, symbol: str, interval: str, samples: Samples, answer: Mapping[str, Any]) -> None:
        """Rows were stored: what the post was answered, with the newest bar of it."""
        channel = named("samples", symbol, interval)
        if self._events.is_wanted(channel):
            counts = {name: answer[name] for name in ("accepted", "inserted", "updated", "unchanged")}
            told = {"symbol": symbol, "interval": interval, **counts, "rejected": len(answer["rejected"]), "last": answer["last"]}
            self._events.publish(channel, told | {"bar": _bar(samples)})

    def values(self, found: Sequence[LiveValues]) -> None:
        """Live columns have new values, or other ones from some time on."""
        for one in found:
            channel = named("denoise", one.symbol, one.interval)
            if self._events.is_wanted(channel):
                self._events.publish(channel, _values(one))

    def regimes(self, found: Sequence[LiveRegime]) -> None:
        """Live regimes have new rows, which are never written again."""
        for one in found:
            channel = named("regime", one.symbol, one.interval)
            if self._events.is_wanted(channel):
                self._events.publish(channel, _regimes(one))

    def serves(self, event: str, model: Mapping[str, Any]) -> None:
        """A version has come into production: `event` is promoted or rolled_back, `model` the version as lists tell it."""
        self._events.publish(named("models"), {"event": event, "model": dict(model)})


def _bar(samples: Samples) -> dict[str, Any] | None:
    """The newest row; a missing cell is None."""
    if not samples.n:
        return None
    cells = {name: _number(float(values[-1])) for name, values in list(samples.columns.items())[:MOST_CELLS]}
    return {"t": instant.text(int(samples.t[-1]))} | cells


def _values(one: LiveValues) -> dict[str, Any]:
    """The rows by columns, as the samples of a derived column are read."""
    omitted = max(one.rows.n - MOST_ROWS, 0)
    rows = one.rows.cut(omitted, one.rows.n)
    names = ("values", "deviation")[: len(one.group.columns)]
    return {
        "symbol": one.symbol,
        "interval": one.interval,
        "column": one.group.name,
        "method": one.group.meta["method"],
        "lag": one.group.meta["lag"],
        "replayed_from": instant.text(int(one.rows.t[0])) if one.is_replay and one.rows.n else None,
        "t": instant.texts(rows.t),
        **{name: [_number(cell) for cell in rows.values[place].tolist()] for place, name in enumerate(names)},
        "available_at": instant.texts(rows.known_ns(INTERVALS[one.interval])),
        "omitted": omitted,
    }


def _regimes(one: LiveRegime) -> dict[str, Any]:
    """The rows as the history of the regime tells them."""
    omitted = max(one.t.size - MOST_ROWS, 0)
    t, alpha = one.t[omitted:], one.alpha[omitted:]
    states = alpha.argmax(axis=1)
    likelihoods = alpha[np.arange(states.size), states].tolist()
    rows = [
        {"t": at, "state": state, "regime": one.labels[state], "probability": p, "model_version": one.version, "in_sample": False}
        for at, state, p in zip(instant.texts(t), states.tolist(), likelihoods, strict=True)
    ]
    told = {"symbol": one.symbol, "interval": one.interval, "regime_type": one.regime_type, "model": one.model}
    return told | {"regimes": rows, "omitted": omitted}


def _number(cell: float) -> float | None:
    return cell if cell == cell else None  # noqa: PLR0124 - NaN alone differs from itself
