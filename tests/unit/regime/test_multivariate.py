"""Models of several columns: planted ones are found, EM is monotone, and one step equals that of hmmlearn."""

from dataclasses import replace

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import ConstantSeries, NotFinite, TooShort
from rpsd.core.market import Vector
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels, Matrix
from rpsd.regime import hmm, multivariate
from rpsd.regime.state import Parameters

GAUSSIAN, HEAVY, AUTO = (HmmParameters(k=2, starts=4, emission=emission) for emission in ("gaussian", "t", "auto"))
COVARIANCES = np.array([[[0.25, 0.1], [0.1, 0.5]], [[4.0, -1.5], [-1.5, 2.0]]])
MEANS = np.array([[0.1, -1.0], [-0.3, 1.0]])


def planted(n: int, df: float, seed: int, d: int = 2) -> tuple[Matrix, Labels]:
    """Two states of two columns; df inf for Gaussian states; columns beyond the second are noise."""
    rng = np.random.default_rng(seed)
    states = (np.cumsum(rng.random(n) < 0.02) % 2).astype(np.int64)
    noise = np.stack([np.linalg.cholesky(covariance) for covariance in COVARIANCES])[states] @ rng.normal(size=(n, 2, 1))
    stretch = np.ones(n) if np.isinf(df) else np.sqrt(df / rng.chisquare(df, n))
    z = MEANS[states] + noise[:, :, 0] * stretch[:, None]
    return np.column_stack([z, rng.normal(size=(n, d - 2))]), states


def returns(z: Matrix) -> Vector:
    return z[:, 0].copy()


def test_planted_gaussian_states_are_found() -> None:
    z, states = planted(4000, np.inf, 1)
    state = multivariate.fit_rows(returns(z), z, GAUSSIAN, seed=0)
    assert state.head["converged"]
    assert (state.head["d"], state.head["emission"], state.head["collapsed"]) == (2, "gaussian", [])
    np.testing.assert_allclose(state.arrays["location"], MEANS, atol=0.12)
    np.testing.assert_allclose(state.arrays["dispersion"], COVARIANCES, atol=0.25)
    assert (hmm.filtered(state, z).argmax(axis=1) == states).mean() > 0.95


def test_planted_heavy_tails_are_found_and_light_ones_called_gaussian() -> None:
    z, _ = planted(6000, 4.0, 2)
    state = multivariate.fit_rows(returns(z), z, AUTO, seed=0)
    assert state.head["emission"] == "t"
    np.testing.assert_allclose(state.arrays["df"], 4.0, rtol=0.25)
    np.testing.assert_allclose(state.arrays["dispersion"], COVARIANCES, atol=0.3)
    light, _ = planted(6000, np.inf, 3)
    assert multivariate.fit_rows(returns(light), light, AUTO, seed=0).head["emission"] == "gaussian"
    assert multivariate.fit_rows(returns(light), light, HEAVY, seed=0).head["emission"] == "t"


