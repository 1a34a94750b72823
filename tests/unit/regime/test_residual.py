"""Pseudo-residuals: normal under the true model, against a reference that integrates densities, and loud under a wrong one."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm
from rpsd.regime.residual import MOST_QUANTILES, predictive_probabilities, pseudo_residuals, qq, residual_facts


def model(df: float) -> Packet:
    """Two states of a Student t (or Gaussian) with 1 and 9 as squared scales."""
    arrays = {
        "startprob": np.array([0.3, 0.7]),
        "transmat": np.array([[0.95, 0.05], [0.1, 0.9]]),
        "location": np.array([[0.1], [-0.2]]),
        "dispersion": np.array([[[1.0]], [[9.0]]]),
        "df": np.full(2, df),
    }
    return Packet({}, arrays)


def density(state: Packet, i: int) -> Any:
    location, scale, df = state.arrays["location"][i, 0], state.arrays["dispersion"][i, 0, 0] ** 0.5, state.arrays["df"][i]
    return stats.norm(location, scale) if np.isinf(df) else stats.t(df, location, scale)


@pytest.mark.parametrize("df", [np.inf, 4.0])
def test_probabilities_are_the_integral_of_the_foretold_density(df: float) -> None:
    state, x = model(df), np.array([0.3, -4.0, 2.5, 0.0])
    lower, upper = predictive_probabilities(state, state.arrays["startprob"], x)
    p = state.arrays["startprob"]
    for row, value in enumerate(x):
        mixed = [integrate.quad(density(state, i).pdf, -np.inf, value)[0] for i in range(2)]
        assert lower[row] == pytest.approx(p @ mixed, abs=1e-8)
        seen = p * [density(state, i).pdf(value) for i in range(2)]
        p = seen / seen.sum() @ state.arrays["transmat"]
    np.testing.assert_allclose(lower + upper, 1.0, atol=1e-12)


def test_scores_keep_their_digits_in_both_tails() -> None:
    lower, upper = stats.norm.cdf([-9.0, 9.0]), stats.norm.sf([-9.0, 9.0])
    np.testing.assert_allclose(pseudo_residuals(lower, upper), [-9.0, 9.0], rtol=1e-12)
    assert np.isfinite(pseudo_residuals(np.array([0.0, 1.0]), np.array([1.0, 0.0]))).all()


def test_the_true_model_leaves_normal_residuals_and_one_state_does_not(three: Any) -> None:
    fits = [hmm.fit(three.x, HmmParameters(k=k, emission="gaussian"), seed=0) for k in (3, 1)]
    right, wrong = (
        residual_facts(pseudo_residuals(*predictive_probabilities(state, state.arrays["startprob"], three.x))) for state in fits
    )
    assert abs(right["excess_kurtosis"]) < 0.5 < 1.0 < wrong["excess_kurtosis"]
    assert abs(right["autocorrelation_of_size"]) < 0.1 < 0.15 < wrong["autocorrelation_of_size"]
    assert right["deviation"] == pytest.approx(1.0, abs=0.05)


def test_a_residual_is_the_same_whatever_follows(three: Any) -> None:
    state = hmm.fit(three.x, HmmParameters(k=3), seed=0)
    whole, _ = predictive_probabilities(state, state.arrays["startprob"], three.x)
    part, _ = predictive_probabilities(state, state.arrays["startprob"], three.x[:500])
    assert np.array_equal(part, whole[:500])


def test_the_picture_is_thin_in_the_middle_and_whole_at_the_ends() -> None:
    z = np.random.default_rng(0).normal(size=5000)
    expected, observed, lower, upper = qq(z)
    assert expected.size <= MOST_QUANTILES
    assert np.array_equal(observed[:20], np.sort(z)[:20])
    assert np.array_equal(observed[-20:], np.sort(z)[-20:])
    assert ((lower < observed) & (observed < upper)).mean() > 0.8
    heavy = qq(np.random.default_rng(0).standard_t(2, size=5000))
    assert heavy[1][-1] > heavy[3][-1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_residuals_do_no_harm(n: int) -> None:
    z = np.linspace(-1, 1, n)
    assert np.isfinite(list(residual_facts(z).values())).all()
    assert all(np.isfinite(part).all() and part.size == n for part in qq(z))
