"""Total variation by Stein's risk: the risk is the one measured, its minimum is found, weights follow the noise."""

import numpy as np
import pytest

from rpsd.core.parameters import TvParameters
from rpsd.denoise import noise, tv
from tests.quality.signals import CASES


def _estimate(y: np.ndarray) -> noise.Noise:
    return noise.estimate(y, np.array([0, y.size]))


def test_degrees_of_freedom_are_the_derivative() -> None:
    """Stein's sum against one finite difference for each sample."""
    rng = np.random.default_rng(4)
    y = np.repeat([0.0, 3.0, 1.0], 30) + 0.5 * rng.normal(size=90)
    found, params = _estimate(y), TvParameters(lam=0.7, noise="constant")
    fitted = tv.fit(y, params, found)
    bumped = [tv.fit(y + 1e-7 * e, params, found).x[i] - fitted.x[i] for i, e in enumerate(np.eye(90))]
    rest = y - fitted.x
    expected = rest @ rest + 2.0 * found.at**2 @ np.array(bumped) / 1e-7 - (found.at**2).sum()
    assert fitted.risk == pytest.approx(expected / (90 * found.square), abs=1e-6)
    assert fitted.pieces == 1 + np.count_nonzero(np.diff(fitted.x))


@pytest.mark.parametrize("name", ["Blocks 3", "jump", "GBM", "trend"])
def test_estimated_risk_is_near_the_truth(name: str) -> None:
    said, true = [], []
    for seed in range(8):
        x, y = CASES[name](np.random.default_rng(seed))
        fitted = tv.fit(y, TvParameters())
        said.append(fitted.risk)
        true.append(np.mean((fitted.x - x) ** 2) / np.mean((y - x) ** 2))
    assert abs(np.mean(said) - np.mean(true)) < 0.04


def test_no_other_lam_has_a_clearly_lower_risk() -> None:
    y = CASES["HeaviSine 7"](np.random.default_rng(2))[1]
    found = _estimate(y)
    best = tv.fit(y, TvParameters(), found)
    others = [tv.fit(y, TvParameters(lam=float(lam)), found).risk for lam in np.geomspace(0.05, 100.0, 60)]
    assert best.risk <= min(others) + 1e-3


def test_a_long_series_is_searched_on_blocks_and_solved_whole() -> None:
    rng = np.random.default_rng(5)
    y = np.repeat(3.0 * rng.normal(size=1 << 10), 1 << 8) + rng.normal(size=1 << 18)
    fitted = tv.fit(y, TvParameters())
    whole = [tv.fit(y, TvParameters(lam=float(lam))).risk for lam in fitted.lam * np.array([0.7, 1.4])]
    assert fitted.risk < min(whole)


def test_weights_follow_a_noise_that_varies() -> None:
    gains = []
    for seed in range(6):
        x, y = CASES["stochastic volatility"](np.random.default_rng(seed))
        error = [np.mean((tv.run(y, TvParameters(noise=word)) - x) ** 2) for word in ("auto", "constant")]
        gains.append(error[0] / error[1])
    assert np.exp(np.mean(np.log(gains))) < 0.97


def test_without_noise_there_is_nothing_to_remove() -> None:
    y = np.where(np.arange(64) < 32, 0.0, 1.0)
    assert (tv.run(y, TvParameters()) == y).all()