@pytest.mark.parametrize("params", [GAUSSIAN, HEAVY])
@pytest.mark.parametrize("d", [2, 4])
def test_em_is_monotone_in_the_penalised_likelihood(params: HmmParameters, d: int) -> None:
    z, _ = planted(600, 5.0, 4, d)
    state = multivariate.fit_rows(returns(z), z, replace(params, tolerance=1e-9), seed=0)
    trace = state.arrays["trace"]
    assert np.diff(trace).min() > -1e-8
    assert trace[-1] == pytest.approx(state.head["penalised"], abs=1e-6)
    assert state.head["iterations"] == trace.size


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32))
def test_one_step_equals_hmmlearns(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    u, simplex = rng.normal(size=(40, d)), lambda *shape: rng.dirichlet(np.ones(k), shape)
    root = rng.normal(size=(k, d, d))
    dispersion = root @ root.transpose(0, 2, 1) + 0.3 * np.eye(d)
    p = Parameters(simplex(1)[0], simplex(k), rng.normal(size=(k, d)), dispersion, np.full(k, np.inf))
    ours, penalised = multivariate.em_step(u, p, (np.full((k, k), 0.5), 1e-12))
    learner = GaussianHMM(k, covariance_type="full", n_iter=1, init_params="", transmat_prior=1.5, covars_prior=0, covars_weight=-1 - d)
    learner.startprob_, learner.transmat_, learner.means_, learner.covars_ = p.startprob, p.transmat, p.location, p.dispersion
    assert penalised == pytest.approx(learner.score(u) + 0.5 * np.log(p.transmat).sum(), rel=1e-9)
    learner.fit(u)
    for mine, theirs in ((ours.startprob, learner.startprob_), (ours.transmat, learner.transmat_), (ours.location, learner.means_)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.dispersion, learner.covars_, rtol=1e-5, atol=1e-6)


def test_a_column_that_copies_the_return_meets_the_floor() -> None:
    z, _ = planted(500, np.inf, 6)
    z[:, 1] = 3 * z[:, 0] + 1
    state = multivariate.fit_rows(returns(z), z, GAUSSIAN, seed=0)
    assert state.head["collapsed"] == [0, 1]
    assert np.isfinite(hmm.filtered(state, z)).all()


def test_warm_goes_on_and_the_seed_decides() -> None:
    z, _ = planted(800, 5.0, 7)
    cold = multivariate.fit_rows(returns(z), z, AUTO, seed=3)
    assert cold.pack() == multivariate.fit_rows(returns(z), z, AUTO, seed=3).pack()
    warm = multivariate.fit_rows(returns(z), z, AUTO, seed=0, warm=cold)
    assert warm.head["started"] == "warm"
    assert warm.head["iterations"] < 20
    assert warm.head["penalised"] >= cold.head["penalised"] - 1e-6


def test_units_of_the_columns_do_not_matter() -> None:
    z, _ = planted(800, 5.0, 8)
    plain, factor = multivariate.fit_rows(returns(z), z, AUTO, seed=0), np.array([1.0, 1e4])
    scaled = multivariate.fit_rows(returns(z), factor * z + [0.0, 1e5], AUTO, seed=0)
    np.testing.assert_allclose(hmm.filtered(scaled, factor * z + [0.0, 1e5]), hmm.filtered(plain, z), atol=1e-6)
    assert scaled.head["log_likelihood"] == pytest.approx(plain.head["log_likelihood"] - z.shape[0] * np.log(1e4), abs=1e-3)


def test_bad_columns_are_refused() -> None:
    z, _ = planted(100, np.inf, 9)
    with pytest.raises(TooShort):
        multivariate.fit_rows(z[:39, 0], z[:39], GAUSSIAN, seed=0)
    for value, error in ((np.nan, NotFinite), (0.0, ConstantSeries)):
        bad = z.copy()
        bad[:, 1] = value
        with pytest.raises(error):
            multivariate.fit_rows(returns(bad), bad, GAUSSIAN, seed=0)


def test_one_bar_at_a_time_equals_the_batch_bit_for_bit() -> None:
    z, _ = planted(300, 4.0, 10, 3)
    state = multivariate.fit_rows(returns(z), z, HEAVY, seed=0)
    whole = hmm.filtered(state, z)
    p = whole[199]
    for t in range(200, 300):
        p = hmm.step(state, p, z[t])
        assert np.array_equal(p, whole[t])


def test_states_share_their_degrees_of_freedom_and_pay_for_them_once() -> None:
    z, _ = planted(1200, 5.0, seed=8)
    heavy, light = (multivariate.fit_rows(z[:, 0], z, HmmParameters(k=2, starts=4, emission=word), seed=0) for word in ("t", "gaussian"))
    assert np.unique(heavy.arrays["df"]).size == 1
    free = [(one.head["aic"] + 2 * one.head["log_likelihood"]) / 2 for one in (heavy, light)]
    assert free == pytest.approx([14, 13])  # one start, two moves, four means, six dispersions
