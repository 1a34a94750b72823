"""`kalman_smoother`: the local level in hindsight, its ratio by maximum likelihood over the whole session. Not causal."""

from typing import Final, NamedTuple

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.core.parameters import KalmanSmootherParameters
from rpsd.denoise.kalman import weaken
from rpsd.kernels import filters, smoother

_LARGEST: Final = 1e8  # ratio at a gain of 1: y itself
_WIDTH: Final = 128  # samples over which the noise of the band is averaged


class Smoothed(NamedTuple):
    """x̂ (n,), the standard deviation of its error (n,), dx̂_t / dy_t (n,) at the given ratio, and the ratio with its log-likelihood."""

    x: Vector
    deviation: Vector
    sensitivity: Vector
    ratio: float
    log_likelihood: float


def smooth(y: Vector, params: KalmanSmootherParameters) -> Smoothed:
    """The smoother and its whole account of y (n,), finite, one session, any unit. Not causal. O(n).

    The sensitivity is exact at the ratio: sum sigma_t^2 dx̂_t / dy_t is the divergence of Stein's risk without any probe, its mean the share
    of the noise that stays. The deviation follows the noise around each sample (running mean of squared innovations over 128 samples).
    """
    x, shares, squares, ratio, likelihood = _solved(y, params)
    noises = np.empty(y.size)
    filters.running_mean(squares, min(_WIDTH, y.size), noises)
    weaker, deviation = weaken(y, x, shares, np.maximum(noises, 0.0), params.strength)
    return Smoothed(weaker, deviation, 1.0 + params.strength * (shares - 1.0), ratio, likelihood)


def _solved(y: Vector, params: KalmanSmootherParameters) -> tuple[Vector, Vector, Vector, float, float]:
    """x̂, its variance as a share of that of the noise and the squared innovations (n,) at full strength; ratio and log-likelihood."""
    values = np.require(y, np.float64, ["C", "W"])
    ratio = params.ratio or _likeliest(values)
    x, shares, squares = np.empty(y.size), np.empty(y.size), np.empty(y.size)
    likelihood = smoother.smooth(values, ratio, x, shares, squares)
    return x, shares, squares, ratio, float(likelihood)


def _likeliest(y: Vector) -> float:
    """q = K^2 / (1 - K) of the gain K of greatest likelihood."""
    gain = float(filters.fit_gain(y, np.array([0, y.size]))[0])
    return min(gain * gain / max(1.0 - gain, 1e-300), _LARGEST)


def run(y: Vector, params: KalmanSmootherParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit. Not causal. O(n).

    y_t = x_t + e_t, x_t = x_{t-1} + w_t, q = var w / var e; x̂ is the mean of x given all of y, the solution of (I + D'D / q) x̂ = y with
    the first differences D, by the exact filter and one pass back. With ratio 0, q is the maximum of the steady-state likelihood.
    Source: Rauch, Tung and Striebel (1965), AIAA J. 3, 1445-1450; Harvey (1989), 3.6 and 4.1.2.
    """
    return response(y, params)[0]


def deviation(y: Vector, params: KalmanSmootherParameters) -> Vector:
    """Standard deviation of the error of run(y, params) (n,), y (n,). Not causal. O(n)."""
    return smooth(y, params).deviation


def response(y: Vector, params: KalmanSmootherParameters) -> tuple[Vector, Vector]:
    """x̂ of run() and dx̂_t/dy_t (n,) at its ratio. Not causal. O(n)."""
    x, shares, *_ = _solved(y, params)
    return _between(y, x, params.strength), _between(1.0, shares, params.strength)


def _between(first: Vector | float, second: Vector, strength: float) -> Vector:
    """first + strength (second - first) (n,), in the room of the second."""
    second -= first
    second *= strength
    second += first
    return second


METHOD = Method(
    name="kalman_smoother",
    causal=False,
    params=KalmanSmootherParameters,
    run=run,
    source="Rauch, Tung and Striebel (1965), AIAA J. 3, 1445-1450",
    cost="O(n)",
    summary="Local-level smoother with the likeliest signal-to-noise ratio of the session; the best there is for a walk in noise.",
    deviation=deviation,
    response=response,
)
