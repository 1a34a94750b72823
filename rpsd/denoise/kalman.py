"""`kalman`: the local-level filter, its gain refitted by maximum likelihood on a trailing window. Causal."""

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.core.parameters import KalmanParameters
from rpsd.kernels import filters


def run(y: Vector, params: KalmanParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit. Causal: x̂_t uses y_0..y_t, bit for bit. O(n).

    y_t = x_t + e_t, x_t = x_{t-1} + w_t, q = var w / var e; x̂_t = x̂_{t-1} + K (y_t - x̂_{t-1}) with the steady-state gain
    K = P / (P + 1), P = q/2 + sqrt(q^2/4 + q). With ratio 0 the gain is estimated from y[t - window : t] at t = 16, 32, 64 and then
    every refit_every samples; before sample 16 the filter trusts every sample. Source: Harvey (1989), 2.4 and 4.1.2.
    """
    gain = filters.steady_gain(params.ratio) if params.ratio > 0.0 else 0.0
    level = np.empty(y.size)
    filters.local_level(np.require(y, np.float64, ["C", "W"]), gain, params.window, params.refit_every, level)
    return y + params.strength * (level - y)


METHOD = Method(
    name="kalman",
    causal=True,
    params=KalmanParameters,
    run=run,
    source="Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 2.4 and 4.1.2",
    cost="O(n)",
    summary="Local-level filter whose signal-to-noise ratio is refitted on a trailing window; uses the past only.",
)
