"""What a failure of each guardrail looks like, and what `on_failure` makes of it: a method made to fail, one rule at a time.

The truth is smooth with three jumps, the noise is 1. The method of the test returns the truth (which passes every rule) plus one fault,
of which `strength` is the share: half of a small fault passes, so that backing off has something to find.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from rpsd.core.catalogue import Method
from rpsd.core.errors import GuardrailFailed
from rpsd.core.market import Vector
from rpsd.core.parameters import GuardrailParameters, bounded
from rpsd.denoise import door, noise
from rpsd.denoise.run import denoise

N = 4096
AT = np.arange(N)
TRUTH = 20.0 * np.sin(AT / 150.0) + 25.0 * (AT > 1000) - 40.0 * (AT > 2500) + 30.0 * (AT > 3000)
OBSERVED = TRUTH + np.random.default_rng(0).normal(size=N)


def clip(y: Vector) -> Vector:
    """The truth with one sample far from what was seen: a peak that was cut."""
    x = TRUTH.copy()
    x[1700] = y[1700] - 8.0
    return x


def forgetful(y: Vector) -> Vector:
    """The truth, but for the newest value of what was given, which lags far behind."""
    x = TRUTH[: y.size].copy()
    x[-1] -= 3.0
    return x


FAULTS: dict[str, Callable[[Vector], Vector]] = {
    "risk": lambda y: TRUTH[: y.size] + 1.5 * np.sin(AT[: y.size]),
    "noise_budget": lambda y: TRUTH[: y.size] + 0.8 * np.random.default_rng(9).normal(size=N)[: y.size],
    "residual_structure": lambda y: TRUTH[: y.size] + 0.9 * np.sin(AT[: y.size] / 30.0),
    "largest_residual": clip,
    "trend_at_scale": lambda y: -TRUTH[: y.size],
    "level": lambda y: TRUTH[: y.size] + 0.12,
    "band_power": lambda y: 0.9 * TRUTH[: y.size],
    "revision": forgetful,
}
HOPELESS = {"trend_at_scale"}
"""Even a sixty-fourth of the upside-down truth leaves structure in the residual: no share of it passes."""


@dataclass(frozen=True, slots=True)
class FaultyParameters:
    """Which fault."""

    fault: str = bounded("risk", "The rule to break.", choices=tuple(FAULTS))
    strength: float = bounded(1.0, "Share of the fault.", ge=0.0, le=1.0)


def run(y: Vector, params: FaultyParameters) -> Vector:
    good = TRUTH[: y.size]
    return np.asarray(good + params.strength * (FAULTS[params.fault](y) - good))


@pytest.fixture(autouse=True)
def faulty_method(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def known(y: Vector, starts: np.ndarray) -> noise.Noise:
        return noise.Noise(np.ones(y.size), 1.0, 1.0, 0.01, "known", 1.0, 1.0, 1.0, False, ())

    monkeypatch.setattr(noise, "estimate", known)
    method = Method("faulty", False, FaultyParameters, run, "", "O(n)", "")
    monkeypatch.setattr(door, "METHODS", (*door.METHODS, method))
    yield


def asked(fault: str, on_failure: str) -> dict[str, object]:
    """A request under which the fault shows."""
    rules = GuardrailParameters(on_failure=on_failure, revision=fault == "revision")
    return {"method": "faulty", "params": {"fault": fault}, "guardrails": rules, "scale": "price"}


@pytest.mark.parametrize("fault", FAULTS)
def test_flag_returns_the_result_and_names_the_rule(fault: str) -> None:
    answer = denoise(OBSERVED, **asked(fault, "flag"))  # type: ignore[arg-type]
    assert answer.action == "flagged"
    assert fault in answer.reason
    assert answer.guardrails[fault].passed is False
    assert not answer.passed
    assert (answer.values == run(OBSERVED, FaultyParameters(fault))).all()


@pytest.mark.parametrize("fault", FAULTS)
def test_reject_refuses_and_points_at_the_rule(fault: str) -> None:
    with pytest.raises(GuardrailFailed) as caught:
        denoise(OBSERVED, **asked(fault, "reject"))  # type: ignore[arg-type]
    assert f"/guardrails/{fault}" in [e.pointer for e in caught.value.errors]


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - HOPELESS))
def test_back_off_finds_the_share_that_passes(fault: str) -> None:
    answer = denoise(OBSERVED, **asked(fault, "back_off"))  # type: ignore[arg-type]
    assert answer.action == "backed_off"
    assert fault in answer.trace[0]["failed"]
    assert answer.trace[-1]["failed"] == []
    assert answer.passed
    assert answer.params["strength"] == 0.5 ** (len(answer.trace) - 1) < 1.0


@pytest.mark.parametrize("on_failure", ["back_off", "flag", "reject"])
@pytest.mark.parametrize("y", [np.arange(9.0), np.full(50, 7.0), np.full(50, np.nan)], ids=["short", "constant", "missing"])
def test_status_returns_the_original_whatever_was_asked(y: Vector, on_failure: str) -> None:
    answer = denoise(y, fill="bridge", guardrails=GuardrailParameters(on_failure=on_failure))
    assert answer.action == "returned_original"
    assert answer.guardrails["status"].passed is False
    assert not answer.passed
    assert answer.quality_score == 0.0


@pytest.mark.parametrize("fault", sorted(HOPELESS))
def test_back_off_gives_the_original_back_when_no_share_passes(fault: str) -> None:
    answer = denoise(OBSERVED, **asked(fault, "back_off"))  # type: ignore[arg-type]
    assert answer.action == "returned_original"
    assert fault in answer.reason
    assert (answer.values == OBSERVED).all()
    assert len(answer.trace) == 7
    assert answer.quality_score == 0.0
