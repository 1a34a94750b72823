"""What a regime model sees of bars and says of them, bar by bar, so that two windows of it can be compared."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.regime.hmm import filtered
from rpsd.regime.observer import Observer
from rpsd.regime.residual import predictive_probabilities

FORECAST: Final = "forecast.probability"
"""The predictive probability of each return: uniform while bars come as the model foretells them."""


def watched(state: Packet, t: Times, prices: Vector, cells: Mapping[str, Vector]) -> tuple[dict[str, Vector], dict[str, Vector]]:
    """What the model observes and what it says of bars at t (n,) in ns UTC: columns (n,) by name, NaN where a bar shows nothing.

    Observed are its own columns, observed.NAME; said are the filter's probability of each state, posterior.LABEL, and FORECAST. Prices (n,)
    and the cells (n,) of each stored column have NaN where one is missing. Causal, given the parameters. O(n k²).
    Source: predictive probabilities as residual.predictive_probabilities.
    """
    head = state.head
    observer = Observer.of(head["columns"], head["step_ns"])
    sight = observer.observe(observer.start(), t, prices, cells)
    places = np.searchsorted(t, sight.t)
    if not places.size:
        return {}, {}
    x, z = np.ascontiguousarray(sight.z[:, 0]), None if len(observer.columns) == 1 else np.ascontiguousarray(sight.z)
    alpha = filtered(state, x if z is None else z)
    below, _ = predictive_probabilities(state, state.arrays["startprob"], x, z)
    seen = _spread(places, t.size, {f"observed.{one.name}": sight.z[:, i] for i, one in enumerate(observer.columns)})
    said = {f"posterior.{label}": alpha[:, i] for i, label in enumerate(head["labels"])} | {FORECAST: below.clip(0.0, 1.0)}
    return seen, _spread(places, t.size, said)


def _spread(places: Times, n: int, columns: Mapping[str, Vector]) -> dict[str, Vector]:
    """The columns (m,) at their places of n bars, NaN elsewhere."""
    whole = {name: np.full(n, np.nan) for name in columns}
    for name, column in columns.items():
        whole[name][places] = column
    return whole
