"""Pseudo-residuals: how each return stood against the density that was foretold for it."""

from typing import Any, Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.result import Matrix
from rpsd.regime.hmm import filter_from

MOST_QUANTILES: Final = 201
"""Points of a QQ picture: more than a screen resolves."""

_EXTREMES: Final = 20
"""Points at either end of a QQ picture that are never thinned out: tails are what it is drawn for."""


def predictive_probabilities(state: Packet, prior: Vector, x: Vector, z: Matrix | None = None) -> tuple[Vector, Vector]:
    """P(X_t ≤ x_t | past) and P(X_t > x_t | past) (n,) of returns x (n,) in percent, prior (k,) being that of the first bar.

    z (n, d) is what the model sees, x alone when None; of several columns the first, the return, is judged given the past alone. Under the
    model the probabilities are independent and uniform. Both tails, because one minus the other has no digits left far out. Causal in z.
    Source: Rosenblatt (1952), Ann. Math. Stat. 23(3), 470-472; Zucchini, MacDonald, Langrock (2016), Hidden Markov Models for Time Series,
    2nd ed., section 6.2.2 (forecast pseudo-residuals).
    """
    from scipy.special import ndtr, stdtr  # numerics that only residuals need

    alpha, _ = filter_from(state, prior, x if z is None else z)
    foretold = np.vstack([prior, alpha[:-1] @ state.arrays["transmat"]])
    location, scale = state.arrays["location"][:, 0], np.sqrt(state.arrays["dispersion"][:, 0, 0])
    standard, df = (x[:, None] - location) / scale, state.arrays["df"]
    normal = np.isinf(df)
    whole = np.where(normal, 1.0, df)
    lower, upper = (np.where(normal, ndtr(side), stdtr(whole, side)) for side in (standard, -standard))
    return (foretold * lower).sum(axis=1), (foretold * upper).sum(axis=1)


def pseudo_residuals(lower: Vector, upper: Vector) -> Vector:
    """Standard normal scores (n,) of the probabilities below and above, each taken from its shorter tail.

    >>> pseudo_residuals(np.array([0.5, 1.0]), np.array([0.5, 1e-30])).round(2).tolist()
    [0.0, 11.46]
    """
    from scipy.special import ndtri  # numerics that only residuals need

    tiny = np.finfo(np.float64).tiny  # a probability that underflowed has a score near 37, not infinity
    below = lower <= 0.5
    score = ndtri(np.maximum(np.where(below, lower, upper), tiny))
    return np.asarray(np.where(below, score, -score))


def residual_facts(z: Vector) -> dict[str, Any]:
    """What pseudo-residuals z (n,) say about the model: 0, 1, 0, 0, 0 and 0 when it is right, up to the error of n bars.

    Mean, deviation, skewness, excess kurtosis, and the correlation at lag one of z and of its size: volatility that the regimes leave over.
    """
    spread = float(z.std())
    standard = (z - z.mean()) / (spread or 1.0)  # without any spread all that follows is zero
    return {
        "n": int(z.size),
        "mean": float(z.mean()),
        "deviation": spread,
        "skewness": float((standard**3).mean()),
        "excess_kurtosis": float((standard**4).mean() - 3) if spread else 0.0,
        "autocorrelation": _lag_one(z),
        "autocorrelation_of_size": _lag_one(np.abs(z)),
    }


def _lag_one(values: Vector) -> float:
    centred = values - values.mean()
    spread = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / spread if spread else 0.0


def qq(z: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Normal QQ picture of z (n,): expected and observed quantiles and the 95 % range (lower, upper) of each, at most 201 points.

    The range is that of the i-th of n sorted standard normals, one point at a time. Source: Hazen's plotting positions; order statistics of
    uniforms are Beta(i, n + 1 - i), David and Nagaraja (2003), Order Statistics, section 2.3.
    """
    from scipy.special import betaincinv, ndtri  # numerics that only residuals need

    n = z.size
    picked = np.unique(
        np.concatenate(
            [
                np.arange(min(_EXTREMES, n)),
                np.linspace(0, max(n - 1, 0), min(MOST_QUANTILES - 2 * _EXTREMES, n)).round().astype(np.int64),
                np.arange(max(n - _EXTREMES, 0), n),
            ]
        )
    )
    rank = picked + 1.0
    lower, upper = (ndtri(betaincinv(rank, n + 1 - rank, share)) for share in (0.025, 0.975))
    return ndtri((rank - 0.5) / n), np.sort(z)[picked], lower, upper
