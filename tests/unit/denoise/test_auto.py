"""What `auto` picks, and that its evidence tells why."""

import numpy as np
import pytest

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadParameter
from rpsd.core.market import Vector
from rpsd.core.parameters import GuardrailParameters, WaveletParameters
from rpsd.denoise import METHODS, auto, noise, trial, wavelet
from rpsd.denoise.run import denoise
from tests.quality.further import sample
from tests.quality.random_cases import MODEL, draw
from tests.quality.signals import CASES

ANALYTIC = [m for m in METHODS if m.response is not None]


def observed(name: str, seed: int = 0) -> tuple[Vector, Vector]:
    """Truth and observation of a test signal."""
    return CASES[name](np.random.default_rng(seed))


def error(x: Vector, truth: Vector, y: Vector) -> float:
    """Mean squared error as a share of the noise."""
    return float(np.mean((x - truth) ** 2) / np.mean((y - truth) ** 2))


def test_the_least_risk_of_those_that_pass_is_chosen_and_all_are_told() -> None:
    truth, y = observed("GBM")
    answer = denoise(y, scale="price")
    rows = answer.evidence["candidates"]
    passing = [row for row in rows if row["failed"] == [] and row["risk_holds"]]
    chosen = [row for row in rows if row["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["risk"] == min(row["risk"] for row in passing)
    assert (answer.method, dict(answer.params)) == (chosen[0]["method"], chosen[0]["params"])
    assert f"{chosen[0]['risk']:.3f}" in answer.evidence["choice"]
    assert [row["params"].get("use_fir_filter") for row in rows if row["method"] == "wavelet"] == [False]
    assert [row["failed"] for row in rows if row["risk"] > 1.06 * chosen[0]["risk"]] == [None]  # behind the answer nobody is judged
    assert error(answer.values, truth, y) < 0.35
    assert 0.9 < answer.evidence["noise"]["least"] <= 1.0


def test_the_answer_is_that_of_the_method_asked_for_by_name() -> None:
    _, y = observed("jump")
    answer = denoise(y, scale="price")
    again = denoise(y, scale="price", method=answer.method, params=answer.params)
    assert (answer.values == again.values).all()
    assert answer.guardrails == again.guardrails


@pytest.mark.parametrize("name", ["Blocks 7", "Bumps 7", "jump"])
def test_jumps_are_kept(name: str) -> None:
    truth, y = observed(name)
    assert error(denoise(y, scale="price").values, truth, y) < 0.45


def test_a_request_with_parameters_means_the_wavelet() -> None:
    _, y = observed("GBM")
    told = denoise(y, params={"use_fir_filter": True})
    assert (told.method, told.params["use_fir_filter"]) == ("wavelet", True)
    assert "candidates" not in told.evidence
    both = denoise(y, params={"level": 3})
    assert {row["method"] for row in both.evidence["candidates"]} == {"wavelet"}
    assert all(row["params"]["level"] == 3 for row in both.evidence["candidates"])
    configured = denoise(y, defaults={"use_fir_filter": False})
    assert [row["params"]["use_fir_filter"] for row in configured.evidence["candidates"] if row["method"] == "wavelet"] == [False]
    with pytest.raises(BadParameter):
        denoise(y, params={"span": 3.0})


def test_a_long_series_is_compared_on_pieces() -> None:
    rng = np.random.default_rng(5)
    y = np.cumsum(rng.normal(size=80_000)) + 2.0 * rng.normal(size=80_000)
    answer = denoise(y, scale="price")
    assert answer.evidence["compared_on"]["samples"] <= 65536
    assert answer.values.size == y.size
    assert answer.guardrails["risk"].value == pytest.approx(
        next(row["risk"] for row in answer.evidence["candidates"] if row["chosen"]), abs=0.05
    )


def test_nothing_is_compared_when_nothing_is_judged() -> None:
    _, y = observed("GBM")
    answer = denoise(y, guardrails=GuardrailParameters(policy="none"))
    assert (answer.method, answer.params["use_fir_filter"]) == ("wavelet", False)
    assert "candidates" not in answer.evidence


@pytest.mark.parametrize("causality", ["causal", "lag"])
def test_a_choice_never_reaches_back(causality: str) -> None:
    """Before the data are seen: a choice by what came later would change values already served."""
    quiet, wild = (denoise(observed(name)[1], causality=causality) for name in ("GBM", "Bumps 7"))
    assert quiet.method == wild.method
    assert "candidates" not in quiet.evidence
    assert quiet.causal is (causality == "causal")


@pytest.mark.parametrize("method", ANALYTIC, ids=lambda m: m.name)
@pytest.mark.parametrize("name", ["GBM", "jump", "Doppler 3"])
def test_risk_without_a_probe_is_the_error(method: Method, name: str) -> None:
    assert method.response is not None
    errors = []
    for seed in range(4):
        truth, y = observed(name, seed)
        sigma = float(np.std(y - truth))
        x, moved = method.response(y, method.params())
        assert (x == method.run(y, method.params())).all()
        assert moved.shape == y.shape
        known = noise.Noise(np.full(y.size, sigma), sigma**2, sigma, 0.01, "known", sigma, sigma, sigma, False, ())
        setting = trial.setting(y, np.array([0, y.size]), known, GuardrailParameters(), 0)
        errors.append(trial.attempt(setting, method, method.params()).risk - error(x, truth, y))
    assert abs(float(np.mean(errors))) < 0.04


def test_a_candidate_that_cuts_spikes_is_not_chosen() -> None:
    y = np.convolve(40.0 * (np.arange(1024) % 64 == 0), np.exp(-np.abs(np.arange(-8, 9)) / 2.0), "same")
    y = y + np.random.default_rng(2).normal(size=1024)
    starts = np.array([0, y.size])
    setting = trial.setting(y, starts, noise.estimate(y, starts), GuardrailParameters(), 0)
    plain, low = WaveletParameters(use_fir_filter=False), WaveletParameters()
    choice = auto.compare(setting, (auto.Candidate(wavelet.METHOD, low), auto.Candidate(wavelet.METHOD, plain)))
    assert choice.best.params == plain  # the low pass cuts the spikes
    assert trial.attempt(setting, wavelet.METHOD, low).failed


@pytest.mark.parametrize("name", ["heavy tails", "integer grid", "turning noise"])
def test_noise_that_is_not_normal_is_left_to_the_linear_method(name: str) -> None:
    drawn = sample(name, np.random.default_rng(0))
    answer = denoise(drawn.y, scale="price")
    assert (answer.method, answer.action) == ("kalman_smoother", "accepted")
    if name == "heavy tails":
        rows = {row["method"]: row for row in answer.evidence["candidates"]}
        assert rows["ti_bayes"]["risk"] < rows["kalman_smoother"]["risk"]  # it looks better, and foretells worse
        assert not rows["ti_bayes"]["risk_holds"]
        assert answer.guardrails["largest_residual"].passed is None
    assert error(answer.values, drawn.x, drawn.y) < 0.28


@pytest.mark.parametrize("name", ["Blocks 7", "Bumps 7", "jump"])
def test_jumps_are_no_heavy_tails(name: str) -> None:
    _, y = observed(name)
    answer = denoise(y, scale="price")
    assert answer.method == "ti_bayes"
    assert answer.guardrails["largest_residual"].passed


@pytest.mark.parametrize("number", [769, 489, 231, 493, 485, 331, 443, 775])
def test_never_worse_than_nothing_where_the_noise_is_unsure(number: int) -> None:
    case = draw(41000, number, MODEL)
    assert error(denoise(case.y).values, case.x, case.y) <= 1.01


@pytest.mark.parametrize("number", [12, 372, 73, 63])
def test_a_sweep_is_not_taken_for_noise(number: int) -> None:
    case = draw(41000, number, "signals as rough as noise")
    assert error(denoise(case.y).values, case.x, case.y) <= 1.01


@pytest.mark.parametrize(("n", "share"), [(1024, 0.9), (4096, 1.0)])
def test_a_short_series_leaves_a_margin_below_its_least_noise(n: int, share: float) -> None:
    rng = np.random.default_rng(n)
    found = denoise(50.0 + np.cumsum(rng.normal(size=n)) + 4.0 * rng.normal(size=n))
    bound, least = found.guardrails["break_even"].threshold, found.evidence["noise"]["least"]
    assert least < 1.0
    assert bound == pytest.approx(share * least)
