"""The filter and the smoother at given parameters against Stata, EViews and statsmodels (regime/README.md).

Models that rpsd does not fit are models that its filter serves all the same: an autoregression with switching means is a chain of its last
five regimes, and a regression with switching slopes is a Gaussian of two columns, the second of which says nothing about the regime.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.result import Matrix
from rpsd.regime import hmm

DATA = Path(__file__).parent / "regime"
EXACT, LIKELIHOOD = 1e-9, 5e-5


def columns(name: str) -> list[Vector]:
    return list(np.loadtxt(DATA / name, delimiter=",", skiprows=1, unpack=True))


def model(transmat: Matrix, location: Matrix, dispersion: np.ndarray, startprob: Vector | None = None) -> Packet:
    """A Gaussian model state that starts from its stationary shares, as Stata and EViews do."""
    arrays = {"transmat": transmat, "location": location, "dispersion": dispersion, "df": np.full(len(transmat), np.inf)}
    start = hmm.stationary(Packet({}, arrays)) if startprob is None else startprob
    return Packet({}, {**arrays, "startprob": start})


def two_states(stay: float, leave: float) -> Matrix:
    """Regime 1 is kept with probability `stay`; regime 2 is left with probability `leave`."""
    return np.array([[stay, 1 - stay], [leave, 1 - leave]])


def filtered(state: Packet, z: Vector | Matrix) -> tuple[Matrix, float]:
    alpha, evidence = hmm.filter_from(state, state.arrays["startprob"], z)
    return alpha, float(evidence.sum())


def balanced_accuracy(truth: Vector, probability: Vector) -> float:
    said = probability > 0.5
    return float(((said & (truth == 1)).sum() / (truth == 1).sum() + (~said & (truth == 0)).sum() / (truth == 0).sum()) / 2)


def hamilton() -> tuple[Packet, Vector, Vector]:
    """The AR(4) of Hamilton (1989) as a chain of 32 states (s_t, …, s_t-4), what it observes, and which states have s_t in regime 1."""
    growth = columns("rgnp.csv")[0]
    moves, means, variance = two_states(0.754673, 0.095915), np.array([-0.358811, 1.163516]), np.exp(-0.262658) ** 2
    slopes = np.array([0.013486, -0.057521, -0.246983, -0.212923])
    paths = list(product((0, 1), repeat=5))
    transmat = np.array([[moves[a[0], b[0]] * (b[1:] == a[:-1]) for b in paths] for a in paths])
    location = np.array([[means[p[0]] - slopes @ means[list(p[1:])]] for p in paths])
    z = growth[4:] - np.array([slopes @ growth[t - 4 : t][::-1] for t in range(4, growth.size)])
    start = two_states_start(moves)
    chances = np.array([start[p[4]] * np.prod([moves[p[i + 1], p[i]] for i in range(4)]) for p in paths])
    return model(transmat, location, np.full((32, 1, 1), variance), chances), z, np.array([p[0] == 0 for p in paths])


def two_states_start(moves: Matrix) -> Vector:
    return np.array([moves[1, 0], moves[0, 1]]) / (moves[1, 0] + moves[0, 1])


def test_hamilton_gnp() -> None:
    state, z, low = hamilton()
    _, recession, by_filter, by_smoother = columns("rgnp.csv")
    alpha, log_likelihood = filtered(state, z)
    assert log_likelihood == pytest.approx(-181.26339, abs=LIKELIHOOD)
    ours = alpha[:, low].sum(axis=1), hmm.smoothed(state, z)[:, low].sum(axis=1)
    for mine, theirs in zip(ours, (by_filter[4:], by_smoother[4:]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=EXACT)
    assert [round(balanced_accuracy(recession[4:], p), 3) for p in ours] == [0.879, 0.933]


def test_federal_funds() -> None:
    rate, by_stata = columns("fedfunds.csv")
    state = model(two_states(0.9820939, 0.0503587), np.array([[3.70877], [9.556793]]), np.full((2, 1, 1), 2.107562**2))
    assert filtered(state, rate)[1] == pytest.approx(-508.63592, abs=LIKELIHOOD)
    np.testing.assert_allclose(hmm.smoothed(state, rate)[:, 0], by_stata, atol=1e-6)


def test_absolute_returns_by_two_columns() -> None:
    """Given its lag the value is Gaussian; the lag itself is given the same density in both states, and that density is taken out again."""
    value, by_filter, by_smoother = columns("areturns.csv")
    z = np.column_stack([value[1:], value[:-1]])
    level, slope, variance, spread = [0.7641424, 1.972771], [0.0790744, 0.527953], [0.5895792**2, 1.605333**2], 2.0
    location = np.array([[a, 0.0] for a in level])
    dispersion = np.array([[[v + b * b * spread, b * spread], [b * spread, spread]] for b, v in zip(slope, variance, strict=True)])
    state = model(two_states(0.7530865, 0.6825357), location, dispersion)
    alpha, joint = filtered(state, z)
    of_the_lag = -0.5 * (np.log(2 * np.pi * spread) + z[:, 1] ** 2 / spread).sum()
    assert joint - of_the_lag == pytest.approx(-745.7977, abs=LIKELIHOOD)
    np.testing.assert_allclose(alpha[:, 0], by_filter[1:], atol=EXACT)
    np.testing.assert_allclose(hmm.smoothed(state, z)[:, 0], by_smoother[1:], atol=EXACT)
