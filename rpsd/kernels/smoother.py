"""The local level in hindsight: exact likelihood and the smoother of Rauch, Tung and Striebel, with its variances.

y_t = x_t + e_t, x_t = x_{t-1} + w_t, q = var w / var e, a diffuse start; variances in units of var e. Each readable form stands above its
kernel. Source: Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 3.4 and 3.6; Rauch, Tung and Striebel
(1965), AIAA J. 3, 1445-1450.
"""

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel


def reference_smooth(y: Vector, ratio: float) -> tuple[Vector, Vector]:
    """E[x | y] and var(x | y) / var e (n,) from the normal equations (I + D'D / q) x = y, D the first differences. O(n^3)."""
    steps = np.diff(np.eye(y.size), axis=0)
    inverse = np.linalg.inv(np.eye(y.size) + steps.T @ steps / ratio)
    return inverse @ y, np.diag(inverse).copy()


def reference_likelihood(y: Vector, ratio: float) -> float:
    """Greatest log-likelihood over var e of y_1.. given y_0: the differences are Gaussian with covariance q I + D D'. O(n^3)."""
    steps = np.diff(np.eye(y.size), axis=0)
    covariance, moves = ratio * np.eye(y.size - 1) + steps @ steps.T, np.diff(y)
    square = float(moves @ np.linalg.solve(covariance, moves)) / moves.size
    return float(-0.5 * (moves.size * (np.log(2.0 * np.pi * square) + 1.0) + np.linalg.slogdet(covariance)[1]))


@kernel
def smooth(y, ratio, out, shares, squares):  # type: ignore[no-untyped-def]
    """`reference_smooth` into out and shares (n,) in O(n), n > 1; returns `reference_likelihood`.

    squares (n,) are the squared innovations in units of their share of var e: each has the mean var e. The variance share is also
    dx̂_t / dy_t, because of a Gaussian posterior mean the two are one.
    """
    n, x, k, logs, total = y.size, y[0], 1.0, 0.0, 0.0
    out[0], shares[0] = x, k
    for t in range(1, n):
        f, innovation = k + ratio + 1.0, y[t] - x
        logs += np.log(f)
        squares[t] = innovation * innovation / f
        total += squares[t]
        k = (k + ratio) / f
        x += k * innovation
        out[t], shares[t] = x, k
    squares[0] = squares[1]
    for t in range(n - 2, -1, -1):
        j = shares[t] / (shares[t] + ratio)
        out[t] += j * (out[t + 1] - out[t])
        shares[t] += j * j * (shares[t + 1] - shares[t] - ratio)
    return -0.5 * ((n - 1) * (np.log(2.0 * np.pi * max(total / (n - 1), 1e-300)) + 1.0) + logs)


def warm() -> None:
    """Compile or load every kernel of this file."""
    y = np.arange(80.0) % 3.0
    smooth(y, 0.5, np.empty(80), np.empty(80), np.empty(80))
