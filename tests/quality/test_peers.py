"""The peers are what they claim to be: written estimates against quadrature, libraries against theory; and the harness can tell."""

import numpy as np
import pytest
from scipy import integrate, stats

from tests.quality import leak, measure, peers
from tests.quality.further import FURTHER, sample
from tests.quality.measure import Scores, Task
from tests.quality.random_cases import NOISES, POPULATIONS, draw, worse
from tests.quality.signals import CASES


@pytest.mark.parametrize("w", [0.01, 0.2, 0.9])
@pytest.mark.parametrize("x", [0.5, 1.7, 2.9, 4.0, 7.5, 20.0])
def test_posterior_median_by_quadrature(x: float, w: float) -> None:
    def density(mean: float) -> float:
        return float(0.25 * np.exp(-0.5 * abs(mean)) * stats.norm.pdf(x - mean))

    whole = integrate.quad(density, -30.0, 60.0, points=[0.0, x], limit=400)[0]
    everything = (1.0 - w) * stats.norm.pdf(x) + w * whole
    median = float(peers.posterior_median(np.array([x]), w)[0])
    above = w * integrate.quad(density, median, 60.0, points=[max(x, median + 1e-9)], limit=400)[0] / everything
    assert above == pytest.approx(0.5, abs=1e-6) if median > 0.0 else above <= 0.5 + 1e-9


def test_weight_is_the_likeliest() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000) + (rng.random(4000) < 0.2) * rng.laplace(scale=2.0, size=4000)

    def likelihood(w: float) -> float:
        return float(np.log1p(w * peers.excess(x)).sum())

    found = peers.weight(x)
    assert found == pytest.approx(0.2, abs=0.06)
    assert likelihood(found) >= max(likelihood(0.97 * found), likelihood(1.03 * found))


def test_weight_of_noise_alone_is_that_of_the_universal_threshold() -> None:
    x = np.random.default_rng(1).normal(size=1000)
    w = peers.weight(0.5 * x)
    t = float(np.sqrt(2.0 * np.log(1000)))
    assert (peers.posterior_median(np.array([0.999 * t]), w) == 0.0).all()
    assert (peers.posterior_median(np.array([1.001 * t]), w) > 0.0).all()


def test_ebayes_reconstructs_what_is_far_above_the_noise() -> None:
    x = CASES["HeaviSine 7"](np.random.default_rng(0))[0]
    y = 1e6 * x + np.random.default_rng(1).normal(size=x.size)
    assert np.mean((peers.ebayes_thresh(y) - 1e6 * x) ** 2) < 1.2


def test_bounds_of_theory_hold_in_the_harness() -> None:
    scores = measure.bounds(block=1, seeds=12, workers=2)
    for name, theory in zip(measure.EXACT, (0.390388, 0.242536), strict=True):
        mean, error = scores.mean(name)
        assert abs(mean - theory) < 4.0 * error


@pytest.mark.parametrize("case", [*CASES, *FURTHER])
def test_draws_are_reproducible_and_noisy(case: str) -> None:
    first, again, other = (sample(case, Task("hindsight", case, 1, number).rng) for number in (0, 0, 1))
    assert np.array_equal(first.y, again.y, equal_nan=True)
    assert not np.array_equal(first.y, other.y, equal_nan=True)
    assert first.noise > 0.0
    assert np.isfinite(first.bridged).all()
    assert first.x.shape == first.y.shape


def test_fractional_noise_has_its_autocorrelation() -> None:
    """Hosking (1981): rho_1 = d / (1 - d)."""
    for name, d in (("lingering noise", 0.2), ("turning noise", -0.2)):
        rhos = []
        for seed in range(12):
            drawn = FURTHER[name](np.random.default_rng(seed))
            e = drawn.y - drawn.x
            rhos.append(np.corrcoef(e[1:], e[:-1])[0, 1])
        assert np.mean(rhos) == pytest.approx(d / (1.0 - d), abs=0.02)


def test_random_cases_have_the_ratio_that_they_say() -> None:
    for population in POPULATIONS:
        for number in range(30):
            case = draw(3, number, population)
            assert np.isfinite(case.y).all()
            assert case.x.std() > 0.0
            ratio = case.x.std() / (case.y - case.x).std()
            assert ratio == pytest.approx(float(case.words.split("snr ")[1].split(",")[0]), rel=0.06)


def test_noise_of_the_model_has_no_memory() -> None:
    for name, noise in NOISES.items():
        e = noise(np.random.default_rng(5), 20_000)
        assert abs(np.corrcoef(e[1:], e[:-1])[0, 1]) < 0.03, name


def test_worse_counts_what_is_worse_and_what_is_no_number() -> None:
    assert worse([0.5, 1.0, 1.005, 1.02, float("nan"), float("inf")]) == 3
    assert worse([0.5, 1.0, 1.005], tolerance=0.0) == 1


def test_ratio_of_equals_is_one_and_of_halves_a_half() -> None:
    errors = np.random.default_rng(0).uniform(0.1, 0.2, size=20)
    scores = {"a": Scores(("x", "half"), np.array([errors, errors / 2.0]), np.full((2, 20), np.nan))}
    assert measure.ratio(scores, "x", "x") == (1.0, 0.0)
    assert measure.ratio(scores, "half", "x")[0] == pytest.approx(0.5)


def test_a_peer_that_looks_ahead_is_caught() -> None:
    """The control of the leak test, with the figure that is known of scikit-image: +6.4 a year."""
    found = leak.earned(peers.skimage_bayes, leak.walks(40, 1000, seed=3))
    assert found.leaks
    assert found.sharpe == pytest.approx(6.4, abs=0.5)
