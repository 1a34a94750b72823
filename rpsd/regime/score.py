"""How well a trained model foretells the bars after its training, bar by bar."""

from collections.abc import Mapping

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.regime.hmm import ahead, filter_from
from rpsd.regime.observer import Carry, Observer


def live_scores(state: Packet, t: Times, prices: Vector, cells: Mapping[str, Vector]) -> tuple[Times, Vector]:
    """Times (m,) in ns UTC and log predictive densities (m,) in nats of the closed bars after the model's training.

    Bars at t (n,), rising, with prices (n,) and the cells (n,) of each stored column; those that the training has seen are passed over, and
    so are bars that cannot be observed and returns across a gap. Densities are of the observations in percent: two models can be compared
    when they observe the same columns. Causal: each bar is judged by the density that stood before it. Cost O(n k²).
    Source: Dawid (1984), JRSS A 147, 278-292, the prequential score.
    """
    head, new = state.head, t > state.head["carry_ns"]
    begin = Carry(int(head["carry_ns"]), np.array(state.arrays["carry"], np.float64))
    kept = {name: np.ascontiguousarray(column[new]) for name, column in cells.items()}
    sight = Observer.of(head["columns"], head["step_ns"]).observe(begin, t[new], prices[new], kept)
    if not sight.t.size:
        return sight.t, np.empty(0)
    _, evidence = filter_from(state, ahead(state, state.arrays["alpha"]), sight.z)
    unseen = sight.t > head["trained_until_ns"]
    return sight.t[unseen], evidence[unseen]
