"""The engine: it finds planted regimes, tells how EM went, serves bar by bar what it serves in bulk, and agrees with hmmlearn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm
from rpsd.regime.state import WORTH_NATS

TWO, THREE = HmmParameters(k=2), HmmParameters(k=3)


def test_planted_regimes_are_found(two: Any) -> None:
    state = hmm.fit(two.x, TWO, seed=0)
    assert state.head["converged"]
    np.testing.assert_allclose(np.sqrt(state.arrays["variances"]), [0.5, 2.0], rtol=0.15)
    truth = 1 - two.states  # states rise in variance; the planted bear, number 0, is the volatile one
    assert (hmm.smoothed(state, two.x).argmax(axis=1) == truth).mean() > 0.97
    assert (hmm.viterbi(state, two.x) == truth).mean() > 0.97


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_em_is_monotone_in_the_penalised_likelihood(three: Any, k: int) -> None:
    state = hmm.fit(three.x, HmmParameters(k=k, tolerance=1e-9), seed=0)
    trace = state.arrays["trace"]
    assert state.head["iterations"] == trace.size
    assert trace.size == 2 or np.diff(trace).min() > -1e-8
    assert trace[-1] == pytest.approx(state.head["penalised"], abs=1e-9)


def test_one_bar_at_a_time_equals_the_batch_bit_for_bit(three: Any) -> None:
    state = hmm.fit(three.x, THREE, seed=0)
    whole = hmm.filtered(state, three.x)
    p = hmm.filtered(state, three.x[:1000])[-1]
    for t in range(1000, three.x.size):
        p = hmm.step(state, p, float(three.x[t]))
        assert np.array_equal(p, whole[t])


def test_sealed_packets_and_slices_are_read_as_well(three: Any) -> None:
    """The worker hands over read-only arrays; they must give the same bits, and be left alone."""
    state = hmm.fit(three.x, THREE, seed=0)
    travelled = Packet.unpack(state.pack())
    assert np.array_equal(hmm.filtered(travelled, three.x[::2]), hmm.filtered(state, three.x[::2].copy()))


def test_forecasts_go_to_the_stationary_shares(three: Any) -> None:
    state = hmm.fit(three.x, THREE, seed=0)
    rows = hmm.forecast(state, np.array([1.0, 0.0, 0.0]), 2000)
    np.testing.assert_allclose(rows[0], state.arrays["transmat"][0])
    np.testing.assert_allclose(rows[-1], hmm.stationary(state), atol=1e-9)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)


def test_stationary_of_a_chain_that_never_moves_is_even() -> None:
    state = Packet({}, {"transmat": np.eye(3)})
    np.testing.assert_allclose(hmm.stationary(state), np.full(3, 1 / 3))


def test_a_stopped_fit_says_that_it_has_not_converged(three: Any) -> None:
    state = hmm.fit(three.x, replace(THREE, max_iterations=3, starts=1, tolerance=0.0), seed=0)
    assert not state.head["converged"]
    assert state.head["iterations"] == 3


def test_a_warm_fit_goes_on_where_the_other_ended(three: Any) -> None:
    cold = hmm.fit(three.x, THREE, seed=0)
    warm = hmm.fit(three.x, THREE, seed=0, warm=cold)
    assert warm.head["started"] == "warm"
    assert warm.head["iterations"] <= 5
    assert warm.head["penalised"] >= cold.head["penalised"] - hmm.HASTE * THREE.tolerance * three.x.size


def test_a_fit_that_goes_on_stops_sooner_and_gives_up_little(three: Any) -> None:
    """What it leaves is less than the fresh fit must gain to take its place."""
    before = hmm.fit(three.x[:300], THREE, seed=0)
    hasty = hmm.fit(three.x, THREE, seed=0, warm=before)
    patient = hmm.fit(three.x, replace(THREE, tolerance=1e-11), seed=0, warm=before)
    assert hasty.head["converged"]
    assert hasty.head["iterations"] < patient.head["iterations"]
    assert 0.0 < patient.head["penalised"] - hasty.head["penalised"] < WORTH_NATS


def test_a_series_is_fitted_alike_beside_others_that_begin_afresh(three: Any) -> None:
    before = hmm.fit(three.x[:-100], THREE, seed=0)
    together = hmm.fit_many([three.x, three.x], THREE, seed=0, warms=[before, None])
    alone = [hmm.fit(three.x, THREE, seed=0, warm=before), hmm.fit(three.x, THREE, seed=0)]
    for a, b in zip(together, alone, strict=True):
        assert isinstance(a, Packet)
        assert a.pack() == b.pack()


def test_a_sticky_prior_lengthens_the_stay(one: Any) -> None:
    loose = hmm.fit(one.x, replace(TWO, sticky=0.0, spread=0.0), seed=0)
    sticky = hmm.fit(one.x, replace(TWO, sticky=200.0, spread=1.0), seed=0)
    assert np.diag(sticky.arrays["transmat"]).mean() > np.diag(loose.arrays["transmat"]).mean()


def test_a_state_on_equal_returns_is_reported_as_collapsed() -> None:
    x = np.concatenate([np.zeros(150), np.random.default_rng(3).normal(0, 1, 150)])
    state = hmm.fit(x, TWO, seed=0)
    assert state.head["collapsed"] == [0]


def test_aic_and_bic_count_the_parameters(three: Any) -> None:
    head = hmm.fit(three.x, THREE, seed=0).head
    assert head["aic"] == pytest.approx(2 * 14 - 2 * head["log_likelihood"])
    assert head["bic"] == pytest.approx(14 * np.log(three.x.size) - 2 * head["log_likelihood"])


@pytest.mark.parametrize("k", [2, 3, 5])
def test_hmmlearn_agrees_at_fixed_parameters(three: Any, k: int) -> None:
    from hmmlearn.hmm import GaussianHMM

    state = hmm.fit(three.x, HmmParameters(k=k, emission="gaussian"), seed=0)
    startprob, transmat, means, variances = (state.arrays[name] for name in ("startprob", "transmat", "means", "variances"))
    peer = GaussianHMM(k, covariance_type="diag", implementation="log")
    peer.startprob_, peer.transmat_, peer.means_, peer.covars_ = startprob, transmat, means.reshape(-1, 1), variances.reshape(-1, 1)
    rows = three.x.reshape(-1, 1)
    log_likelihood, posteriors = peer.score_samples(rows)
    assert state.head["log_likelihood"] == pytest.approx(log_likelihood, abs=1e-9)
    np.testing.assert_allclose(hmm.smoothed(state, three.x), posteriors, rtol=0, atol=1e-11)
    assert hmm.viterbi(state, three.x).tolist() == peer.decode(rows)[1].tolist()


def heavy_tailed(n: int, seed: int) -> np.ndarray:
    """Two regimes with Student t returns of four degrees of freedom."""
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, n) / np.sqrt(2) * np.repeat(rng.choice([0.6, 2.0], n // 50 + 1), 50)[:n]


def test_heavy_tails_are_found_and_told() -> None:
    state = hmm.fit(heavy_tailed(3000, 1), TWO, seed=0)
    assert state.head["emission"] == "t"
    assert 3.0 < state.arrays["df"][0] < 5.5
    assert (state.arrays["df"] == state.arrays["df"][0]).all()
    inflation = state.arrays["df"] / (state.arrays["df"] - 2)
    np.testing.assert_allclose(state.arrays["dispersion"][:, 0, 0] * inflation, state.arrays["variances"])
    np.testing.assert_allclose(np.sqrt(state.arrays["variances"]), [0.6, 2.0], rtol=0.2)
    gaussian = hmm.fit(heavy_tailed(3000, 1), replace(TWO, emission="gaussian"), seed=0)
    assert gaussian.head["emission"] == "gaussian"
    assert gaussian.head["log_likelihood"] < state.head["log_likelihood"] - 50


def test_light_tails_become_gaussian_only_when_that_is_left_open(three: Any) -> None:
    assert hmm.fit(three.x, replace(THREE, emission="auto"), seed=0).head["emission"] == "gaussian"
    assert hmm.fit(three.x, replace(THREE, emission="t"), seed=0).head["emission"] == "t"


@pytest.mark.parametrize("emission", ["gaussian", "t", "auto"])
def test_many_series_are_fitted_as_each_would_be_alone(three: Any, emission: str) -> None:
    params = replace(THREE, emission=emission)
    xs = [three.x, heavy_tailed(700, 2), np.zeros(300), three.x[:30], three.x[200:900]]
    together = hmm.fit_many(xs, params, seed=0)
    assert [getattr(one, "code", "fitted") for one in together] == ["fitted", "fitted", "constant_series", "too_short", "fitted"]
    for place in (0, 1, 4):
        alone, found = hmm.fit(xs[place], params, seed=0), together[place]
        assert isinstance(found, Packet)
        assert alone.head == found.head
        assert all(np.array_equal(alone.arrays[name], found.arrays[name]) for name in alone.arrays)


def test_a_warm_fit_takes_the_emission_that_is_asked_for(three: Any) -> None:
    x = heavy_tailed(1500, 3)
    by_emission = {word: hmm.fit(x, replace(TWO, emission=word), seed=0) for word in ("gaussian", "t")}
    for word, other in (("gaussian", "t"), ("t", "gaussian")):
        warm = hmm.fit(x, replace(TWO, emission=word), seed=0, warm=by_emission[other])
        assert warm.head["emission"] == word
        assert warm.head["penalised"] == pytest.approx(by_emission[word].head["penalised"], abs=0.05)
