"""`haar_causal`: Haar shrinkage of the past only, a baseline that users of wavelets know. Causal."""

import numpy as np

from rpsd.core.catalogue import Method, Stream
from rpsd.core.market import Vector
from rpsd.core.parameters import HaarCausalParameters
from rpsd.kernels import haar


def start(params: HaarCausalParameters) -> Vector:
    """State before the first sample."""
    return haar.start(params.level)


def advance(state: Vector, y: Vector, params: HaarCausalParameters) -> tuple[Vector, Vector]:
    """x̂ (n,) of the next samples y (n,); no model of its error. Causal. O(n level)."""
    x = np.empty(y.size)
    haar.haar(np.require(y, np.float64, ["C", "W"]), params.level, params.window, state, x)
    return y + params.strength * (x - y), np.full(y.size, np.nan)


def run(y: Vector, params: HaarCausalParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit. Causal: x̂_t uses y_0..y_t, bit for bit. O(n) at a given level, O(n level).

    a_j(t) = (a_{j-1}(t) + a_{j-1}(t - 2^(j-1))) / 2 from a_0 = y, details d_j = a_{j-1} - a_j shrunk softly by the BayesShrink threshold of
    trailing means over `window` samples. Source: Murtagh (2005), Int. J. Wavelets 3, 371-394; Chang, Yu and Vetterli (2000).
    """
    return advance(start(params), y, params)[0]


METHOD = Method(
    name="haar_causal",
    causal=True,
    params=HaarCausalParameters,
    run=run,
    source="Nason and Silverman (1995), The stationary wavelet transform and some statistical applications",
    cost="O(n)",
    summary="Shrinkage of the trailing stationary Haar transform; a baseline, uses the past only.",
    stream=Stream(start, advance),
)
