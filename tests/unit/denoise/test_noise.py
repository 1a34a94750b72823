"""Noise: each signal's noise is found within a few percent, in its unit, session by session."""

import numpy as np
import pytest

from rpsd.denoise import noise
from tests.quality.signals import CASES


def found(y: np.ndarray) -> noise.Noise:
    """The estimate for one session."""
    return noise.estimate(y, np.array([0, y.size]))


@pytest.mark.parametrize("name", CASES)
def test_noise_of_the_test_signals(name: str) -> None:
    ratios = []
    for seed in range(8):
        truth, observed = CASES[name](np.random.default_rng(seed))
        ratios.append(found(observed).sigma / np.std(observed - truth))
    assert abs(float(np.mean(ratios)) - 1.0) < 0.06


def test_price_like_series_use_the_likelihood_and_spiky_ones_the_finest_level() -> None:
    assert found(CASES["GBM"](np.random.default_rng(0))[1]).source == "local_level"
    assert found(CASES["Bumps 7"](np.random.default_rng(0))[1]).source == "finest_level"


def test_disagreement_is_warned_of() -> None:
    codes = [w.code for w in found(CASES["Bumps 7"](np.random.default_rng(0))[1]).warnings]
    assert codes == ["noise_model_mismatch"]
    assert found(CASES["GBM"](np.random.default_rng(0))[1]).warnings == ()


def test_changing_noise_is_followed() -> None:
    rng = np.random.default_rng(5)
    level = np.where(np.arange(4096) < 2048, 1.0, 5.0)
    changing = found(level * rng.normal(size=4096))
    assert changing.varies
    assert changing.at[:1800].mean() == pytest.approx(1.0, rel=0.2)
    assert changing.at[2300:].mean() == pytest.approx(5.0, rel=0.2)
    steady = found(rng.normal(size=4096))
    assert not steady.varies
    assert (steady.at == steady.sigma).all()


def test_stated_error_is_the_real_one() -> None:
    draws = [found(CASES["GBM"](np.random.default_rng(seed))[1]) for seed in range(60)]
    spread = float(np.std([d.sigma for d in draws]) / np.mean([d.sigma for d in draws]))
    assert spread == pytest.approx(float(np.mean([d.relative_error for d in draws])), rel=0.35)


def test_a_line_has_no_noise() -> None:
    assert found(np.arange(500.0)).sigma == 0.0


def test_session_jumps_are_no_noise() -> None:
    rng = np.random.default_rng(2)
    y = np.concatenate([k * 100.0 + np.cumsum(rng.normal(size=300)) + 2.0 * rng.normal(size=300) for k in range(4)])
    apart = noise.estimate(y, np.arange(5) * 300)
    assert apart.sigma == pytest.approx(2.0, rel=0.15)


def test_sparse_spikes_are_no_noise() -> None:
    rng = np.random.default_rng(8)
    spikes = np.zeros(900)
    spikes[rng.integers(0, 900, 18)] = 80.0 * rng.normal(size=18)
    seen = found(spikes + rng.normal(size=900))
    assert seen.source == "finest_level"  # to the likelihood of a walk they are all noise
    assert seen.local_level > 8.0
    assert 0.9 < seen.sigma < 1.5  # every spike touches eight details
