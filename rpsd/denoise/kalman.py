"""`kalman`: local level or local linear trend, its ratio refitted by maximum likelihood on a trailing window. Causal."""

import numpy as np

from rpsd.core.catalogue import Method, Stream
from rpsd.core.market import Vector
from rpsd.core.parameters import KalmanParameters
from rpsd.core.result import Matrix
from rpsd.kernels import kalman, trend
from rpsd.kernels.imm import FARTHEST


def start(params: KalmanParameters) -> Vector:
    """State before the first sample."""
    return kalman.start() if params.model == "level" else trend.start()


def _filter(state: Vector, y: Vector, params: KalmanParameters) -> tuple[Vector, Vector, Vector]:
    """x̂ (n,), its error variance in units of var e, and var e as known before each sample."""
    x, shares, noises = (np.empty(y.size) for _ in range(3))
    values = np.require(y, np.float64, ["C", "W"])
    if params.model == "level":
        kalman.level(values, params.ratio, params.refit_every, -(-params.window // kalman.BLOCKS), state, x, shares, noises)
    else:
        block = -(-params.window // trend.BLOCKS)
        trend.trend(values, params.ratio, params.slope_ratio, params.refit_every, block, trend.gains(), state, x, shares, noises)
    return x, shares, noises


def advance(state: Vector, y: Vector, params: KalmanParameters) -> tuple[Vector, Vector]:
    """x̂ (n,) of the next samples y (n,) and the standard deviation of its error (n,), NaN before sample 16. Causal. O(n)."""
    x, shares, noises = _filter(state, y, params)
    return weaken(y, x, shares, noises, params.strength)


def foretell(state: Vector, y: Vector, params: KalmanParameters) -> Matrix:
    """Rows (3, n) of the next samples y (n,): x̂, its error variance, the log density that each had before it came. Causal. O(n).

    Model level. The innovation is (y - x̂) / (1 - k) and has the variance var e / (1 - k); NaN where var e is not known or 0.
    """
    x, gains, noises = _filter(state, y, params)
    known = (noises > 0.0) & (gains < 1.0)
    rest = np.where(known, 1.0 - gains, 1.0)
    spread = np.where(known, noises, 1.0) / rest
    with np.errstate(over="ignore"):
        distance = np.minimum(((y - x) / rest) ** 2 / spread, FARTHEST)
    scores = -0.5 * (np.log(2.0 * np.pi * spread) + distance)
    return np.array([x, gains * noises, np.where(known, scores, np.nan)])


def weaken(y: Vector, x: Vector, shares: Vector, noises: Vector, strength: float) -> tuple[Vector, Vector]:
    """y + strength (x̂ - y) (n,) and the standard deviation of its error, where x̂ has the error variance shares * noises and y noises.

    The error of the best x̂ is uncorrelated with what it was made of, so its covariance with the noise of y is its own variance.
    """
    kept = (1.0 - strength) ** 2
    return y + strength * (x - y), np.sqrt((kept + (1.0 - kept) * shares) * noises)


def run(y: Vector, params: KalmanParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit. Causal: x̂_t uses y_0..y_t, bit for bit. O(n).

    Level: y_t = x_t + e_t, x_t = x_{t-1} + w_t, q = var w / var e; trend: x_t = x_{t-1} + b_{t-1} + w_t, b_t = b_{t-1} + z_t besides.
    Exact filter with a diffuse start. With ratio 0 the ratios are estimated from the trailing window at t = 16, 32, 64 and then every
    refit_every samples; before sample 16 the filter trusts every sample. Source: Harvey (1989), 2.4, 3.2 and 4.1.2.
    """
    return advance(start(params), y, params)[0]


METHOD = Method(
    name="kalman",
    causal=True,
    params=KalmanParameters,
    run=run,
    source="Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 2.4, 3.2 and 4.1.2",
    cost="O(n)",
    summary="Local-level or local-linear-trend filter whose signal-to-noise ratio is refitted on a trailing window; uses the past only.",
    stream=Stream(start, advance),
)
