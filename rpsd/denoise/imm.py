"""`imm`: thirty interacting local levels; their mixture follows jumps and changes of volatility without tuning. Causal."""

import numpy as np

from rpsd.core.catalogue import Method, Stream
from rpsd.core.market import Vector
from rpsd.core.parameters import ImmParameters
from rpsd.core.result import Matrix
from rpsd.kernels import imm


def start(params: ImmParameters) -> Vector:
    """State before the first sample."""
    del params
    return imm.start()


def foretell(state: Vector, y: Vector, params: ImmParameters) -> Matrix:
    """Rows (3, n) of the next samples y (n,): x̂, its error variance, the log density that each had before it came. Causal. O(n)."""
    rows = np.empty((3, y.size))
    imm.imm(np.require(y, np.float64, ["C", "W"]), imm.lanes(params.lowest, params.highest), params.stay, state, *rows)
    return rows


def advance(state: Vector, y: Vector, params: ImmParameters) -> tuple[Vector, Vector]:
    """x̂ (n,) of the next samples y (n,) and the standard deviation of its error (n,), NaN before the first move. Causal. O(n)."""
    x, variances, _ = foretell(state, y, params)
    return weaken(y, x, variances, params.strength)


def weaken(y: Vector, x: Vector, variances: Vector, strength: float) -> tuple[Vector, Vector]:
    """y + strength (x̂ - y) (n,) and the root of its mean squared error, given all samples so far: what was held back counts in full."""
    held_back = (1.0 - strength) * (y - x)
    return x + held_back, np.sqrt(variances + held_back**2)


def run(y: Vector, params: ImmParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit. Causal: x̂_t uses y_0..y_t, bit for bit. O(n).

    Local levels with noise variance g s^2 and state variance q g s^2, q one of six ratios, g one of 1/4, 1/2, 1, 3, 12; s^2 follows the
    noise seen. Before each sample the models mix along a Markov chain, after it they are weighted by the density that they gave it.
    Source: Blom and Bar-Shalom (1988), IEEE Trans. Automat. Control 33, 780-783.
    """
    return advance(start(params), y, params)[0]


METHOD = Method(
    name="imm",
    causal=True,
    params=ImmParameters,
    run=run,
    source="Blom and Bar-Shalom (1988), IEEE Trans. Automat. Control 33, 780-783",
    cost="O(n)",
    summary="Thirty interacting local levels; follows jumps and changes of volatility without tuning; uses the past only.",
    stream=Stream(start, advance),
)
