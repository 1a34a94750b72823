"""`ti_bayes`: it denoises better than its peers' rules, at the ends as well, and its risk and band say the truth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.core.market import Vector
from rpsd.core.parameters import TiBayesParameters, WaveletParameters
from rpsd.denoise import noise, shifts, ti_bayes, wavelet
from rpsd.kernels.mixture import CELL
from tests.quality.signals import CASES

DEFAULT = TiBayesParameters()


def _walk(n: int, seed: int = 0) -> Vector:
    rng = np.random.default_rng(seed)
    return np.asarray(50.0 + np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(16, 600), level=st.integers(1, 5))
def test_circle_is_the_series_and_its_mirror(n: int, level: int) -> None:
    place = ti_bayes.circle(n, level)
    assert place.size % max(1 << level, CELL) == 0
    assert (place[:n] == np.arange(n)).all()
    assert place.size >= n + min(2 * 8 * (1 << level), n) - 1
    right, left = (place.size - n + 1) // 2, (place.size - n) // 2
    assert (place[n : n + right] == np.arange(n)[::-1][:right]).all()
    assert (place[place.size - left :][::-1] == np.arange(left)).all()


@pytest.mark.parametrize(("case", "bar"), [("Blocks 7", 0.06), ("Doppler 3", 0.07), ("jump", 0.07), ("trend", 0.045), ("GBM", 0.29)])
def test_error_as_share_of_the_noise(case: str, bar: float) -> None:
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(6):
        x, y = CASES[case](rng)
        shares.append(float(np.mean((ti_bayes.run(y, DEFAULT) - x) ** 2) / np.mean((y - x) ** 2)))
    assert np.mean(shares) < bar


def test_mix_is_nearly_the_better_of_the_two() -> None:
    for case in ("Blocks 7", "HeaviSine 7"):
        x, y = CASES[case](np.random.default_rng(2))
        errors = {w: float(np.mean((ti_bayes.run(y, replace(DEFAULT, wavelet=w)) - x) ** 2)) for w in ("haar", "sym8", "mix")}
        assert errors["mix"] < 1.2 * min(errors["haar"], errors["sym8"])
        assert max(errors["haar"], errors["sym8"]) > 1.2 * errors["mix"]


def test_varying_noise_is_followed() -> None:
    x, y = CASES["stochastic volatility"](np.random.default_rng(1))
    error = {kind: float(np.mean((ti_bayes.run(y, replace(DEFAULT, noise=kind)) - x) ** 2)) for kind in ("auto", "constant", "varying")}
    assert error["auto"] == error["varying"] < 0.8 * error["constant"]


def test_constant_noise_is_left_constant() -> None:
    y = _walk(2048)
    auto, constant, varying = (ti_bayes.noise_at(y, replace(DEFAULT, noise=kind)) for kind in ("auto", "constant", "varying"))
    assert auto is not None
    assert constant is not None
    assert varying is not None
    assert (auto == constant).all()
    assert varying.min() < varying.max()
    assert np.mean(varying**2) == pytest.approx(float(constant[0]) ** 2, rel=0.01)


def test_last_point_sees_a_mirror_not_the_other_end() -> None:
    """The end lies six sigmas above the start: wrapped around, the last point is drawn towards the first."""
    rng, mirrored, wrapped = np.random.default_rng(3), [], []
    for _ in range(40):
        x = 6.0 * np.arange(512) / 512.0
        y = x + rng.normal(size=512)
        mirrored.append(ti_bayes.estimate(y, np.ones(512), replace(DEFAULT, wavelet="sym8")).x[-1] - x[-1])
        wrapped.append(
            shifts.Circle("sym8", 512, 6, every=True).shrink(y - y.mean(), None, shifts.Kept(0, 512, 512))[0][-1] + y.mean() - x[-1]
        )
    assert np.sqrt(np.mean(np.square(mirrored))) < 0.3
    assert np.sqrt(np.mean(np.square(wrapped))) > 1.5


def test_response_is_the_derivative() -> None:
    """The analytic divergence against random probes, constant and varying noise; and the risk against the truth."""
    for case, kind in (("Blocks 3", "mix"), ("Doppler 7", "sym8"), ("GBM", "haar"), ("stochastic volatility", "mix")):
        rng = np.random.default_rng(11)
        x, y = CASES[case](rng)
        sigma, params = ti_bayes.noise_at(y, DEFAULT), replace(DEFAULT, wavelet=kind)
        assert sigma is not None
        found = ti_bayes.estimate(y, sigma, params)
        probed = []
        for _ in range(6):
            sign = np.where(rng.random(y.size) < 0.5, -1.0, 1.0)
            moved = (
                ti_bayes.estimate(y + 0.05 * sigma * sign, sigma, params).x - ti_bayes.estimate(y - 0.05 * sigma * sign, sigma, params).x
            )
            probed.append(float(np.sum(sigma * sign * moved)) / 0.1)
        analytic = found.divergence(sigma)
        assert abs(analytic - np.mean(probed)) < 0.035 * float(np.sum(sigma**2))
        risk = float((np.sum((y - found.x) ** 2 - sigma**2) + 2.0 * analytic) / np.sum(sigma**2))
        assert abs(risk - np.mean((found.x - x) ** 2) / np.mean((y - x) ** 2)) < 0.15


def test_band_covers_the_truth() -> None:
    inside = []
    for seed in range(10):
        x, y = CASES["GBM"](np.random.default_rng(seed))
        inside.append(np.abs(ti_bayes.run(y, DEFAULT) - x) <= 1.96 * ti_bayes.deviation(y, DEFAULT))
    assert 0.9 < np.mean(inside) < 0.98


def test_strength_moves_the_band_to_that_of_the_noise() -> None:
    y = _walk(600)
    sigma = ti_bayes.noise_at(y, DEFAULT)
    assert np.allclose(ti_bayes.deviation(y, replace(DEFAULT, strength=0.0)), sigma)
    assert (ti_bayes.deviation(y, DEFAULT) < sigma).all()


@settings(max_examples=25, deadline=None)
@given(n=st.integers(16, 300), seed=st.integers(0, 999), factor=st.sampled_from((1e-3, 4.0, 1e5)), shift=st.sampled_from((0.0, -7.0, 1e4)))
def test_scale_and_shift_and_any_length(n: int, seed: int, factor: float, shift: float) -> None:
    y = _walk(n, seed)
    a, b = ti_bayes.run(y, DEFAULT), ti_bayes.run(factor * y + shift, DEFAULT)
    assert np.isfinite(a).all()
    assert np.abs(b - (factor * a + shift)).max() < 1e-6 * factor * np.abs(y).max() + 1e-11 * abs(shift)


@pytest.mark.parametrize("kind", ["haar", "sym8", "mix"])
def test_time_reversal_hardly_matters(kind: str) -> None:
    y = _walk(1000)
    params = replace(DEFAULT, wavelet=kind)
    forth, back = ti_bayes.run(y, params), ti_bayes.run(y[::-1].copy(), params)[::-1]
    assert np.sqrt(np.mean((forth - back) ** 2)) < 0.12 * 2.0


def test_integer_prices_are_not_rescaled() -> None:
    y = np.round(_walk(700) * 10.0)
    x = ti_bayes.run(y, DEFAULT)
    assert abs(x.mean() - y.mean()) < 0.5
    assert not (x == np.round(x)).all()


def test_constant_and_nearly_constant_series_stay() -> None:
    assert (ti_bayes.run(np.full(33, 5.0), DEFAULT) == 5.0).all()
    y = np.full(256, 5.0)
    y[100] = 6.0
    assert np.isfinite(ti_bayes.run(y, DEFAULT)).all()
    assert np.isnan(ti_bayes.deviation(np.full(33, 5.0), DEFAULT)).all()


def test_depth_is_clipped() -> None:
    assert [ti_bayes.depth(n, DEFAULT) for n in (16, 31, 32, 4096, 1 << 20)] == [1, 1, 2, 9, 10]
    assert ti_bayes.depth(4096, replace(DEFAULT, depth=3)) == 3
    assert ti_bayes.depth(16, replace(DEFAULT, depth=10)) == 1


def test_beats_the_classic_shrinkage() -> None:
    classic = WaveletParameters(wavelet="sym8", level=8, use_fir_filter=False)
    for case in ("Blocks 3", "Bumps 7", "Doppler 3", "HeaviSine 3"):
        x, y = CASES[case](np.random.default_rng(8))
        assert np.mean((ti_bayes.run(y, DEFAULT) - x) ** 2) < 0.7 * np.mean((wavelet.run(y, classic) - x) ** 2)


def test_given_noise_is_used() -> None:
    y = _walk(512)
    at = noise.estimate(y, np.array([0, y.size])).at
    assert (ti_bayes.estimate(y, at, DEFAULT).x == ti_bayes.run(y, DEFAULT)).all()
    assert np.abs(ti_bayes.estimate(y, 1e-6 * at, DEFAULT).x - y).max() < 1e-3


def _random_walk(n: int) -> tuple[Vector, Vector]:
    rng = np.random.default_rng(n)
    x = np.cumsum(rng.normal(size=n))
    return x, x + 2.0 * rng.normal(size=n)


def test_long_series_in_stretches_is_as_good_and_has_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 40_003
    x, y = _random_walk(n)
    sigma, params = np.full(n, 2.0), replace(DEFAULT, depth=6)
    monkeypatch.setattr(ti_bayes, "_EVERY_SHIFT", 0)
    whole = ti_bayes.estimate(y, sigma, params)
    monkeypatch.setattr(ti_bayes, "_STRETCH", 8192)
    parts = ti_bayes.estimate(y, sigma, params)
    assert parts.x.size == n
    assert parts.cells.size == whole.cells.size
    error = (parts.x - x) ** 2
    assert abs(error.mean() / np.mean((whole.x - x) ** 2) - 1.0) < 0.02
    assert parts.divergence(sigma) == pytest.approx(whole.divergence(sigma), rel=0.05)
    seams = [k * n / 5.0 for k in range(1, 5)]
    near = np.concatenate([error[int(s) - 16 : int(s) + 16] for s in seams])
    assert near.mean() < 2.0 * error.mean()
    assert np.abs(parts.x - whole.x).max() < 2.0


def test_stretches_follow_varying_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ti_bayes, "_STRETCH", 8192)
    monkeypatch.setattr(ti_bayes, "_EVERY_SHIFT", 0)
    n = 30_000
    x, y = _random_walk(n)
    sigma = 2.0 * np.exp(np.sin(np.arange(n) / 3000.0))
    y = x + (y - x) / 2.0 * sigma
    error = [float(np.mean((ti_bayes.estimate(y, s, DEFAULT).x - x) ** 2)) for s in (sigma, np.full(n, sigma.mean()))]
    assert error[0] < 0.9 * error[1]


def test_few_shifts_cost_little_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = _random_walk(8192)
    sigma = np.full(8192, 2.0)
    every = float(np.mean((ti_bayes.estimate(y, sigma, DEFAULT).x - x) ** 2))
    monkeypatch.setattr(ti_bayes, "_EVERY_SHIFT", 0)
    assert float(np.mean((ti_bayes.estimate(y, sigma, DEFAULT).x - x) ** 2)) < 1.05 * every


def test_few_shifts_still_move_with_the_series() -> None:
    """A circle moved by the rows of its coarsest level gives the moved answer."""
    a = np.random.default_rng(6).normal(size=1024)
    found = [shifts.Circle("sym8", 1024, 5, every=False).shrink(np.roll(a, s), None, shifts.Kept(0, 1024, 1024))[0] for s in (0, 32)]
    assert np.abs(np.roll(found[0], 32) - found[1]).max() < 1e-9
    every = [shifts.Circle("sym8", 1024, 5, every=True).shrink(np.roll(a, s), None, shifts.Kept(0, 1024, 1024))[0] for s in (0, 13)]
    assert np.abs(np.roll(every[0], 13) - every[1]).max() < 1e-9
