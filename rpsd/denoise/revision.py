"""How far the newest value of a hindsight method will move: what is shown today against what will be shown once more is known."""

from itertools import pairwise
from typing import Any, Final

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.market import Times, Vector

_ENDPOINTS: Final = 32
_BEFORE: Final = 16  # samples that an endpoint has in its session, at least
_AFTER: Final = 8  # samples that the whole series knows beyond it


def endpoint_revision(
    method: Method, y: Vector, starts: Times, params: Any, sigma: Vector, *, x: Vector | None = None, endpoints: int = _ENDPOINTS
) -> float | None:
    """Root mean square of (x̂_t given all - x̂_t given y up to t) / sigma_t over evenly spread endpoints t; None when all are too short.

    y and sigma (n,) on the working scale, sessions y[starts[i]:starts[i+1]]; x the method's answer to all of y, if known. An endpoint
    has at least 16 samples of its session up to it, and 8 after it. 0 for a causal method. O(endpoints n).
    """
    spans = [(a, t) for a, b in pairwise(starts.tolist()) for t in range(a + _BEFORE - 1, b - _AFTER)]
    if not spans:
        return None
    chosen = [spans[i] for i in np.unique(np.linspace(0, len(spans) - 1, endpoints).astype(np.int64)).tolist()]
    final = x if x is not None else np.concatenate([method.run(y[a:b], params) for a, b in pairwise(starts)])
    moves = [(final[t] - method.run(y[a : t + 1].copy(), params)[-1]) / sigma[t] for a, t in chosen]
    return float(np.sqrt(np.mean(np.square(moves))))
