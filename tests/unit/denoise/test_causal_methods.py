"""What the causal methods promise beside the contract: error, band and evidence on series whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from rpsd.core.catalogue import Method
from rpsd.core.parameters import KalmanSmootherParameters, ModelAverageParameters
from rpsd.denoise import METHODS, kalman_smoother, model_average
from tests.quality.signals import CASES

NAMED = {m.name: m for m in METHODS}
LATE = slice(1024, None)


def measured(method: Method, case: str, strength: float = 1.0, seeds: int = 6) -> tuple[float, float]:
    """Mean squared error over the noise variance and share of the truth within 1.96 deviations, from sample 1024 on."""
    assert method.stream is not None
    params = replace(method.params(), strength=strength)
    waits = method.delay(params) if method.delay else 0
    errors, inside = [], []
    for seed in range(seeds):
        truth, y = CASES[case](np.random.default_rng(seed))
        x, deviations = method.stream.advance(method.stream.start(params), y, params)
        x, deviations, truth, y = x[waits:], deviations[waits:], truth[: y.size - waits], y[: y.size - waits]
        errors.append(np.mean((x - truth)[LATE] ** 2) / np.var(y - truth))
        inside.append(np.mean(np.abs(x - truth)[LATE] <= 1.96 * deviations[LATE]))
    return float(np.mean(errors)), float(np.mean(inside))


@pytest.mark.parametrize(
    ("name", "case", "bound"),
    [
        ("kalman", "GBM", 0.42), ("imm", "GBM", 0.43), ("model_average", "GBM", 0.42), ("fixed_lag", "GBM", 0.26),
        ("imm", "jump", 0.13), ("model_average", "jump", 0.13),
        ("kalman", "stochastic volatility", 0.48), ("model_average", "stochastic volatility", 0.48),
        ("kalman", "Roll + tick", 0.31), ("model_average", "Roll + tick", 0.31), ("fixed_lag", "Roll + tick", 0.19),
    ],
)  # fmt: skip
def test_error_and_band(name: str, case: str, bound: float) -> None:
    error, inside = measured(NAMED[name], case)
    assert error < bound
    assert 0.92 <= inside <= 0.98


@pytest.mark.parametrize("name", ["kalman", "imm", "fixed_lag", "model_average"])
def test_band_of_a_weaker_correction(name: str) -> None:
    error, inside = measured(NAMED[name], "GBM", strength=0.5, seeds=3)
    assert error > measured(NAMED[name], "GBM", seeds=3)[0]
    assert 0.92 <= inside <= 0.98


def test_evidence_names_the_leader() -> None:
    params = ModelAverageParameters()
    state = model_average.start(params)
    assert model_average.evidence(state)["led"] == {"kalman": None, "imm": None}
    model_average.advance(state, CASES["jump"](np.random.default_rng(5))[1], params)
    told = model_average.evidence(state)
    assert sum(told["weights"].values()) == pytest.approx(1.0)
    assert sum(told["led"].values()) == pytest.approx(1.0)
    assert told["led"]["imm"] > 0.8
    assert told["log_score"]["imm"] > told["log_score"]["kalman"]
    assert told["log_score"]["average"] > told["log_score"]["kalman"]
    assert 4000 < told["scored"] < 4096


@pytest.mark.parametrize(("case", "bound"), [("GBM", 0.26), ("stochastic volatility", 0.27), ("Roll + tick", 0.18)])
def test_smoother_in_hindsight(case: str, bound: float) -> None:
    errors, inside = [], []
    for seed in range(6):
        truth, y = CASES[case](np.random.default_rng(seed))
        found = kalman_smoother.smooth(y, KalmanSmootherParameters())
        errors.append(np.mean((found.x - truth) ** 2) / np.var(y - truth))
        inside.append(np.mean(np.abs(found.x - truth) <= 1.96 * found.deviation))
    assert np.mean(errors) < bound
    assert 0.92 <= np.mean(inside) <= 0.98


def test_sensitivity_of_the_smoother_gives_its_risk() -> None:
    """Stein's estimate with the closed form, no probe, is close to the true error."""
    truth, y = CASES["GBM"](np.random.default_rng(3))
    noise = 2e-4
    for strength in (1.0, 0.5):
        found = kalman_smoother.smooth(y, KalmanSmootherParameters(strength=strength))
        risk = np.mean((y - found.x) ** 2) / noise**2 - 1.0 + 2.0 * found.sensitivity.mean()
        assert risk == pytest.approx(np.mean((found.x - truth) ** 2) / noise**2, abs=0.07)
