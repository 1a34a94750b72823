"""Each guardrail fails on the fault that it is for, and the truth passes them all."""

from collections.abc import Callable

import numpy as np
import pytest

from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import classic, fir, guardrail, noise, spectrum

N = 4096
STARTS = np.array([0, N])


def case(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth truth with three jumps, and what is observed of it in unit noise."""
    t = np.arange(N)
    x = 20.0 * np.sin(t / 150.0) + 25.0 * (t > 1000) - 40.0 * (t > 2500) + 30.0 * (t > 3000)
    return x, x + np.random.default_rng(seed).normal(size=N)


def verdict(y: np.ndarray, x: np.ndarray, divergence: float = 0.0, least: float = 1.0) -> guardrail.Verdict:
    """The verdict with the noise known, or at least a share of it."""
    known = noise.Noise(np.ones(N), 1.0, 1.0, 0.01, "known", 1.0, 1.0, 1.0, False, (), least)
    return guardrail.judge(y, x, known, STARTS, divergence=divergence, powers=spectrum.powers(spectrum.frames(y, known.at, STARTS), x))


@pytest.mark.parametrize("seed", range(10))
def test_truth_passes(seed: int) -> None:
    x, y = case(seed)
    assert verdict(y, x).failed == ()
    assert abs(verdict(y, x).risk) < 0.1


def test_a_correction_must_pay_at_the_least_noise_too() -> None:
    x, y = case()
    assert verdict(y, x, least=0.75).failed == ()  # the exact truth breaks even at sqrt(1/2) of the noise
    judged = verdict(y, x, least=0.65)
    assert judged.failed == ("break_even",)
    assert judged.guardrails["break_even"].value == pytest.approx(np.sqrt(0.5), abs=0.02)
    weaker = y + 0.5 * (x - y)
    assert verdict(y, weaker, divergence=0.5 * N, least=0.65).failed == ()


def test_large_residuals_are_no_fault_of_heavy_tails() -> None:
    x, y = case()
    known = noise.Noise(np.ones(N), 1.0, 1.0, 0.01, "known", 1.0, 1.0, 1.0, False, ())
    powers = spectrum.powers(spectrum.frames(y, known.at, STARTS), x)
    y[7] += 9.0
    for heavy, passed in ((False, False), (True, None)):
        judged = guardrail.judge(y, x, known, STARTS, divergence=0.0, powers=powers, heavy=heavy)
        assert judged.guardrails["largest_residual"].passed is passed


def test_floor_is_the_noise_between_tones() -> None:
    tones = sum(30.0 * np.sin(2.0 * np.pi * f * np.arange(N)) for f in (0.21, 0.37, 0.44))
    y = tones + np.random.default_rng(3).normal(size=N)
    assert spectrum.frames(y, np.ones(N), STARTS, varies=False).floor == pytest.approx(1.0, abs=0.15)
    assert spectrum.frames(y, np.ones(N), STARTS).floor == pytest.approx(1.0, abs=0.15)


def test_identity_fails_by_risk_alone() -> None:
    _, y = case()
    judged = verdict(y, y.copy(), divergence=1.001 * N)
    assert judged.failed == ("risk",)
    assert [w.code for w in judged.warnings] == ["nothing_removed"]


FAULTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "risk": lambda x, y: x + 1.5 * np.sin(np.arange(N)),
    "noise_budget": lambda x, y: x + 0.6 * np.random.default_rng(9).normal(size=N),
    "residual_structure": lambda x, y: x + np.sin(np.arange(N) / 30.0),
    "largest_residual": lambda x, y: fir.low_pass(y, 0.02),
    "trend_at_scale": lambda x, y: -x,
    "level": lambda x, y: x + 0.1,
    "band_power": lambda x, y: 0.9 * x,
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_caught(name: str) -> None:
    x, y = case()
    assert name in verdict(y, FAULTS[name](x, y)).failed


def test_bias_at_the_end_is_caught() -> None:
    x, y = case()
    bent = x.copy()
    bent[-200:] -= 0.5
    assert "level" in verdict(y, bent).failed


def test_rules_that_do_not_apply_say_so() -> None:
    y = np.random.default_rng(1).normal(size=N)
    judged = verdict(y, np.zeros(N)).guardrails
    assert judged["trend_at_scale"].passed is None
    assert guardrail.share_passed({}) == 0.0


def test_classic_four() -> None:
    _, y = case()
    powers = spectrum.powers(spectrum.frames(y, np.ones(N), STARTS), y)
    same = classic.judge(y, y.copy(), STARTS, powers, GuardrailParameters())
    assert [g.value for g in same.values()] == pytest.approx([1.0, 0.0, 1.0, 1.0])
    turned = classic.judge(y, -y, STARTS, powers, GuardrailParameters())
    assert not turned["correlation"].passed
    assert not turned["rmse"].passed
    assert not turned["trend"].passed


def test_spectrum_of_white_noise_is_its_variance() -> None:
    y = 3.0 * np.random.default_rng(4).normal(size=60000)
    begins, size = spectrum.windows(np.array([0, 60000]))
    power = spectrum.welch(y[begins[:, None] + np.arange(size)])
    assert power.size == size // 2
    assert float(power[:-1].mean()) == pytest.approx(9.0, rel=0.03)


def test_windows_stay_within_sessions() -> None:
    begins, size = spectrum.windows(np.array([0, 300, 350, 900]))
    assert size == 256
    assert all(b + size <= 300 or b >= 350 for b in begins)
